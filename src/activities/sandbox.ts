import { recordCheckpoint } from '../db/checkpoints.ts'
import { readSetup } from '../db/environments.ts'
import { acquireLease, requestsOf } from '../db/lifecycle.ts'
import { getProject } from '../db/projects.ts'
import type { Lease } from '../db/transaction.ts'
import { planSetup } from '../environment/look-at-inputs.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { newId } from '../shared/ids.ts'
import { NO_DIFF } from '../shared/task.ts'
import type { Activities, Prepared } from '../workflows/activities.ts'
import { applyEnvironment } from './apply-environment.ts'
import { returnWorkspace } from './borrowed-workspace.ts'
import { startLabel } from './checkpoint-label.ts'
import type { ActivityDeps } from './deps.ts'
import { openSandbox } from './open-sandbox.ts'
import { type ActivityRun, runActivity } from './run-activity.ts'
import { isSetupDue } from './set-up.ts'

/** Opens the task's sandbox and stores the tree that the task starts from. */
export function createSandboxActivities(deps: ActivityDeps): Pick<Activities, 'prepareSandbox'> {
  return {
    prepareSandbox: runActivity(async ({ taskId, projectId }, run) => {
      const { activity, attempt } = run
      const { sandboxProvider: provider } = await getProject(deps.db, projectId)
      const { task, lease } = await acquireLease(
        deps.db,
        { taskId, projectId, activity, attempt, phase: 'preparing' },
        (scope) => [{ type: 'sandbox.starting', key: `sandbox.starting:${taskId}`, scope, payload: { provider } }],
      )
      hitCrashPoint('lease.acquired')
      if (task.startTree !== null) return await askSetup(deps, lease, run)
      const startedAt = performance.now()
      const reused = (await deps.workspaces.openExisting(projectId)) !== null
      const sandbox = await openSandbox(deps, lease, run.onProgress)
      // An earlier task may have died with another tree in the workspace.
      await returnWorkspace(deps.db, lease, sandbox)
      const treeHash = await sandbox.checkpoint()
      hitCrashPoint('checkpoint.before_record')
      const label = startLabel((await requestsOf(deps.db, taskId))[0])
      const checkpoint = { id: newId('ckp'), turn: 0, treeHash, label, stat: NO_DIFF }
      const scope = { projectId, conversationId: task.conversationId, taskId }
      await recordCheckpoint(deps.db, lease, checkpoint, [
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
      return await askSetup(deps, lease, run)
    }),
  }
}

/** Whether the project's dependencies must be installed before the first turn. */
async function askSetup(deps: ActivityDeps, lease: Lease, run: ActivityRun): Promise<Prepared> {
  const { projectId, taskId } = lease
  const sandbox = await openSandbox(deps, lease, run.onProgress)
  const environment = await applyEnvironment(deps, projectId, sandbox)
  const look = { execId: `look-${newId('stp')}`, taskId, signal: run.signal }
  const plan = await planSetup(sandbox, environment, look)
  const isDue = isSetupDue(environment, plan, await readSetup(deps.db, projectId), sandbox.ref.id)
  // What a set-up installs is no change of the task: then it is the set-up that notes where the task begins.
  if (!isDue) await sandbox.markLeftOut(taskId)
  return { isSetupDue: isDue }
}
