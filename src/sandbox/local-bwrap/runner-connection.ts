import type { Socket } from 'node:net'
import { AppError } from '../../shared/errors.ts'
import type { ExecState } from '../types.ts'
import type { CommandTable } from './command-table.ts'
import { createLineSplitter, type NumberedRequest, parseRequest, type RunnerReply } from './protocol.ts'

/** A worker that asks for more than this at once is broken. */
const MAX_OPEN_REQUESTS = 10_000
/** A worker that leaves this much unread is broken, too. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024

/** What one connection is served with; `onLeave` is called once, when the worker is gone. */
export interface ServeOptions {
  readonly table: CommandTable
  /** Which requests are meant for this runner, see `runnerIdentity`. */
  readonly identity: string
  readonly onLeave: () => void
}

/**
 * Answers one worker's requests until it leaves. Nothing that comes in is trusted: a malformed request is answered with
 * what is wrong, what is no request ends this connection and no other. A worker that leaves ends its waits, nothing else.
 */
export function serveClient(socket: Socket, { table, identity, onLeave }: ServeOptions): void {
  const waits = new Map<number, AbortController>()
  let open = 0

  const reply = (id: number, message: RunnerReply) => {
    if (socket.destroyed) return
    socket.write(`${JSON.stringify({ id, ...message })}\n`)
    if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy()
  }
  const handle = async (request: NumberedRequest): Promise<readonly ExecState[] | null> => {
    if ('identity' in request && request.identity !== identity) {
      throw new AppError('sandbox_unavailable', 'this command runner was started with other settings')
    }
    if ('lease' in request && request.lease !== undefined) table.checkLease(request.sandbox, request.lease)
    switch (request.op) {
      case 'start':
        return [await table.start(request.sandbox, request.spec, request.lease)]
      case 'wait': {
        const abort = new AbortController()
        waits.set(request.id, abort)
        const { sandbox, execId, cursor, waitMs } = request
        return [await table.wait(sandbox, execId, cursor, waitMs, abort.signal).finally(() => waits.delete(request.id))]
      }
      case 'input': {
        const data = request.data === null ? null : Buffer.from(request.data, 'base64')
        return [table.input(request.sandbox, request.execId, data)]
      }
      case 'kill':
        return [await table.kill(request.sandbox, request.execId)]
      case 'killAll':
        return await table.killAll(request.sandbox, request.taskId)
      case 'store':
        table.noteStore(request.sandbox, request.storeBytes)
        return []
      case 'cancel':
        waits.get(request.target)?.abort()
        return null
      case 'leave':
        onLeave()
        return null
    }
  }
  const refuse = (id: number, error: unknown) => {
    const code = error instanceof AppError ? error.code : 'sandbox_unreachable'
    reply(id, { ok: false, code, message: error instanceof Error ? error.message : String(error) })
  }
  const onLine = (line: string) => {
    const request = readRequest(line, refuse)
    if (request === null) return
    if (++open > MAX_OPEN_REQUESTS) throw new Error('too many requests at once')
    handle(request)
      .then(
        (states) => {
          if (states !== null) reply(request.id, { ok: true, states })
        },
        (error: unknown) => refuse(request.id, error),
      )
      .finally(() => {
        open--
      })
  }
  const split = createLineSplitter(onLine)
  socket.on('data', (chunk: Buffer) => {
    try {
      split(chunk)
    } catch (error) {
      // Not our protocol: whoever it is, only this connection ends.
      socket.destroy(error instanceof Error ? error : undefined)
    }
  })
  socket.on('error', () => undefined) // 'close' follows and cleans up
  socket.on('close', () => {
    for (const abort of waits.values()) abort.abort()
  })
}

/** Null for a request that was refused. Throws when the line is no request at all. */
function readRequest(line: string, refuse: (id: number, error: AppError) => void): NumberedRequest | null {
  try {
    const request = parseRequest(line)
    if (request === null) throw new Error('not a request')
    return request
  } catch (error) {
    const id = error instanceof AppError ? error.details?.['id'] : undefined
    if (!(error instanceof AppError) || typeof id !== 'number') throw error
    refuse(id, error)
    return null
  }
}
