/** How a task moves: taken over by an attempt, cancelled, closed. Every move happens under the project's lock. */

import type { NewEvent } from '../../events/topics.ts'
import { AppError } from '../../shared/errors.ts'
import { newId } from '../../shared/ids.ts'
import type { ReviewState } from '../../shared/review.ts'
import { isOver, type Outcome, type TaskReason } from '../../shared/task.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import { storable } from '../storable.ts'
import { inProject, inTask, type Tx } from '../transaction.ts'
import { activateTask, addToOutbox, findPredecessor, noReview } from './accept-message.ts'
import { withdrawApprovals } from './approvals.ts'
import type { Attempt } from './attempt.ts'
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
    if (!row) throw new AppError('not_found', 'There is no such project.')
    return row.lease
  })
}

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
    if (!row || isOver(row.status)) throw new AppError('task_over', 'This task has ended already.')
    if (row.cancel_requested_at) return { status: 'requested', projectId } as const
    const [asked = row] = await tx.query<TaskRow>(
      `UPDATE tasks SET cancel_requested_at = now(), cancel_reason = $2, status = 'cancelling' WHERE id = $1 RETURNING *`,
      [taskId, request.reason ?? null],
    )
    tx.emit(cancelRequestedEvent(row, request))
    if (tx.project.activeTaskId !== taskId) {
      await close(tx, toTask(asked), { kind: 'cancelled', killed: [] })
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

export type TaskEnding =
  | { readonly kind: 'completed'; readonly outcome: Outcome; readonly review: ReviewState }
  | { readonly kind: 'failed'; readonly reason: TaskReason; readonly trouble?: string }
  | {
      readonly kind: 'cancelled'
      /** A sentence for people about what could not be done at the end, as of the files. */
      readonly trouble?: string
      readonly killed: readonly { toolUseId: string; command: string }[]
      /** What a signal said that did not come through the server; whoever asked there first is kept. */
      readonly by?: string
      readonly reason?: string
      /** When it was told to the workflow itself, by Temporal's clock; now when left out. */
      readonly requestedAt?: Date
    }

/** Outcomes after which the agent would not take another message: going on with it would end the same way at once. */
const TAKES_NO_MORE: ReadonlySet<Outcome> = new Set(['stuck', 'refused', 'budget_reached'])

function takesMore(ending: TaskEnding): boolean {
  return ending.kind === 'completed' && !TAKES_NO_MORE.has(ending.outcome)
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
    if (!row) throw new AppError('not_found', 'There is no such task.')
    if (isOver(row.status)) return true
    if (takesMore(ending) && (await countUnclaimed(tx, attempt.scope.taskId)) > 0) return false
    const asked = ending.kind === 'cancelled' ? await noteCancel(tx, row, ending) : row
    tx.emit(...events)
    await close(tx, toTask(asked), ending)
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
    await close(tx, toTask(row), { kind: 'failed', reason })
    return true
  })
}

/** How many of a task's messages no turn has claimed. */
async function countUnclaimed(tx: Tx, taskId: string): Promise<number> {
  const [row] = await tx.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM messages WHERE task_id = $1 AND role = 'user' AND status = 'queued'`,
    [taskId],
  )
  return row?.count ?? 0
}

async function close(tx: Tx, task: Task, ending: TaskEnding): Promise<void> {
  const review = ending.kind === 'completed' ? ending.review : task.review
  const reason = reasonOf(task, ending)
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

function reasonOf(task: Task, ending: TaskEnding): TaskReason | null {
  if (ending.kind === 'failed') return ending.reason
  if (ending.kind === 'completed') return null
  return { code: 'cancelled', message: task.cancelReason ?? 'The task was cancelled.' }
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
  const text = noteFor(task, ending)
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

const NOTE_BY_OUTCOME: Partial<Record<Outcome, string>> = {
  budget_reached: 'The task reached its budget; the work done so far is kept.',
  stuck: 'The task was stopped because it repeated itself without progress; the work done so far is kept.',
  refused: 'The model declined to go on with this request.',
}

function noteFor(task: Task, ending: TaskEnding): string {
  if (ending.kind === 'completed') return NOTE_BY_OUTCOME[ending.outcome] ?? 'The task ended without a final message.'
  const trouble = ending.trouble === undefined ? '' : ` ${ending.trouble}`
  if (ending.kind === 'failed') return `${ending.reason.message}${trouble}`
  const reason = task.cancelReason ? ` (${task.cancelReason})` : ''
  return `The task was cancelled${reason}; files changed so far are kept.${trouble}`
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

/** The texts of a task's user messages that the agent has been given, in order and uncut. */
export async function requestsOf(db: Db, taskId: string): Promise<string[]> {
  const text = `SELECT text FROM messages WHERE task_id = $1 AND role = 'user' AND status <> 'cancelled' ORDER BY position`
  const rows = await query<{ text: string }>(db, text, [taskId])
  return rows.map((row) => row.text)
}
