/** How a task moves: taken over by an attempt, cancelled, closed. Every move happens under the project's lock. */

import type { NewEvent } from '../../events/topics.ts'
import { noSuch, taskOver } from '../../shared/refusals.ts'
import { isOver, type TaskReason } from '../../shared/task.ts'
import { type TaskEnding, takesMore } from '../../shared/task-ending.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import { storable } from '../storable.ts'
import { inProject, inTask, type Tx } from '../transaction.ts'
import { addToOutbox } from './accept-message.ts'
import type { Attempt } from './attempt.ts'
import { countUnclaimed, endTask } from './end-task.ts'
import { getTask, type Task, type TaskRow, toTask } from './tasks.ts'

/**
 * A number above those of all attempts at a project's tasks so far, for somebody who changes its files while no task runs.
 * Throws `not_found`, `store_unavailable`. Each call raises it.
 */
export async function nextLease(db: Db, projectId: string): Promise<number> {
  return await inProject(db, projectId, async (tx) => {
    const [row] = await tx.query<{ lease: number }>(
      'UPDATE projects SET lease = lease + 1 WHERE id = $1 RETURNING lease',
      [projectId],
    )
    if (!row) throw noSuch('project')
    return row.lease
  })
}

/** What came of the wish to cancel a task. */
export type CancelAnswer = { readonly status: 'requested' | 'closed'; readonly projectId: string }

/**
 * Notes that somebody wants the task to end. A task that waits for its turn is closed at once; a running one gets an
 * outbox row that signals its workflow. Throws `not_found`, and `task_over` once it has ended. Safe to repeat.
 */
export async function requestCancel(
  db: Db,
  taskId: string,
  request: { by: string; reason?: string | undefined },
): Promise<CancelAnswer> {
  const { projectId } = await getTask(db, taskId)
  return await inProject(db, projectId, async (tx) => {
    const [row] = await tx.query<TaskRow>('SELECT * FROM tasks WHERE id = $1', [taskId])
    if (!row || isOver(row.status)) throw taskOver()
    if (row.cancel_requested_at) return { status: 'requested', projectId } as const
    const [asked = row] = await tx.query<TaskRow>(
      `UPDATE tasks SET cancel_requested_at = now(), cancel_reason = $2, status = 'cancelling' WHERE id = $1 RETURNING *`,
      [taskId, request.reason ?? null],
    )
    tx.emit(cancelRequestedEvent(row, request))
    if (tx.project.activeTaskId !== taskId) {
      await endTask(tx, toTask(asked), { kind: 'cancelled', killed: [] })
      return { status: 'closed', projectId } as const
    }
    await addToOutbox(tx, { kind: 'cancel', projectId, taskId, payload: request })
    return { status: 'requested', projectId } as const
  })
}

function cancelRequestedEvent(row: TaskRow, request: { by: string; reason?: string | undefined }): NewEvent {
  return {
    type: 'task.cancel_requested',
    key: `task.cancel_requested:${row.id}`,
    scope: { projectId: row.project_id, conversationId: row.conversation_id, taskId: row.id },
    payload: { by: request.by, ...(request.reason === undefined ? {} : { reason: request.reason }) },
  }
}

/**
 * Closes a task, unless its agent could go on with a message that still waits to be claimed: then nothing changes and the
 * answer is false. A task that ends for another reason leaves its unclaimed messages to a successor. Posting a message takes the same lock, so each message either makes this
 * answer false or starts the next task. `events` go before those of the end. Safe to repeat: a closed task answers true.
 */
export async function closeTask(
  attempt: Attempt,
  ending: TaskEnding,
  events: readonly NewEvent[] = [],
): Promise<boolean> {
  return await attempt.tx(async (tx) => {
    const [row] = await tx.query<TaskRow>('SELECT * FROM tasks WHERE id = $1', [attempt.scope.taskId])
    if (!row) throw noSuch('task')
    if (isOver(row.status)) return true
    if (takesMore(ending) && (await countUnclaimed(tx, attempt.scope.taskId)) > 0) return false
    const asked = ending.kind === 'cancelled' ? await noteCancel(tx, row, ending) : row
    tx.emit(...events)
    await endTask(tx, toTask(asked), ending)
    return true
  })
}

/**
 * A cancellation that was told to the workflow itself is noted as if it had been asked for here, at the time at which it
 * was asked for: messages could still join the task until this was known.
 */
async function noteCancel(
  tx: Tx,
  row: TaskRow,
  ending: { by?: string; reason?: string; requestedAt?: Date },
): Promise<TaskRow> {
  if (row.cancel_requested_at) return row
  const reason = ending.reason === undefined ? undefined : storable(ending.reason)
  const [asked] = await tx.query<TaskRow>(
    `UPDATE tasks SET cancel_requested_at = least(now(), coalesce($3::timestamptz, now())), cancel_reason = $2
     WHERE id = $1 RETURNING *`,
    [row.id, reason ?? null, ending.requestedAt?.toISOString() ?? null],
  )
  const by = storable(ending.by ?? 'temporal')
  tx.emit(cancelRequestedEvent(row, { by, reason }))
  return asked ?? row
}

/**
 * Closes a task that nothing works on any more as failed. False when it has ended, or moved since `seen` was read: then
 * nothing changes. Safe to repeat.
 */
export async function abandonTask(db: Db, seen: Task, reason: TaskReason): Promise<boolean> {
  return await inTask(db, { projectId: seen.projectId, taskId: seen.id }, async (tx) => {
    const [row] = await tx.query<TaskRow>('SELECT * FROM tasks WHERE id = $1', [seen.id])
    if (!row || isOver(row.status) || row.lease !== seen.lease) return false
    await endTask(tx, toTask(row), { kind: 'failed', reason })
    return true
  })
}

/** The texts of a task's user messages that the agent has been given, in order and uncut. */
export async function requestsOf(db: Db, taskId: string): Promise<string[]> {
  const text = `SELECT text FROM messages WHERE task_id = $1 AND role = 'user' AND status <> 'cancelled' ORDER BY position`
  const rows = await query<{ text: string }>(db, text, [taskId])
  return rows.map((row) => row.text)
}
