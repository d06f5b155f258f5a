import { log } from '@temporalio/activity'
import type { Attempt } from '../db/task/attempt.ts'
import { callsSince, type LaterCall, type SandboxLoss, tellLoss, untoldLosses } from '../db/workspace/sandbox-losses.ts'
import type { Sandbox } from '../sandbox/types.ts'
import type { ActivityDeps } from './deps.ts'

/** Calls that are named one by one when their changes may be missing. */
const MAX_NAMED = 20
const MAX_NAME_CHARS = 80
const KEEP_ALIVE_MS = 60_000
const LEFT_OUT =
  'What checkpoints leave out is gone too: installed dependencies, build output, files over 2 MiB and running processes.'

/**
 * The project's sandbox for an attempt at a task: older attempts can change nothing there any more. When it had to be made anew since the last task or turn, people (`sandbox.lost`) and the
 * model (a notice before its next reply) are told exactly what is missing. Throws `sandbox_*` and `lease_lost`. Safe to repeat.
 */
export async function openSandbox(
  deps: ActivityDeps,
  attempt: Attempt,
  onProgress?: (said?: string) => void,
): Promise<Sandbox> {
  const opened = await deps.workspaces.open(attempt.scope.projectId, onProgress ? { onProgress } : {})
  const sandbox = await opened.fenced(attempt.lease)
  const mayBeNew = sandbox.ref.kind === 'e2b' && sandbox.ref.generation > 1
  for (const loss of mayBeNew ? await untoldLosses(deps.db, attempt.scope.projectId) : []) {
    const calls = await callsSince(deps.db, attempt.scope.projectId, loss.savedAt, MAX_NAMED)
    const detail = describeLoss(loss, calls)
    await tellLoss(attempt, {
      generation: loss.generation,
      notice: `Notice: ${detail} Look at the files before you build on them, and do again what is missing.`,
      event: {
        type: 'sandbox.lost',
        key: `sandbox.lost:${attempt.scope.projectId}:${loss.generation}`,
        scope: attempt.scope,
        payload: { provider: loss.provider, detail },
      },
    })
  }
  return sandbox
}

/** Tells the sandbox that it is in use while `work` lasts, also through a long silence of the model. */
export async function keepingAlive<T>(sandbox: Sandbox, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {
    sandbox.keepAlive().catch((error: unknown) => log.warn('a sandbox could not be kept alive', { error }))
  }, KEEP_ALIVE_MS)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

/** What a loss cost, in sentences. Pure. */
export function describeLoss(loss: Pick<SandboxLoss, 'tree' | 'savedAt'>, calls: readonly LaterCall[]): string {
  const at = `${loss.savedAt.toISOString().slice(0, 19).replace('T', ' ')} UTC`
  const made = `The sandbox was lost; a new one has the files of the checkpoint ${loss.tree.slice(0, 12)}, saved ${at}.`
  const named = calls.slice(0, MAX_NAMED).map((call) => `turn ${call.turn}: ${nameOf(call)}`)
  const more = calls.length > MAX_NAMED ? ' and later calls' : ''
  const missing =
    calls.length === 0
      ? 'Nothing that was changed in tracked files is missing.'
      : `Missing is what these calls changed after it: ${named.join('; ')}${more}.`
  return `${made} ${missing} ${LEFT_OUT}`
}

function nameOf({ name, input }: LaterCall): string {
  const { command, file_path: filePath } = parsed(input)
  const subject = [command, filePath].find((each) => typeof each === 'string') ?? ''
  const text = String(subject).replace(/\s+/g, ' ').trim()
  return `${name} ${text.length > MAX_NAME_CHARS ? `${text.slice(0, MAX_NAME_CHARS)}…` : text}`.trim()
}

function parsed(input: string): Record<string, unknown> {
  const value: unknown = JSON.parse(input)
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
