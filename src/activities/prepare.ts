import { acquireLease } from '../db/task/attempt.ts'
import { KnownInputs } from '../environment/known-inputs.ts'
import type { Activities } from '../workflows/activities.ts'
import type { ActivityDeps } from './deps.ts'
import { openSandbox } from './open-sandbox.ts'
import { prepareContext } from './project-context.ts'
import { runActivity } from './run-activity.ts'
import { beginPreparing, prepareSandbox } from './sandbox.ts'

/**
 * All that comes before a task's first turn, as one activity; the two halves as activities of their own are for tasks that
 * began with them, and for a set-up between them.
 */
export function createPrepareActivities(
  deps: ActivityDeps,
): Pick<Activities, 'prepareTask' | 'prepareSandbox' | 'prepareProjectContext'> {
  const known = new KnownInputs()
  return {
    prepareTask: runActivity(async ({ force, ...ref }, run) => {
      const at = await beginPreparing(deps, ref, run)
      const { isSetupDue, sandbox } = await prepareSandbox(deps, at, known)
      if (!isSetupDue) await prepareContext(deps, { ...at, sandbox, force })
      return { isSetupDue }
    }),
    prepareSandbox: runActivity(async (ref, run) => {
      const { isSetupDue } = await prepareSandbox(deps, await beginPreparing(deps, ref, run), known)
      return { isSetupDue }
    }),
    prepareProjectContext: runActivity(async ({ force, ...ref }, run) => {
      const attempt = await acquireLease(deps.db, ref, run, 'context')
      const sandbox = await openSandbox(deps, attempt, run.onProgress)
      await prepareContext(deps, { attempt, sandbox, force })
    }),
  }
}
