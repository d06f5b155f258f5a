/** What a person asks of a project or a task from outside; each is told to Temporal through the outbox. */

import { newId } from '../../shared/ids.ts'
import { taskOver } from '../../shared/refusals.ts'
import { type Budget, isOver, type TaskStatus } from '../../shared/task.ts'
import type { Db } from '../client.ts'
import { inProject } from '../transaction.ts'
import { addToOutbox } from './accept-message.ts'
import { getTask, type Task } from './tasks.ts'

/**
 * Has the project's context made anew: by its running task at the next turn boundary, or alone when none runs. Throws
 * `not_found`. Asking again while one request waits is harmless: the workflow counts them as one.
 */
export async function requestContext(
  db: Db,
  projectId: string,
  by: string,
): Promise<{ requestId: string; taskId: string | null }> {
  return await inProject(db, projectId, async (tx) => {
    const taskId = tx.project.activeTaskId
    const requestId = newId('req')
    await addToOutbox(tx, {
      kind: taskId === null ? 'refresh' : 'regenerate',
      projectId,
      taskId,
      payload: { by, requestId },
    })
    return { requestId, taskId }
  })
}

/**
 * Sets new totals and wakes the task, which may wait for them. Limits that `budget` does not name stay. Throws
 * `not_found`, `task_over`. Safe to repeat.
 */
export async function raiseBudget(db: Db, taskId: string, budget: Budget): Promise<Task> {
  const { projectId } = await getTask(db, taskId)
  await inProject(db, projectId, async (tx) => {
    const [task] = await tx.query<{ status: TaskStatus }>('SELECT status FROM tasks WHERE id = $1', [taskId])
    if (task === undefined || isOver(task.status)) throw taskOver()
    await tx.query(
      `UPDATE tasks SET max_usd = coalesce($2, max_usd), max_turns = coalesce($3, max_turns),
         max_minutes = coalesce($4, max_minutes), budget_warned = '' WHERE id = $1`,
      [taskId, budget.maxUsd ?? null, budget.maxTurns ?? null, budget.maxMinutes ?? null],
    )
    if (tx.project.activeTaskId === taskId) await addToOutbox(tx, { kind: 'wake', projectId, taskId })
  })
  return await getTask(db, taskId)
}
