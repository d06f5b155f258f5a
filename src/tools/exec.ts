import type { ExecSpec, ExecState, Sandbox } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'
import type { HeadAndTail } from '../shared/text/clean-text.ts'

export { execIdFor } from '../shared/exec-id.ts'

const POLL_WAIT_MS = 2_000
const POLL_BYTES = 256 * 1024
/** How long after its own limit a command may still be reported as running, before the sandbox counts as unreachable. */
const OVERDUE_MS = 30_000

/** How a command is watched: when that stops, who hears of it, and how much of its output is kept. */
export interface RunExecOptions {
  readonly signal: AbortSignal
  /** Whether the abort means that the command must end, or only that this process stops watching it. */
  readonly shouldKill: (reason: unknown) => boolean
  readonly onOutput?: (offset: number, data: Uint8Array) => void
  /** Called after each answer of the sandbox, also when the command printed nothing: proof that it is still watched. */
  readonly onProgress?: () => void
  readonly headBytes: number
  readonly tailBytes: number
}

/** As much of a sandbox as a command needs that is started and watched. */
type Watched = Pick<Sandbox, 'start' | 'poll' | 'output' | 'kill'>

/** A command that ended, with its last state and the kept output. */
export interface EndedExec extends HeadAndTail {
  readonly state: ExecState
}

/**
 * Starts a command, or attaches to it when `execId` was started before, and waits for its end. When the signal aborts,
 * `signal.reason` is thrown; the command is killed first only if `shouldKill(reason)`: otherwise it goes on and the next
 * attempt attaches to it. Throws `sandbox_unreachable` when the end is not reported 30 s after the command's own limit, and
 * `sandbox_unavailable`, not to be retried, when this host makes no sandboxes.
 * Safe to repeat with the same `execId`.
 */
export async function runExec(sandbox: Watched, spec: ExecSpec, options: RunExecOptions): Promise<EndedExec> {
  options.signal.throwIfAborted()
  let state = await sandbox.start(spec, options.signal)
  const giveUpAt = performance.now() + spec.timeoutMs + OVERDUE_MS
  for (let cursor = 0, caughtUp = options.onOutput === undefined; state.status === 'running' || !caughtUp; ) {
    if (options.signal.aborted) return await abandon(sandbox, spec.execId, options)
    if (performance.now() > giveUpAt) throw overdue(spec)
    const poll = await pollOnce(sandbox, spec.execId, cursor, options)
    if (poll === 'aborted') continue
    options.onProgress?.()
    for (const chunk of poll.chunks) options.onOutput?.(chunk.offset, chunk.data)
    // When nobody listens, what the log still holds need not be fetched piece by piece.
    caughtUp = options.onOutput === undefined || poll.cursor === cursor
    cursor = poll.cursor
    state = poll.state
  }
  if (state.noSandbox === true) throw new AppError('sandbox_unavailable', state.reason ?? 'There is no sandbox here.')
  const { headBytes, tailBytes } = options
  return { state, ...(await sandbox.output(spec.execId, { headBytes, tailBytes })) }
}

async function pollOnce(sandbox: Watched, execId: string, cursor: number, { signal }: RunExecOptions) {
  try {
    return await sandbox.poll(execId, { cursor, maxBytes: POLL_BYTES, waitMs: POLL_WAIT_MS, signal })
  } catch (error) {
    if (signal.aborted) return 'aborted'
    throw error
  }
}

/** A kill that fails is thrown instead of the reason: the caller must not believe that nothing is left running. */
async function abandon(sandbox: Watched, execId: string, options: RunExecOptions): Promise<never> {
  const reason: unknown = options.signal.reason
  if (options.shouldKill(reason)) await sandbox.kill(execId)
  throw reason
}

function overdue(spec: ExecSpec): AppError {
  return new AppError('sandbox_unreachable', `The sandbox does not report the end of the command ${spec.execId}.`)
}

/**
 * True only for a person's cancellation. The worker's shutdown, an attempt that timed out or was superseded and a lost
 * lease all leave the command running, because another attempt attaches to it; what nobody attaches to ends at its own
 * limit or when the task ends. The message is Temporal's `ActivityCancelReason`; `AbortError` is a bare `abort()`.
 */
export function killsOnAbort(reason: unknown): boolean {
  return reason instanceof Error && (reason.message === 'CANCELLED' || reason.name === 'AbortError')
}

/** Environment in which programs neither ask, page, colour nor watch. */
export const QUIET_ENV: Readonly<Record<string, string>> = {
  CI: 'true',
  DEBIAN_FRONTEND: 'noninteractive',
  GIT_EDITOR: 'true',
  GIT_PAGER: 'cat',
  GIT_TERMINAL_PROMPT: '0',
  NO_COLOR: '1',
  PAGER: 'cat',
  PYTHONUNBUFFERED: '1',
  TERM: 'dumb',
}
