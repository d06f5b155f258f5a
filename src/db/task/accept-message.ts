/**
 * The chat call's transaction. Invariants: (1) the user's message is committed before anything is answered; (2) in the
 * same transaction it joins the conversation's task or creates one; (3) a task that must be started has an outbox row in
 * that transaction; (4) one clientMessageId stands for one message, however often it is posted.
 */

import type { StoredEvent } from '../../events/topics.ts'
import { parseProjectBudget } from '../../shared/budget.ts'
import { newId } from '../../shared/ids.ts'
import { idTaken, noSuch } from '../../shared/refusals.ts'
import type { ReviewState } from '../../shared/review.ts'
import type { Budget } from '../../shared/task.ts'
import { shorten } from '../../shared/text/one-line.ts'
import type { Db } from '../client.ts'
import { inProject, type Tx } from '../transaction.ts'
import { rememberFrom } from '../turn/memory.ts'
import { requireOwnProject } from './require-own-project.ts'

/** A message of a person and what it asks for; the fields were checked before. */
export interface AcceptMessage {
  readonly projectId: string
  readonly conversationId?: string | undefined
  /** Starts a conversation instead of using the newest one. */
  readonly newConversation?: boolean
  readonly text: string
  /** What the project is to remember from now on; tidied. */
  readonly remember?: string | undefined
  readonly clientMessageId?: string | undefined
  readonly delivery: 'steer' | 'queue'
  readonly model: string
  readonly forceRegenerateContext: boolean
  readonly budget: Budget
  /** What the server gives a task whose message names no limit. */
  readonly defaultBudget: Budget
  readonly maxFixRounds: number
}

/** Where a message went. */
export interface AcceptedMessage {
  readonly projectId: string
  readonly conversationId: string
  readonly taskId: string
  readonly messageId: string
  /** Whether the message joined a task that was there already. */
  readonly joined: boolean
  /** Whether this clientMessageId had been accepted before. */
  readonly duplicate: boolean
  /** Reading events after this seq begins with this message's `task.accepted`. */
  readonly cursor: number
  /** What this call stored; empty for a duplicate. */
  readonly events: readonly StoredEvent[]
}

interface KnownMessage {
  id: string
  conversation_id: string
  task_id: string
  text: string
  accepted_seq: number
}

/**
 * Accepts one user message. Throws `not_found` (project, or a conversation of another project), `idempotency_mismatch`
 * (the clientMessageId stands for another text), `is_alternative` (the project of a try), `store_unavailable`. Safe to repeat with a clientMessageId.
 */
export async function acceptMessage(db: Db, input: AcceptMessage): Promise<AcceptedMessage> {
  return await inProject(db, input.projectId, async (tx) => {
    const known = await findKnown(tx, input)
    if (known) return known
    requireOwnProject(tx)
    const conversationId = await resolveConversation(tx, input)
    const running = await findJoinable(tx, conversationId)
    const messageId = newId('msg')
    return running
      ? await joinTask(tx, input, { conversationId, taskId: running, messageId })
      : await createTask(tx, input, { conversationId, taskId: newId('tsk'), messageId })
  })
}

async function findKnown(tx: Tx, input: AcceptMessage): Promise<AcceptedMessage | null> {
  if (input.clientMessageId === undefined) return null
  const [known] = await tx.query<KnownMessage>(
    `SELECT id, conversation_id, task_id, text, accepted_seq FROM messages WHERE project_id = $1 AND client_message_id = $2`,
    [input.projectId, input.clientMessageId],
  )
  if (!known) return null
  const sameConversation = input.conversationId === undefined || input.conversationId === known.conversation_id
  if (known.text !== input.text || !sameConversation) {
    const details = { clientMessageId: 'belongs to another text or conversation; use a new one' }
    throw idTaken('clientMessageId', 'message', details)
  }
  return {
    projectId: input.projectId,
    conversationId: known.conversation_id,
    taskId: known.task_id,
    messageId: known.id,
    joined: false,
    duplicate: true,
    cursor: known.accepted_seq - 1,
    events: [],
  }
}

async function resolveConversation(tx: Tx, input: AcceptMessage): Promise<string> {
  if (input.conversationId !== undefined) {
    const [found] = await tx.query('SELECT id FROM conversations WHERE id = $1 AND project_id = $2', [
      input.conversationId,
      input.projectId,
    ])
    if (!found) throw noSuch('conversation', 'in this project')
    return input.conversationId
  }
  if (!input.newConversation) {
    const [newest] = await tx.query<{ id: string }>(
      'SELECT id FROM conversations WHERE project_id = $1 ORDER BY id DESC LIMIT 1',
      [input.projectId],
    )
    if (newest) return newest.id
  }
  const id = newId('cnv')
  await tx.query('INSERT INTO conversations (id, project_id, title) VALUES ($1, $2, $3)', [
    id,
    input.projectId,
    conversationTitle(input.text),
  ])
  return id
}

/** The first line, at most 80 characters. */
export function conversationTitle(text: string): string {
  return shorten(text.trim().split('\n', 1)[0] ?? '', 80)
}

/** A task that is being cancelled takes no more messages: they start the next one. */
async function findJoinable(tx: Tx, conversationId: string): Promise<string | null> {
  const [task] = await tx.query<{ id: string }>(
    `SELECT id FROM tasks WHERE conversation_id = $1 AND status IN ('accepted', 'running', 'needs_budget', 'needs_answer')
       AND cancel_requested_at IS NULL ORDER BY position DESC LIMIT 1`,
    [conversationId],
  )
  return task?.id ?? null
}

interface Ids {
  readonly conversationId: string
  readonly taskId: string
  readonly messageId: string
}

async function joinTask(tx: Tx, input: AcceptMessage, ids: Ids): Promise<AcceptedMessage> {
  const scope = { projectId: input.projectId, conversationId: ids.conversationId, taskId: ids.taskId }
  tx.emit(acceptedEvent(scope, ids, { joined: true }), createdEvent(scope, ids, input), {
    type: 'message.queued',
    key: `message.queued:${ids.messageId}`,
    scope,
    payload: { messageId: ids.messageId, delivery: input.delivery },
  })
  const events = await tx.flush()
  await insertMessage(tx, input, ids, firstSeq(events))
  await addToOutbox(tx, { kind: 'wake', projectId: input.projectId, taskId: ids.taskId })
  return { projectId: input.projectId, ...ids, joined: true, duplicate: false, cursor: firstSeq(events) - 1, events }
}

async function createTask(tx: Tx, input: AcceptMessage, ids: Ids): Promise<AcceptedMessage> {
  const waitingFor = await findPredecessor(tx)
  const scope = { projectId: input.projectId, conversationId: ids.conversationId, taskId: ids.taskId }
  tx.emit(
    acceptedEvent(scope, ids, { joined: false, ...(waitingFor ? { waitingFor } : {}) }),
    createdEvent(scope, ids, input),
  )
  if (waitingFor) {
    tx.emit({
      type: 'message.queued',
      key: `message.queued:${ids.messageId}`,
      scope,
      payload: { messageId: ids.messageId, delivery: input.delivery, waitingFor },
    })
  }
  const events = await tx.flush()
  await insertTask(tx, input, ids)
  await insertMessage(tx, input, ids, firstSeq(events))
  await tx.query('UPDATE conversations SET updated_at = now() WHERE id = $1', [ids.conversationId])
  if (!waitingFor) await activateTask(tx, ids.taskId)
  return { projectId: input.projectId, ...ids, joined: false, duplicate: false, cursor: firstSeq(events) - 1, events }
}

/** The task that must end before a new one of this project may run: the youngest that is not over; `except` is the new one. */
export async function findPredecessor(tx: Tx, except: string | null = null): Promise<string | null> {
  const [task] = await tx.query<{ id: string }>(
    `SELECT id FROM tasks WHERE project_id = $1 AND status IN ('accepted', 'running', 'needs_budget', 'needs_answer', 'cancelling')
       AND ($2::text IS NULL OR id <> $2) ORDER BY position DESC LIMIT 1`,
    [tx.project.id, except],
  )
  return task?.id ?? null
}

/**
 * Makes a task the project's running one and has its workflow started. While the project's files are being restored it
 * waits instead; whoever ends the restore activates it.
 */
export async function activateTask(tx: Tx, taskId: string): Promise<void> {
  const [project] = await tx.query<{ active: string | null }>(
    `UPDATE projects SET active_task_id =
       CASE WHEN EXISTS (SELECT 1 FROM restores WHERE pending_project_id = $1) THEN NULL ELSE $2 END
     WHERE id = $1 RETURNING active_task_id AS active`,
    [tx.project.id, taskId],
  )
  if (project?.active !== taskId) return
  await addToOutbox(tx, { kind: 'start', projectId: tx.project.id, taskId })
}

/**
 * Has the dispatcher of a server tell Temporal something once the transaction is committed: at least once, so its receiver
 * takes it twice.
 */
export async function addToOutbox(
  tx: Tx,
  entry: {
    kind: 'start' | 'wake' | 'cancel' | 'regenerate' | 'refresh' | 'set_up' | 'resolve' | 'publish' | 'compare'
    projectId: string
    taskId: string | null
    payload?: object
  },
): Promise<void> {
  await tx.query('INSERT INTO outbox (id, kind, project_id, task_id, payload) VALUES ($1, $2, $3, $4, $5)', [
    newId('obx'),
    entry.kind,
    entry.projectId,
    entry.taskId,
    JSON.stringify(entry.payload ?? {}),
  ])
}

/** The state of a review that has not begun. Pure. */
export function noReview(maxFixRounds: number): ReviewState {
  return {
    status: 'not_started',
    round: 0,
    fixRounds: 0,
    maxFixRounds,
    findings: { open: 0, resolved: 0 },
    history: [],
  }
}

async function insertTask(tx: Tx, input: AcceptMessage, ids: Ids): Promise<void> {
  const budget = { ...input.defaultBudget, ...parseProjectBudget(tx.project.budget).task, ...input.budget }
  await tx.query(
    `INSERT INTO tasks (id, project_id, conversation_id, status, model, force_context, max_usd, max_turns, max_minutes, review)
     VALUES ($1, $2, $3, 'accepted', $4, $5, $6, $7, $8, $9)`,
    [
      ids.taskId,
      input.projectId,
      ids.conversationId,
      input.model,
      input.forceRegenerateContext,
      budget.maxUsd ?? null,
      budget.maxTurns ?? null,
      budget.maxMinutes ?? null,
      JSON.stringify(noReview(input.maxFixRounds)),
    ],
  )
}

async function insertMessage(tx: Tx, input: AcceptMessage, ids: Ids, acceptedSeq: number): Promise<void> {
  await tx.query(
    `INSERT INTO messages (id, project_id, conversation_id, task_id, role, text, status, delivery, client_message_id, accepted_seq)
     VALUES ($1, $2, $3, $4, 'user', $5, 'queued', $6, $7, $8)`,
    [
      ids.messageId,
      input.projectId,
      ids.conversationId,
      ids.taskId,
      input.text,
      input.delivery,
      input.clientMessageId ?? null,
      acceptedSeq,
    ],
  )
  await rememberFrom(tx, { ...ids, text: input.text, remember: input.remember })
}

type Scope = { projectId: string; conversationId: string; taskId: string }

function acceptedEvent(scope: Scope, ids: Ids, rest: { joined: boolean; waitingFor?: string }) {
  return {
    type: 'task.accepted' as const,
    key: `task.accepted:${ids.messageId}`,
    scope,
    payload: { messageId: ids.messageId, ...rest },
  }
}

function createdEvent(scope: Scope, ids: Ids, input: AcceptMessage) {
  return {
    type: 'message.created' as const,
    key: `message.created:${ids.messageId}`,
    scope,
    payload: {
      messageId: ids.messageId,
      role: 'user' as const,
      text: input.text,
      ...(input.clientMessageId === undefined ? {} : { clientMessageId: input.clientMessageId }),
    },
  }
}

function firstSeq(events: readonly StoredEvent[]): number {
  const first = events[0]
  if (!first) throw new Error('a new message stored no event')
  return first.seq
}
