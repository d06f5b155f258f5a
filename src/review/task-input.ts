import type { Db } from '../db/client.ts'
import { fixCriteria } from '../db/review/criteria.ts'
import { getTask } from '../db/task/tasks.ts'
import type { CodingTaskInput } from '../shared/task.ts'
import { DEFAULT_CRITERIA } from './criteria.ts'

/** The input of a task's workflow; the criteria that it is judged by are fixed with it. Throws `not_found`. Safe to repeat. */
export async function taskInput(
  db: Db,
  taskId: string,
  limits: Pick<CodingTaskInput, 'budgetWaitHours' | 'continueAsNewAfterEvents'>,
): Promise<CodingTaskInput> {
  const task = await getTask(db, taskId)
  const criteria = (await fixCriteria(db, taskId)) ?? DEFAULT_CRITERIA
  return {
    taskId,
    projectId: task.projectId,
    maxFixRounds: criteria.maxFixRounds,
    reviewEnabled: criteria.enabled,
    forceRegenerateContext: task.forceContext,
    ...limits,
  }
}
