/** The end of a task: its row, its last message, its end event, its successor and the project's next task. */

import type { NewEvent } from '../../events/topics.ts'
import { newId } from '../../shared/ids.ts'
import type { ReviewState } from '../../shared/review.ts'
import type { TaskReason } from '../../shared/task.ts'
import { endingNote, endingReason, type TaskEnding, takesMore } from '../../shared/task-ending.ts'
import type { Tx } from '../transaction.ts'
import { activateTask, findPredecessor, noReview } from './accept-message.ts'
import { withdrawApprovals } from './decide-approval.ts'
import type { Task } from './tasks.ts'

/** How many of a task's messages no turn has claimed. */
export async function countUnclaimed(tx: Tx, taskId: string): Promise<number> {
  const [row] = await tx.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM messages WHERE task_id = $1 AND role = 'user' AND status = 'queued'`,
    [taskId],
  )
  return row?.count ?? 0
}

/**
 * Under the project's lock: ends a task with its last message and its end event, and lets the next one run. What waits
 * unclaimed goes to a successor, unless the agent could have gone on with it.
 */
export async function endTask(tx: Tx, task: Task, ending: TaskEnding): Promise<void> {
  const review = ending.kind === 'completed' ? ending.review : task.review
  const reason = endingReason(ending, task.cancelReason)
  await tx.query(
    `UPDATE tasks SET status = $2, outcome = $3, reason_code = $4, reason_message = $5, review = $6, phase = 'done',
       finished_at = now() WHERE id = $1`,
    [
      task.id,
      ending.kind,
      ending.kind === 'completed' ? ending.outcome : null,
      reason?.code ?? null,
      reason?.message ?? null,
      JSON.stringify(review),
    ],
  )
  // A reply whose stream nobody finished: its worker died before the task was ended.
  await tx.query(
    `UPDATE messages SET status = 'cancelled' WHERE task_id = $1 AND role = 'assistant' AND status = 'streaming'`,
    [task.id],
  )
  await withdrawApprovals(tx, task.id)
  const successor = takesMore(ending) ? null : await releaseMessages(tx, task, ending)
  tx.emit(await finalMessage(tx, task, ending), endEvent(task, ending, review, reason))
  if (successor) await emitSuccessor(tx, task, successor)
  await activateNext(tx, task.id)
}

/**
 * Messages that no turn has claimed when a task ends early: cancelled with it when a person stopped the task after they
 * were posted, handed to a task of their own otherwise.
 */
async function releaseMessages(tx: Tx, task: Task, ending: TaskEnding): Promise<string | null> {
  if (ending.kind === 'cancelled') {
    await tx.query(
      `UPDATE messages SET status = 'cancelled' WHERE task_id = $1 AND role = 'user' AND status = 'queued'
         AND ($2::timestamptz IS NULL OR created_at <= $2)`,
      [task.id, task.cancelRequestedAt?.toISOString() ?? null],
    )
  }
  // The message whose task ended before its first turn is answered by that end.
  await tx.query(
    `UPDATE messages SET status = $2 WHERE id =
       (SELECT id FROM messages WHERE task_id = $1 AND role = 'user' ORDER BY position LIMIT 1) AND status = 'queued'`,
    [task.id, ending.kind === 'cancelled' ? 'cancelled' : 'completed'],
  )
  if ((await countUnclaimed(tx, task.id)) === 0) return null
  const successor = newId('tsk')
  await tx.query(
    `INSERT INTO tasks (id, project_id, conversation_id, status, model, max_usd, max_turns, max_minutes, review)
     SELECT $2, project_id, conversation_id, 'accepted', model, max_usd, max_turns, max_minutes, $3 FROM tasks WHERE id = $1`,
    [task.id, successor, JSON.stringify(noReview(task.review.maxFixRounds))],
  )
  await tx.query(`UPDATE messages SET task_id = $2 WHERE task_id = $1 AND role = 'user' AND status = 'queued'`, [
    task.id,
    successor,
  ])
  return successor
}

async function emitSuccessor(tx: Tx, task: Task, successor: string): Promise<void> {
  const [first] = await tx.query<{ id: string }>(
    `SELECT id FROM messages WHERE task_id = $1 ORDER BY position LIMIT 1`,
    [successor],
  )
  if (!first) return
  const waitingFor = await findPredecessor(tx, successor)
  tx.emit({
    type: 'task.accepted',
    key: `task.accepted:${successor}`,
    scope: { projectId: task.projectId, conversationId: task.conversationId, taskId: successor },
    payload: { messageId: first.id, joined: false, ...(waitingFor ? { waitingFor } : {}) },
  })
}

/** The one `message.completed` with `complete: true`: the agent's last words, or a note that says how the task ended. */
async function finalMessage(tx: Tx, task: Task, ending: TaskEnding): Promise<NewEvent> {
  const scope = { projectId: task.projectId, conversationId: task.conversationId, taskId: task.id }
  const timestamp = Date.now()
  const last = ending.kind === 'completed' ? await lastAnswer(tx, task.id) : null
  if (last) {
    const parts = [{ partId: `${last.id}:final`, type: 'text' as const, text: last.text }]
    return {
      type: 'message.completed',
      key: `message.completed:${task.id}:final`,
      scope: { ...scope, turn: last.turn },
      payload: { messageId: last.id, role: 'assistant', parts, complete: true, message: last.text, timestamp },
    }
  }
  const messageId = newId('msg')
  const text = endingNote(ending, task.cancelReason)
  await tx.query(
    `INSERT INTO messages (id, project_id, conversation_id, task_id, role, text, status) VALUES ($1, $2, $3, $4, 'note', $5, 'completed')`,
    [messageId, task.projectId, task.conversationId, task.id, text],
  )
  const parts = [{ partId: `${messageId}:0`, type: 'text' as const, text }]
  return {
    type: 'message.completed',
    key: `message.completed:${task.id}:final`,
    scope,
    payload: { messageId, role: 'note', parts, complete: true, message: text, timestamp },
  }
}

async function lastAnswer(tx: Tx, taskId: string): Promise<{ id: string; text: string; turn: number } | null> {
  const [row] = await tx.query<{ id: string; text: string; turn: number }>(
    `SELECT id, text, turn FROM messages WHERE task_id = $1 AND role = 'assistant' AND status = 'completed' AND text <> ''
     ORDER BY turn DESC LIMIT 1`,
    [taskId],
  )
  return row ?? null
}

function endEvent(task: Task, ending: TaskEnding, review: ReviewState, reason: TaskReason | null): NewEvent {
  const scope = { projectId: task.projectId, conversationId: task.conversationId, taskId: task.id }
  const leftOut = task.leftOut.length === 0 ? {} : { leftOut: task.leftOut }
  const { usage, costUsd, diffStat, evidence, evidenceGaps } = task
  const end = { review, evidence, evidenceGaps, usage, costUsd, diffStat, ...leftOut }
  const key = `task.end:${task.id}`
  switch (ending.kind) {
    case 'completed':
      return { type: 'task.completed', key, scope, payload: { ...end, outcome: ending.outcome } }
    case 'failed':
      return { type: 'task.failed', key, scope, payload: { ...end, reason: ending.reason } }
    case 'cancelled':
      return {
        type: 'task.cancelled',
        key,
        scope,
        payload: { ...end, ...(reason ? { reason } : {}), killed: ending.killed },
      }
  }
}

/** Lets the project's next waiting task run, if the task that ended was the one that ran; null: none did. */
export async function activateNext(tx: Tx, endedTaskId: string | null): Promise<void> {
  if (tx.project.activeTaskId !== null && tx.project.activeTaskId !== endedTaskId) return
  const [next] = await tx.query<{ id: string }>(
    `SELECT id FROM tasks WHERE project_id = $1 AND status = 'accepted' ORDER BY position LIMIT 1`,
    [tx.project.id],
  )
  if (next) await activateTask(tx, next.id)
  else await tx.query('UPDATE projects SET active_task_id = NULL WHERE id = $1', [tx.project.id])
}
