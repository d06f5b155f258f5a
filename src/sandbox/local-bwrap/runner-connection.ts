import type { Socket } from 'node:net'
import { AppError } from '../../shared/errors.ts'
import type { ExecState } from '../types.ts'
import type { CommandTable } from './command-table.ts'
import { createLineSplitter, type Numbered, type RunnerReply, type RunnerRequest } from './protocol.ts'

/** A worker that asks for more than this at once is broken. */
const MAX_OPEN_REQUESTS = 10_000

/** Answers one worker's requests until it leaves. A worker that leaves ends its waits and nothing else. */
export function serveClient(socket: Socket, table: CommandTable, onLeave: () => void): void {
  const waits = new Map<number, AbortController>()
  let open = 0

  const reply = (id: number, message: RunnerReply) => {
    if (!socket.destroyed) socket.write(`${JSON.stringify({ id, ...message })}\n`)
  }
  const handle = async (request: Numbered<RunnerRequest>): Promise<readonly ExecState[] | null> => {
    switch (request.op) {
      case 'start':
        return [await table.start(request.sandbox, request.spec)]
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
      case 'cancel':
        waits.get(request.target)?.abort()
        return null
      case 'leave':
        onLeave()
        return null
    }
  }
  const onLine = (line: string) => {
    const request = JSON.parse(line) as Numbered<RunnerRequest>
    if (++open > MAX_OPEN_REQUESTS) throw new Error('too many requests at once')
    handle(request)
      .then(
        (states) => {
          if (states !== null) reply(request.id, { ok: true, states })
        },
        (error: unknown) => {
          const code = error instanceof AppError ? error.code : 'sandbox_unreachable'
          reply(request.id, { ok: false, code, message: error instanceof Error ? error.message : String(error) })
        },
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
