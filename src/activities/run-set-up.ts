/** One run of a set-up, from `setup.started` to `setup.finished`, held by a lease while it lasts. */

import { log } from '@temporalio/activity'
import { addNotice } from '../db/turn/notices.ts'
import { finishSetup, renewSetup, SETUP_LEASE_MS, tellProject } from '../db/workspace/environments.ts'
import { planSetup } from '../environment/look-at-inputs.ts'
import { deniedEvents, distinctDenials } from '../events/denied-events.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { newId } from '../shared/ids.ts'
import type { NetworkDenial } from '../shared/network.ts'
import type { ActivityDeps } from './deps.ts'
import { keepInstalled, restoreKept } from './kept-installation.ts'
import type { PlannedSetup } from './planned-set-up.ts'
import { type FailedCommand, runCommands } from './set-up-commands.ts'
import { putBackLocks, readLocks } from './set-up-locks.ts'

/**
 * Runs what was planned, tells how it went and records it. Throws the `sandbox_*` codes and what the run's signal says. Safe
 * to repeat: commands are attached to, events have keys, and the end is recorded once.
 */
export async function runPlan(deps: ActivityDeps, at: PlannedSetup): Promise<void> {
  const { plan, owner, projectId, run } = at
  const timer = setInterval(() => {
    run.onProgress()
    // A run that loses its hold is ended by nobody: it goes on, and what it records then counts for nothing.
    renewSetup(deps.db, projectId, owner).catch((error: unknown) => log.warn('a set-up could not be held', { error }))
  }, SETUP_LEASE_MS / 4)
  try {
    const commands = plan.commands.map(({ name, command }) => ({ name, command }))
    await tellProject(deps.db, projectId, [
      { type: 'setup.started', key: `setup.started:${plan.runId}`, scope: at.scope, payload: { commands } },
    ])
    hitCrashPoint('setup.told')
    const restored = plan.kept === undefined ? null : await restoreKept(at, plan.kept)
    if (restored !== null) await finish(deps, at, { ...restored, failed: null, changed: [], fromCache: true })
    else await install(deps, at)
  } finally {
    clearInterval(timer)
  }
}

async function install(deps: ActivityDeps, at: PlannedSetup): Promise<void> {
  const { sandbox, plan, attempt } = at
  const texts = at.isResumed ? new Map<string, Uint8Array>() : await readLocks(sandbox, Object.keys(plan.locks))
  const { failed, startedAt } = await runCommands(deps, at)
  const changed = await putBackLocks(at, texts)
  if (failed !== null && attempt !== null) {
    const text = failureNotice(failed, await sandbox.denials(startedAt))
    await addNotice(attempt, { id: newId('stp'), lane: 'coder', key: `setup:${plan.runId}`, text })
  }
  const endedAt = Date.now()
  const end = { failed, startedAt, endedAt, changed, fromCache: false, output: failed?.output ?? '' }
  const inputsHash = await finish(deps, at, end)
  if (failed === null) await keepInstalled(at, inputsHash)
}

interface SetupEnding {
  readonly failed: FailedCommand | null
  /** Milliseconds since the epoch, as `endedAt`. */
  readonly startedAt: number
  readonly endedAt: number
  /** Lock files that were put back. */
  readonly changed: readonly string[]
  readonly fromCache: boolean
  readonly output: string
}

/** Records and tells the end; what the inputs are now. */
async function finish(deps: ActivityDeps, at: PlannedSetup, ending: SetupEnding): Promise<string> {
  const { plan, owner, projectId, sandbox, run, scope } = at
  const { failed, startedAt, endedAt, changed, fromCache, output } = ending
  const key = plan.runId
  const denied = await sandbox.denials(startedAt)
  const durationMs = Math.max(0, endedAt - startedAt)
  const state = failed === null ? 'ready' : 'failed'
  const exitCode = failed === null ? 0 : failed.exitCode
  // Lock files that it made are what the next look finds: they are no reason to do all of it again.
  const look = { execId: `look-${newId('stp')}`, taskId: owner, signal: run.signal }
  const inputsHash = failed === null ? (await planSetup(sandbox, at.environment, look)).hash : plan.hash
  hitCrashPoint('setup.before_finish')
  await finishSetup(
    deps.db,
    { projectId, owner, endedBy: run.id },
    { state, inputsHash, sandbox: sandbox.ref.id, durationMs, exitCode, output, fromCache },
    [
      ...deniedEvents(scope, denied, { key, command: 'set-up' }),
      {
        type: 'setup.finished',
        key: `setup.finished:${key}`,
        scope,
        payload: {
          state,
          durationMs,
          exitCode,
          ...(failed ? { failed: failed.name } : {}),
          ...(fromCache ? { fromCache } : {}),
          output,
          restored: changed,
        },
      },
    ],
  )
  hitCrashPoint('setup.finished')
  return inputsHash
}

function failureNotice({ command, how, output }: FailedCommand, denied: readonly NetworkDenial[]): string {
  const hosts =
    denied.length === 0
      ? ''
      : `\nRefused by the network policy: ${distinctDenials(denied)
          .map(({ host }) => host)
          .join(', ')}. Only a person can allow a host.`
  return `Notice: the project's set-up failed (${how}), so its dependencies may be missing and checks that need them cannot run. The command was:\n${command}\nThe end of its output:\n${output.slice(-4_000)}${hosts}`
}
