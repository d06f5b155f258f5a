/** Finds tasks whose workflow is gone (terminated by an operator, removed, failed) and tells the truth about them. */

import type { Db } from '../db/client.ts'
import { deleteProject } from '../db/project/projects.ts'
import { comparisonsThatShouldRun, endComparison, noteRemoved, readComparison } from '../db/task/comparison-moves.ts'
import { abandonTask } from '../db/task/lifecycle.ts'
import { tasksThatShouldRun } from '../db/task/tasks.ts'
import type { Log } from '../logger.ts'
import type { Temporal } from './temporal.ts'

const EVERY_MS = 15_000
const MIN_AGE_SECONDS = 10
const BATCH = 200

const REASON = {
  code: 'workflow_gone',
  message:
    'The task’s workflow ended from outside, so nothing works on it any more; the files are kept. Ask again to go on.',
}

/** What the watchdog needs. */
export interface WatchdogDeps {
  readonly db: Db
  readonly temporal: Pick<Temporal, 'isWorkflowOver' | 'isComparisonOver'>
  readonly log: Log
  /** Called when a task was closed, since the project's next one may start. */
  onClosed(): void
}

/**
 * Looks every 15 seconds. A workflow commits its task's end before it ends itself, so one that is over while its task is
 * not was ended by somebody else. Several servers may watch at once. Returns what stops it.
 */
export function startWatchdog(deps: WatchdogDeps): () => void {
  let isLooking = false
  const timer = setInterval(() => {
    if (isLooking) return
    isLooking = true
    watchOnce(deps)
      // Postgres or Temporal is away: readiness says so, and nothing can be told from here.
      .catch((error: unknown) => deps.log.debug({ err: error }, 'the watchdog could not look'))
      .finally(() => {
        isLooking = false
      })
  }, EVERY_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** One look; returns how many tasks and comparisons it closed. Throws when Postgres or Temporal is away. */
export async function watchOnce({ db, temporal, log, onClosed }: WatchdogDeps): Promise<number> {
  let closed = 0
  for (const task of await tasksThatShouldRun(db, { seconds: MIN_AGE_SECONDS, limit: BATCH })) {
    if (!(await temporal.isWorkflowOver(task.id))) continue
    if (!(await abandonTask(db, task, REASON))) continue
    log.warn({ taskId: task.id, projectId: task.projectId }, 'a task was closed because its workflow is gone')
    closed += 1
  }
  closed += await watchComparisons({ db, temporal, log })
  if (closed > 0) onClosed()
  return closed
}

const COMPARISON_GONE = 'Its workflow ended from outside, so nothing works on it any more. Ask again to go on.'

/** Ends comparisons whose workflow was ended by somebody else; the sweep of deleted projects takes what they made. */
async function watchComparisons({ db, temporal, log }: Pick<WatchdogDeps, 'db' | 'temporal' | 'log'>): Promise<number> {
  let ended = 0
  for (const at of await comparisonsThatShouldRun(db, { seconds: MIN_AGE_SECONDS, limit: BATCH })) {
    if (!(await temporal.isComparisonOver(at.comparisonId))) continue
    await endComparison(db, at, { state: 'failed', reason: COMPARISON_GONE })
    const { items } = await readComparison(db, at.comparisonId)
    for (const { index, projectId } of items) if (index > 0) await deleteProject(db, projectId)
    await noteRemoved(db, at.comparisonId)
    log.warn(at, 'a comparison was ended because its workflow is gone')
    ended += 1
  }
  return ended
}
