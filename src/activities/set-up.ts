/**
 * A project's set-up: its dependencies, as its lock files name them. One run at a time for each project, whoever asks; what
 * was begun before its worker died is gone on with: the commands and their ids are written down before the first one starts.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { acquireLease } from '../db/task/attempt.ts'
import { beginSetup, readSetup, resumeSetup, SETUP_LEASE_MS, type SetupRow } from '../db/workspace/environments.ts'
import { planSetup, type SetupPlan } from '../environment/look-at-inputs.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import type { Environment } from '../shared/environment.ts'
import { AppError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import type { Activities } from '../workflows/activities.ts'
import { applyEnvironment } from './apply-environment.ts'
import type { ActivityDeps } from './deps.ts'
import { findInstalled } from './kept-installation.ts'
import { openSandbox } from './open-sandbox.ts'
import type { PlannedSetup, SetupAsk, SetupRun } from './planned-set-up.ts'
import { runActivity } from './run-activity.ts'
import { runPlan } from './run-set-up.ts'
import { SETUP_LIMITS } from './set-up-commands.ts'

const WAIT_POLL_MS = 1_000

/** Whether a project's set-up is due: it never ran, failed, was asked for, or what it is made from moved. Pure. */
export function isSetupDue(environment: Environment, plan: SetupPlan, row: SetupRow, sandboxId: string): boolean {
  if (!environment.setup.enabled || plan.commands.length === 0) return false
  if (row.isRequested || row.state !== 'ready') return true
  return row.inputsHash !== plan.hash || row.sandbox !== sandboxId
}

/**
 * The activities that run a project's set-up: before a task's first turn, and alone when a person asks for it. Safe to
 * repeat.
 */
export function createSetupActivities(deps: ActivityDeps): Pick<Activities, 'setUpProject' | 'setUpAlone'> {
  return {
    setUpProject: runActivity(async (ref, run) => {
      const attempt = await acquireLease(deps.db, ref, run, 'setup')
      const sandbox = await openSandbox(deps, attempt, run.onProgress)
      await setUp(deps, { projectId: ref.projectId, scope: attempt.scope, sandbox, run, attempt })
      // Looked at anew: what was seen last was seen before the set-up, whose files would count as work of the task.
      await sandbox.checkpoint()
      await sandbox.markLeftOut(ref.taskId)
    }),
    setUpAlone: runActivity(async ({ projectId }, run) => {
      const sandbox = await deps.workspaces.open(projectId, { onProgress: run.onProgress })
      const scope = { projectId, conversationId: null, taskId: null }
      await setUp(deps, { projectId, scope, sandbox, run, attempt: null })
    }),
  }
}

/**
 * Runs the set-up when it is due, or waits for the run that is under way. What an earlier one of the same inputs installed is
 * taken in its place, unless a person asked for a run. A command that fails ends it, and is told; it is no error. Throws the
 * `sandbox_*` codes and what the run's signal says. Safe to repeat: a run under way is gone on with, one that this activity
 * ended is not begun again.
 */
export async function setUp(deps: ActivityDeps, ask: SetupAsk): Promise<void> {
  const { projectId, sandbox, run } = ask
  const environment = await applyEnvironment(deps, projectId, sandbox)
  const owner = ask.attempt?.scope.taskId ?? `alone-${projectId}`
  const look = () => ({ execId: `look-${newId('stp')}`, taskId: owner, signal: run.signal })
  const deadline = Date.now() + SETUP_LIMITS.totalMs + SETUP_LEASE_MS
  for (;;) {
    const row = await readSetup(deps.db, projectId)
    if (row.endedBy === run.id && row.state !== 'running' && !row.isRequested) return
    const isOwn = row.owner === owner && row.hasPlan
    // An installation half done moves what it is made from: that of a run under way was decided when it began.
    if (!isOwn) {
      const plan = await planSetup(sandbox, environment, look())
      if (!isSetupDue(environment, plan, row, sandbox.ref.id)) return
      // Whoever began it is gone, and nobody goes on with it; two installations at once would spoil each other.
      if (row.state === 'never' && row.owner !== null) await sandbox.killAll(row.owner)
      const begun = await beginRun(deps, { ...ask, owner }, { plan, mayRestore: !row.isRequested })
      if (begun !== null) return await runPlan(deps, { ...ask, owner, environment, ...begun })
    } else {
      const kept = await resumeSetup(deps.db, projectId, owner)
      if (kept !== null) {
        return await runPlan(deps, { ...ask, owner, environment, plan: JSON.parse(kept) as SetupRun, isResumed: true })
      }
    }
    if (Date.now() > deadline) throw new AppError('sandbox_busy', 'Another set-up of this project does not end.')
    run.onProgress()
    await sleep(WAIT_POLL_MS, undefined, { signal: run.signal })
  }
}

async function beginRun(
  deps: ActivityDeps,
  at: SetupAsk & { readonly owner: string },
  { plan, mayRestore }: { readonly plan: SetupPlan; readonly mayRestore: boolean },
): Promise<Pick<PlannedSetup, 'plan' | 'isResumed'> | null> {
  const { projectId, owner, sandbox } = at
  const { commands, hash, locks } = plan
  const found = await findInstalled(deps, at, { plan, mayRestore })
  const fresh: SetupRun = {
    runId: newId('stp'),
    commands,
    hash,
    locks,
    tree: await sandbox.checkpoint(),
    ...found,
  }
  const held = await beginSetup(deps.db, { projectId, owner }, JSON.stringify(fresh))
  hitCrashPoint('setup.begun')
  if (held === null) return null
  const known = JSON.parse(held) as SetupRun
  return { plan: known, isResumed: known.runId !== fresh.runId }
}
