import { getProject } from '../db/project/projects.ts'
import { type Attempt, acquireLease } from '../db/task/attempt.ts'
import { requestsOf } from '../db/task/lifecycle.ts'
import { recordCheckpoint } from '../db/workspace/checkpoints.ts'
import { readSetup } from '../db/workspace/environments.ts'
import type { KnownInputs } from '../environment/known-inputs.ts'
import { planFrom } from '../environment/look-at-inputs.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { newId } from '../shared/ids.ts'
import { NO_DIFF } from '../shared/task.ts'
import type { Prepared, TaskRef } from '../workflows/activities.ts'
import { applyEnvironment } from './apply-environment.ts'
import { returnWorkspace } from './borrowed-workspace.ts'
import { startLabel } from './checkpoint-label.ts'
import type { ActivityDeps } from './deps.ts'
import { openSandbox } from './open-sandbox.ts'
import type { ActivityRun } from './run-activity.ts'
import { isSetupDue } from './set-up.ts'
import { tellProgress } from './tell-progress.ts'

/** What {@link prepareSandbox} works on. */
export interface Preparing {
  readonly attempt: Attempt
  readonly run: ActivityRun
}

/** Takes the task over for its preparation and tells people which provider's sandbox begins. Throws `task_over`. */
export async function beginPreparing(deps: ActivityDeps, ref: TaskRef, run: ActivityRun): Promise<Preparing> {
  const { sandboxProvider: provider } = await getProject(deps.db, ref.projectId)
  const attempt = await acquireLease(deps.db, ref, run, 'preparing', (scope) => [
    { type: 'sandbox.starting', key: `sandbox.starting:${ref.taskId}`, scope, payload: { provider } },
  ])
  hitCrashPoint('lease.acquired')
  return { attempt, run }
}

/**
 * Opens the task's sandbox, stores the tree that the task starts from, and says whether a set-up is due. Throws
 * `sandbox_*`, `project_source_failed`, `lease_lost`. Safe to repeat.
 */
export async function prepareSandbox(
  deps: ActivityDeps,
  { attempt, run }: Preparing,
  known: KnownInputs,
): Promise<Prepared & { readonly sandbox: Sandbox }> {
  const { task, scope } = attempt
  const { projectId, taskId } = scope
  if (task.startTree !== null) {
    const sandbox = await openSandbox(deps, attempt, run.onProgress)
    const plan = { known, tree: await sandbox.checkpoint() }
    return await askSetup(deps, { attempt, run, sandbox }, plan)
  }
  const startedAt = performance.now()
  const reused = (await deps.workspaces.openExisting(projectId)) !== null
  const progress = tellProgress(attempt, run)
  const opening = openSandbox(deps, attempt, (said) => {
    run.onProgress()
    if (said !== undefined) progress.say(said)
  })
  try {
    await opening
  } finally {
    await progress.settled()
  }
  const sandbox = await opening
  // An earlier task may have died with another tree in the workspace.
  await returnWorkspace(attempt, sandbox)
  const treeHash = await sandbox.checkpoint()
  hitCrashPoint('checkpoint.before_record')
  const label = startLabel((await requestsOf(deps.db, taskId))[0])
  const checkpoint = { id: newId('ckp'), turn: 0, treeHash, label, stat: NO_DIFF }
  const provider = sandbox.ref.kind
  await recordCheckpoint(attempt, checkpoint, [
    {
      type: 'sandbox.ready',
      key: `sandbox.ready:${taskId}`,
      scope,
      payload: { provider, durationMs: Math.round(performance.now() - startedAt), reused },
    },
    {
      type: 'checkpoint.created',
      key: `checkpoint.created:${taskId}:0:${treeHash}`,
      scope,
      payload: { checkpointId: checkpoint.id, treeHash, label: checkpoint.label, stat: NO_DIFF },
    },
  ])
  return await askSetup(deps, { attempt, run, sandbox }, { known, tree: treeHash })
}

/** Whether the project's dependencies must be installed before the first turn. */
async function askSetup(
  deps: ActivityDeps,
  { attempt, run, sandbox }: { readonly attempt: Attempt; readonly run: ActivityRun; readonly sandbox: Sandbox },
  { known, tree }: { readonly known: KnownInputs; readonly tree: string },
): Promise<Prepared & { readonly sandbox: Sandbox }> {
  const { projectId, taskId } = attempt.scope
  const environment = await applyEnvironment(deps, projectId, sandbox)
  const look = { execId: `look-${newId('stp')}`, taskId, signal: run.signal }
  const plan = planFrom(await known.of(sandbox, tree, look), environment)
  const isDue = isSetupDue(environment, plan, await readSetup(deps.db, projectId), sandbox.ref.id)
  // What a set-up installs is no change of the task: then it is the set-up that notes where the task begins.
  if (!isDue) await sandbox.markLeftOut(taskId)
  return { isSetupDue: isDue, sandbox }
}
