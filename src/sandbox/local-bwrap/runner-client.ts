import { mkdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError } from '../../shared/errors.ts'
import { type DetachedProcess, startDetached } from '../../shared/start-detached.ts'
import type { ExecState } from '../types.ts'
import { checkSocketDirectory, withShortAddress } from './layout.ts'
import { PROGRAM_ENV, programCommand } from './own-program.ts'
import type { RunnerPlan } from './plan-runner.ts'
import { createLineSplitter, type NumberedReply, type RunnerReply, type RunnerRequest } from './protocol.ts'

/**
 * One process' way to the runner of a directory; it connects when it is first asked and again after the runner died.
 */
export interface RunnerClient {
  /**
   * Sends a request and waits for its answer. With `spawn` a runner is started when none answers, otherwise null says
   * that there is none. All requests are safe to repeat except `input`, which is never repeated.
   */
  request(request: RunnerRequest, options: RunnerRequestOptions): Promise<readonly ExecState[] | null>
  close(): void
}

/** How long a request may take, in milliseconds, and whether it may start a runner. */
export interface RunnerRequestOptions {
  readonly spawn: boolean
  /** The answer is late after this; `sandbox_unreachable` then. */
  readonly timeoutMs: number
  /** Ends a `wait` early; its answer still comes. */
  readonly signal?: AbortSignal
}

interface Connection {
  /** Of the runner, which serves no requests that name another. */
  readonly identity: string
  readonly socket: Socket
  readonly pending: Map<number, { resolve(reply: RunnerReply): void; reject(error: Error): void }>
}

const START_TRIES = 4
const CONNECT_WAIT_MS = 10_000
const POLL_MS = 10

class Disconnected extends Error {}

/**
 * One connection to the runner of a base directory, made when needed and made again when it breaks. `settle` is asked before
 * each connection who the runner is and how it is started.
 */
export function createRunnerClient(dir: string, settle: () => Promise<RunnerPlan>): RunnerClient {
  let connection: Promise<Connection | null> | null = null
  let lastId = 0
  let isClosed = false

  const open = (mayStart: boolean): Promise<Connection | null> => {
    const opened = reach(mayStart).then(({ socket, identity }) => {
      if (socket === null) {
        if (connection === opened) connection = null
        return null
      }
      const made = attach(socket, identity, () => {
        if (connection === opened) connection = null
      })
      return made
    })
    opened.catch(() => {
      if (connection === opened) connection = null
    })
    connection = opened
    return opened
  }

  const reach = async (mayStart: boolean): Promise<{ socket: Socket | null; identity: string }> => {
    const plan = await settle()
    checkSocketDirectory(plan.socketPath, plan.uid)
    const socket = mayStart ? await connectOrStart(dir, plan) : await connectTo(plan.socketPath)
    return { socket, identity: plan.identity }
  }

  const send = (to: Connection, request: RunnerRequest, options: RunnerRequestOptions): Promise<RunnerReply> => {
    const id = ++lastId
    return new Promise<RunnerReply>((resolve, reject) => {
      const onAbort = () => to.socket.write(`${JSON.stringify({ id: 0, op: 'cancel', target: id })}\n`)
      const timer = setTimeout(
        () => settle(() => reject(new AppError('sandbox_unreachable', 'the command runner does not answer'))),
        options.timeoutMs,
      )
      const settle = (action: () => void) => {
        clearTimeout(timer)
        options.signal?.removeEventListener('abort', onAbort)
        to.pending.delete(id)
        action()
      }
      to.pending.set(id, {
        resolve: (reply) => settle(() => resolve(reply)),
        reject: (error) => settle(() => reject(error)),
      })
      options.signal?.addEventListener('abort', onAbort)
      if (to.socket.destroyed) return settle(() => reject(new Disconnected('the command runner went away')))
      to.socket.write(`${JSON.stringify({ id, identity: to.identity, ...request })}\n`)
      if (options.signal?.aborted) onAbort()
    })
  }

  return {
    async request(request, options) {
      for (let attempt = 1; ; attempt++) {
        if (isClosed) throw new AppError('sandbox_unreachable', 'the sandbox provider is closed')
        const to = await ((await connection) === null ? open(options.spawn) : connection)
        if (to === null) return null
        try {
          const reply = await send(to, request, options)
          if (reply.ok) return reply.states
          throw new AppError(reply.code, reply.message)
        } catch (error) {
          // It ended between the connection and the answer: idle, or killed.
          if (!(error instanceof Disconnected) || attempt === START_TRIES || request.op === 'input') {
            if (error instanceof Disconnected) {
              throw new AppError('sandbox_unreachable', 'the command runner ended', { cause: error })
            }
            throw error
          }
        }
      }
    },
    close() {
      isClosed = true
      connection
        ?.then((open) => {
          open?.socket.end(`${JSON.stringify({ id: 0, op: 'leave' })}\n`)
        })
        .catch(() => undefined) // never connected: nothing to leave
      connection = null
    },
  }
}

function attach(socket: Socket, identity: string, onGone: () => void): Connection {
  const pending: Connection['pending'] = new Map()
  const split = createLineSplitter((line) => {
    const reply = JSON.parse(line) as NumberedReply
    pending.get(reply.id)?.resolve(reply)
  })
  socket.on('data', (chunk: Buffer) => {
    try {
      split(chunk)
    } catch (error) {
      socket.destroy(error instanceof Error ? error : undefined)
    }
  })
  socket.on('error', () => undefined) // 'close' follows and tells all that wait
  socket.on('close', () => {
    onGone()
    for (const waiting of pending.values()) waiting.reject(new Disconnected('the command runner went away'))
  })
  // A worker may end while a connection is open; whoever waits for an answer holds a timer of its own.
  socket.unref()
  return { identity, socket, pending }
}

function connectTo(socketPath: string): Promise<Socket | null> {
  return withShortAddress(
    socketPath,
    (address, close) =>
      new Promise((resolve) => {
        const socket = connect(address)
        // ENOENT, ECONNREFUSED and a listener that is just closing all mean the same: no runner there.
        socket.once('error', () => {
          close()
          resolve(null)
        })
        socket.once('connect', () => {
          close()
          socket.removeAllListeners('error')
          resolve(socket)
        })
      }),
  )
}

async function connectOrStart(dir: string, plan: RunnerPlan): Promise<Socket> {
  const deadline = Date.now() + CONNECT_WAIT_MS
  let child: DetachedProcess | null = null
  for (;;) {
    const socket = await connectTo(plan.socketPath)
    if (socket !== null) return socket
    if (Date.now() > deadline) {
      const log = path.join(dir, 'runner.log')
      throw new AppError('sandbox_unavailable', `the command runner did not start; its log is ${log}`)
    }
    // One that lost the race for the lock ends at once; the winner is about to listen, or is just ending itself.
    if (child === null || child.exited) child = startRunner(dir, plan)
    await sleep(POLL_MS)
  }
}

/** Starts the runner in a session of its own. */
function startRunner(dir: string, plan: RunnerPlan): DetachedProcess {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const command = plan.commandFor(programCommand('runner', plan.args.nodePath, plan.args))
  return startDetached(command, { env: PROGRAM_ENV, logFile: path.join(dir, 'runner.log') })
}
