/** How a lane's next turn begins: it claims what waits to be said, which fixes the user message that the model will see. */

import type { UserBlock } from '../../model/types.ts'
import { noSuch } from '../../shared/refusals.ts'
import { wellFormed } from '../../shared/text/well-formed.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import { Statement } from '../statement.ts'
import type { Attempt, TaskScope } from '../task/attempt.ts'
import type { Tx } from '../transaction.ts'
import { type JournalTurn, type LaneName, roleOf } from './turns.ts'

/** What a turn begins with. */
export interface BeginTurn {
  readonly lane: LaneName
  readonly messageId: string
  /** What must come first in the user message: the results of the turn before. */
  readonly toolResults: readonly UserBlock[]
  /** Text the loop itself adds, after the messages: nudges, what an earlier task left behind. */
  readonly notes: readonly string[]
  /** Whether the agent would be idle now, so that messages posted with `delivery: "queue"` are claimed too. */
  readonly idle: boolean
}

/**
 * Begins the lane's next turn: claims what waits (messages, notices), fixes the user message that the model will see and
 * stores it. Returns null, and changes nothing, when there is nothing to say to the model: the lane is idle.
 */
export async function beginTurn(attempt: Attempt, begin: BeginTurn): Promise<JournalTurn | null> {
  return await attempt.tx(async (tx) => {
    const waiting = await unclaimed(tx, attempt.scope.taskId, begin)
    return await beginTurnWith(tx, attempt, begin, waiting)
  })
}

/** The same in a transaction that has more to do, with what was found to wait. */
export async function beginTurnWith(
  tx: Tx,
  attempt: Attempt,
  begin: BeginTurn,
  waiting: readonly Waiting[],
): Promise<JournalTurn | null> {
  const messages = waiting.filter((entry) => entry.kind === 'message')
  const notices = waiting.filter((entry) => entry.kind === 'notice')
  const texts = [...messages, ...notices].map((entry) => entry.text)
  // Notes alone are no reason to go on, unless the loop has results or messages to go with them or asks to continue.
  const userContent: UserBlock[] = wellFormed([
    ...begin.toolResults,
    ...[...texts, ...begin.notes].map((text) => ({ type: 'text' as const, text })),
  ])
  if (begin.toolResults.length + texts.length === 0 && (begin.idle || begin.notes.length === 0)) return null
  return await insertTurn(tx, attempt, begin, userContent, messages, notices)
}

/** Whether something waits to be said in a lane that would be idle otherwise: {@link beginTurn} would begin a turn. */
export async function hasWaiting(db: Db, taskId: string, lane: LaneName): Promise<boolean> {
  const text = `
    SELECT EXISTS (SELECT 1 FROM messages WHERE task_id = $1 AND role = 'user' AND status = 'queued' AND $2 = 'coder')
      OR EXISTS (SELECT 1 FROM notices WHERE task_id = $1 AND lane = $2 AND claimed_turn IS NULL) AS waits`
  const rows = await query<{ waits: boolean }>(db, { name: 'has_waiting', text }, [taskId, lane])
  return rows[0]?.waits ?? false
}

/** A message or a notice that no turn has claimed. */
export interface Waiting {
  kind: 'message' | 'notice'
  id: string
  text: string
}

/** What waits to be said in a lane: the user's messages for the coder, then the harness's notices, each in order. */
export async function unclaimed(tx: Tx, taskId: string, begin: BeginTurn): Promise<Waiting[]> {
  return await tx.query<Waiting>(
    `SELECT 'message' AS kind, id, text, position FROM messages
     WHERE task_id = $1 AND role = 'user' AND status = 'queued' AND ($2 OR delivery = 'steer') AND $3 = 'coder'
     UNION ALL
     SELECT 'notice', id, text, position FROM notices WHERE task_id = $1 AND lane = $3 AND claimed_turn IS NULL
     ORDER BY kind, position`,
    [taskId, begin.idle, begin.lane],
  )
}

async function insertTurn(
  tx: Tx,
  attempt: Attempt,
  begin: BeginTurn,
  userContent: readonly UserBlock[],
  messages: readonly Waiting[],
  notices: readonly Waiting[],
): Promise<JournalTurn> {
  if (tx.taskTurn === null) throw noSuch('task')
  const turn = tx.taskTurn + 1
  emitTurnBegun(tx, { ...attempt.scope, turn }, begin, messages)
  const statement = new Statement()
  const [taskId, newTurn] = [statement.value(attempt.scope.taskId), `${statement.value(turn)}::int`]
  statement.setTask(attempt.scope.taskId, `turn = ${newTurn}`)
  if (messages.length > 0) {
    const ids = statement.value(messages.map((message) => message.id))
    statement.part('claimed', `UPDATE messages SET status = 'claimed', turn = ${newTurn} WHERE id = ANY(${ids})`)
  }
  if (notices.length > 0) {
    const ids = statement.value(notices.map((notice) => notice.id))
    statement.part('told', `UPDATE notices SET claimed_turn = ${newTurn} WHERE id = ANY(${ids})`)
  }
  const messageId = statement.value(begin.messageId)
  if (begin.lane === 'coder') {
    const [project, conversation] = [
      statement.value(attempt.scope.projectId),
      statement.value(attempt.scope.conversationId),
    ]
    statement.part(
      'message',
      `INSERT INTO messages (id, project_id, conversation_id, task_id, role, text, status, turn)
       VALUES (${messageId}, ${project}, ${conversation}, ${taskId}, 'assistant', '', 'streaming', ${newTurn})`,
    )
  }
  statement.part(
    'begun',
    `INSERT INTO turns (task_id, turn, lane, message_id, user_content, attempts)
     VALUES (${taskId}, ${newTurn}, ${statement.value(begin.lane)}, ${messageId}, ${statement.value(JSON.stringify(userContent))}, 1)`,
  )
  await tx.write(statement)
  return {
    taskId: attempt.scope.taskId,
    turn,
    lane: begin.lane,
    messageId: begin.messageId,
    userContent,
    reply: null,
    stopReason: null,
    attempts: 1,
    usage: { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 },
    costUsd: null,
    firstTokenMs: null,
    durationMs: null,
    toolCalls: [],
  }
}

function emitTurnBegun(
  tx: Tx,
  scope: TaskScope & { readonly turn: number },
  begin: BeginTurn,
  messages: readonly Waiting[],
): void {
  for (const message of messages) {
    tx.emit({
      type: 'message.claimed',
      key: `message.claimed:${message.id}`,
      scope,
      payload: { messageId: message.id },
    })
  }
  tx.emit({
    type: 'turn.started',
    key: `turn.started:${scope.taskId}:${scope.turn}`,
    scope,
    payload: { role: roleOf(begin.lane) },
  })
  if (begin.lane !== 'coder') return
  tx.emit({
    type: 'message.created',
    key: `message.created:${begin.messageId}`,
    scope,
    payload: { messageId: begin.messageId, role: 'assistant', text: '' },
  })
}
