/**
 * The journal of model replies and tool calls: what makes a retried slice go on instead of beginning again. A reply is
 * stored whole before any of its tools starts; a tool call goes requested → started → finished and keeps its result.
 */

import type { MessagePart, ModelRole, NewEvent } from '../../events/topics.ts'
import type { AssistantBlock, ModelReply, ModelWait, UserBlock } from '../../model/types.ts'
import { type BudgetMark, limitName } from '../../shared/budget.ts'
import type { Effect } from '../../shared/effect.ts'
import { AppError } from '../../shared/errors.ts'
import { newId } from '../../shared/ids.ts'
import type { PlanItem } from '../../shared/plan.ts'
import type { Usage } from '../../shared/task.ts'
import { wellFormed } from '../../shared/text/well-formed.ts'
import { type Db, toDbError } from '../client.ts'
import { Statement } from '../statement.ts'
import type { Attempt, TaskScope } from '../task/attempt.ts'
import { type Tx } from '../transaction.ts'

/** `coder`, or `reviewer/<round>`: each lane is a history of its own. */
export type Lane = 'coder' | `reviewer/${number}`

export function roleOf(lane: Lane): ModelRole {
  return lane === 'coder' ? 'coder' : 'reviewer'
}

export interface JournalToolCall {
  readonly toolUseId: string
  readonly lane: Lane
  readonly turn: number
  readonly name: string
  /** The input as the JSON text that was streamed. */
  readonly input: string
  readonly status: 'requested' | 'started' | 'finished'
  readonly effect: Effect | null
  readonly result: string | null
  readonly isError: boolean
  readonly startedAt: Date | null
}

export interface JournalTurn {
  readonly taskId: string
  readonly turn: number
  readonly lane: Lane
  readonly messageId: string
  readonly userContent: readonly UserBlock[]
  /** What the model is told before these words, which its task's memory holds; absent: nothing. */
  readonly opening?: string | null
  /** null until the reply is whole; its turn is then asked for again. */
  readonly reply: readonly AssistantBlock[] | null
  readonly stopReason: string | null
  readonly attempts: number
  readonly usage: Usage
  /** null before the reply, and when its price is not known. */
  readonly costUsd: number | null
  /** Both null before the reply; the first also when nothing was streamed. */
  readonly firstTokenMs: number | null
  readonly durationMs: number | null
  readonly toolCalls: readonly JournalToolCall[]
}

interface TurnRow {
  task_id: string
  turn: number
  lane: Lane
  message_id: string
  user_content: string
  reply_content: string | null
  stop_reason: string | null
  attempts: number
  input_tokens: number
  output_tokens: number
  cache_read_tokens: number
  cache_write_tokens: number
  cost_usd: number | null
  first_token_ms: number | null
  duration_ms: number | null
}

interface ToolCallRow {
  task_id: string
  lane: Lane
  tool_use_id: string
  turn: number
  name: string
  input: string
  status: 'requested' | 'started' | 'finished'
  effect: string | null
  result: string | null
  is_error: boolean
  started_at: Date | null
}

/** All turns of one lane of one task, in order, each with its tool calls in the order of the reply. */
export async function readLane(db: Db, taskId: string, lane: Lane): Promise<JournalTurn[]> {
  return await readTurns(db, [taskId], lane)
}

/** The coder's turns of several tasks, in the tasks' order. */
export async function readTurns(db: Db, taskIds: readonly string[], lane: Lane): Promise<JournalTurn[]> {
  try {
    const [turns, calls] = await Promise.all([
      db.pool.query<TurnRow>({
        name: 'read_turns',
        text: 'SELECT * FROM turns WHERE task_id = ANY($1) AND lane = $2 ORDER BY array_position($1, task_id), turn',
        values: [taskIds, lane],
      }),
      db.pool.query<ToolCallRow>({
        name: 'read_tool_calls',
        text: 'SELECT * FROM tool_calls WHERE task_id = ANY($1) AND lane = $2 ORDER BY turn, ordinal',
        values: [taskIds, lane],
      }),
    ])
    const byTurn = callsByTurn(calls.rows)
    return turns.rows.map((row) => toJournalTurn(row, byTurn.get(`${row.task_id}:${row.turn}`) ?? []))
  } catch (error) {
    throw toDbError(error)
  }
}

function callsByTurn(rows: readonly ToolCallRow[]): ReadonlyMap<string, readonly ToolCallRow[]> {
  const byTurn = new Map<string, ToolCallRow[]>()
  for (const row of rows) {
    const key = `${row.task_id}:${row.turn}`
    const known = byTurn.get(key)
    if (known) known.push(row)
    else byTurn.set(key, [row])
  }
  return byTurn
}

function toJournalTurn(row: TurnRow, calls: readonly ToolCallRow[]): JournalTurn {
  return {
    taskId: row.task_id,
    turn: row.turn,
    lane: row.lane,
    messageId: row.message_id,
    userContent: JSON.parse(row.user_content) as UserBlock[],
    reply: row.reply_content === null ? null : (JSON.parse(row.reply_content) as AssistantBlock[]),
    stopReason: row.stop_reason,
    attempts: row.attempts,
    usage: {
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      cacheReadTokens: row.cache_read_tokens,
      cacheWriteTokens: row.cache_write_tokens,
    },
    costUsd: row.cost_usd,
    firstTokenMs: row.first_token_ms,
    durationMs: row.duration_ms,
    toolCalls: calls.map(toJournalToolCall),
  }
}

function toJournalToolCall(row: ToolCallRow): JournalToolCall {
  return {
    toolUseId: row.tool_use_id,
    lane: row.lane,
    turn: row.turn,
    name: row.name,
    input: row.input,
    status: row.status,
    effect: row.effect === null ? null : (JSON.parse(row.effect) as Effect),
    result: row.result,
    isError: row.is_error,
    startedAt: row.started_at,
  }
}

/** The calls of a task that have no result yet. */
export async function unfinishedCalls(db: Db, taskId: string): Promise<JournalToolCall[]> {
  const text = `SELECT * FROM tool_calls WHERE task_id = $1 AND status <> 'finished' ORDER BY turn, ordinal`
  try {
    const { rows } = await db.pool.query<ToolCallRow>(text, [taskId])
    return rows.map(toJournalToolCall)
  } catch (error) {
    throw toDbError(error)
  }
}

export interface BeginTurn {
  readonly lane: Lane
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
export async function hasWaiting(db: Db, taskId: string, lane: Lane): Promise<boolean> {
  const text = `
    SELECT EXISTS (SELECT 1 FROM messages WHERE task_id = $1 AND role = 'user' AND status = 'queued' AND $2 = 'coder')
      OR EXISTS (SELECT 1 FROM notices WHERE task_id = $1 AND lane = $2 AND claimed_turn IS NULL) AS waits`
  try {
    const { rows } = await db.pool.query<{ waits: boolean }>({ name: 'has_waiting', text, values: [taskId, lane] })
    return rows[0]?.waits ?? false
  } catch (error) {
    throw toDbError(error)
  }
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
  if (tx.taskTurn === null) throw new AppError('not_found', 'There is no such task.')
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

/** Counts a model call that is made again (a turn's first came with the turn) and has readers drop what the last streamed. */
export async function beginModelCall(attempt: Attempt, turn: number): Promise<number> {
  return await attempt.tx(async (tx) => {
    const [row] = await tx.query<{ attempts: number }>(
      'UPDATE turns SET attempts = attempts + 1 WHERE task_id = $1 AND turn = $2 AND reply_content IS NULL RETURNING attempts',
      [attempt.scope.taskId, turn],
    )
    if (!row) throw new AppError('journal_conflict', 'This turn has a reply already.')
    tx.emit({
      type: 'turn.reset',
      key: `turn.reset:${attempt.scope.taskId}:${turn}:${row.attempts}`,
      scope: { ...attempt.scope, turn },
      payload: { attempt: row.attempts },
    })
    return row.attempts
  })
}

/** A tool call as the reply asked for it, with its content block's part. */
export interface RequestedCall {
  readonly toolUseId: string
  readonly partId: string
  readonly name: string
  readonly input: unknown
}

export interface StoreReply {
  readonly turn: number
  readonly lane: Lane
  readonly messageId: string
  readonly reply: ModelReply
  readonly parts: readonly MessagePart[]
  readonly calls: readonly RequestedCall[]
}

/** The call that begins at once, with what it is about to do. */
export interface StartedCall {
  readonly call: Pick<JournalToolCall, 'toolUseId' | 'name' | 'turn'>
  readonly effect: Effect
}

/**
 * Stores a whole reply with the tool calls it asks for, and notes what the one that begins at once is about to do; from
 * here on it is never asked for again. Throws `journal_conflict` when the turn has a reply, `model_rejected` for ids that
 * repeat.
 */
export async function storeReply(attempt: Attempt, store: StoreReply, started?: StartedCall): Promise<void> {
  const { reply } = store
  const { usage } = reply
  const text = store.parts.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n\n')
  const columns = {
    content: JSON.stringify(reply.content),
    stop_reason: reply.stopReason,
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    cache_read_tokens: usage.cacheReadTokens,
    cache_write_tokens: usage.cacheWriteTokens,
    cost_usd: reply.costUsd,
    model: storable(reply.model),
    first_token_ms: reply.firstTokenMs === null ? null : Math.round(reply.firstTokenMs),
    duration_ms: Math.round(reply.durationMs),
    text: storable(text),
  }
  const calls = store.calls.map(({ toolUseId, name, input }) => {
    return { id: storable(toolUseId), name: storable(name), input: JSON.stringify(input) }
  })
  const values = [
    store.turn,
    store.lane,
    JSON.stringify(columns),
    JSON.stringify(calls),
    started?.call.toolUseId ?? null,
    started ? JSON.stringify(started.effect) : null,
  ]
  const events = [...replyEvents(attempt, store), ...(started ? startEvents(attempt, started) : [])]
  await attempt.call('store_reply', values, events)
}

/** What a text of Postgres can hold: no NUL, no half of a character. */
function storable(text: string): string {
  return text.replaceAll('\0', '\u{FFFD}').toWellFormed()
}

function replyEvents(attempt: Attempt, store: StoreReply): NewEvent[] {
  const scope = { ...attempt.scope, turn: store.turn }
  const { messageId, parts, calls } = store
  const said: NewEvent = {
    type: 'message.completed',
    key: `message.completed:${messageId}`,
    scope,
    payload: { messageId, role: 'assistant', parts, complete: false },
  }
  const asked = calls.map(
    (call): NewEvent => ({
      type: 'tool.requested',
      key: `tool.requested:${attempt.scope.taskId}:${call.toolUseId}`,
      scope,
      payload: { ...call, messageId },
    }),
  )
  return [
    ...(store.lane === 'coder' ? [said] : []),
    ...asked,
    ...(calls.length === 0 ? [turnFinished(attempt, store.turn, store.lane, store.reply)] : []),
  ]
}

export interface TurnFigures {
  readonly stopReason: string
  readonly usage: Usage
  readonly costUsd: number | null
  readonly firstTokenMs: number | null
  readonly durationMs: number
}

/** Says that all of a turn is done. Pure. */
export function turnFinished(attempt: Attempt, turn: number, lane: Lane, figures: TurnFigures): NewEvent {
  const { stopReason, usage, costUsd, firstTokenMs, durationMs } = figures
  return {
    type: 'turn.finished',
    key: `turn.finished:${attempt.scope.taskId}:${turn}`,
    scope: { ...attempt.scope, turn },
    payload: { role: roleOf(lane), stopReason, usage, costUsd, firstTokenMs, durationMs },
  }
}

/** Notes what a call is about to do, directly before it does it. */
export async function startTool(attempt: Attempt, call: JournalToolCall, effect: Effect): Promise<void> {
  await attempt.tx(async (tx) => {
    await tx.query(
      `UPDATE tool_calls SET status = 'started', effect = $3, started_at = now()
       WHERE task_id = $1 AND tool_use_id = $2 AND status = 'requested'`,
      [attempt.scope.taskId, call.toolUseId, JSON.stringify(effect)],
    )
    tx.emit(...startEvents(attempt, { call, effect }))
  })
}

function startEvents(attempt: Attempt, { call, effect }: StartedCall): NewEvent[] {
  const started = toolStarted(attempt, call)
  if (effect.kind !== 'command') return [started]
  const { command, cwd } = effect
  return [
    started,
    {
      type: 'command.started',
      key: `command.started:${attempt.scope.taskId}:${call.toolUseId}`,
      scope: { ...attempt.scope, turn: call.turn },
      payload: { toolUseId: call.toolUseId, partId: outputPartId(call.toolUseId), command, cwd },
    },
  ]
}

/** The part that holds a command's output in the stream. */
export function outputPartId(toolUseId: string): string {
  return `${toolUseId}:output`
}

function toolStarted(attempt: Attempt, call: StartedCall['call']): NewEvent {
  return {
    type: 'tool.started',
    key: `tool.started:${attempt.scope.taskId}:${call.toolUseId}`,
    scope: { ...attempt.scope, turn: call.turn },
    payload: { toolUseId: call.toolUseId, name: call.name },
  }
}

export interface FinishedCall {
  readonly call: JournalToolCall
  readonly result: string
  readonly isError: boolean
  readonly durationMs: number
  /** Events that say what the call did: `command.finished`, `file.changed`. */
  readonly events: readonly NewEvent[]
  /** The plan that is the task's from now on. */
  readonly plan?: readonly PlanItem[]
}

/** Stores the results of calls that ended; the turn's last one also ends the turn. A repeat changes nothing. */
export async function finishTools(attempt: Attempt, lane: Lane, finished: readonly FinishedCall[]): Promise<void> {
  const first = finished[0]
  if (!first) return
  await attempt.tx(async (tx) => {
    const statement = new Statement()
    addResults(statement, attempt, finished)
    await tx.query(`WITH ${statement.parts} SELECT 1`, statement.values)
    tx.emit(...finished.flatMap((entry) => finishEvents(attempt, entry)))
    const figures = await figuresWhenDone(tx, attempt, first.call.turn)
    if (figures) tx.emit(turnFinished(attempt, first.call.turn, lane, figures))
  })
}

/** Adds the results of calls that ended to a statement, with the plan they made. A result that is stored already stays. */
export function addResults(statement: Statement, attempt: Attempt, finished: readonly FinishedCall[]): void {
  if (finished.length === 0) return
  const taskId = statement.value(attempt.scope.taskId)
  const columns = [
    `${statement.value(finished.map((entry) => entry.call.toolUseId))}::text[]`,
    `${statement.value(finished.map((entry) => storable(entry.result)))}::text[]`,
    `${statement.value(finished.map((entry) => entry.isError))}::bool[]`,
    `${statement.value(finished.map((entry) => Math.round(entry.durationMs)))}::int[]`,
  ]
  statement.part(
    'results',
    `UPDATE tool_calls SET status = 'finished', result = done.result, is_error = done.is_error, finished_at = now(),
       started_at = coalesce(started_at, now()), duration_ms = done.duration_ms
     FROM unnest(${columns.join(', ')}) AS done (id, result, is_error, duration_ms)
     WHERE task_id = ${taskId} AND tool_use_id = done.id AND status <> 'finished'`,
  )
  const plan = finished.findLast((entry) => entry.plan !== undefined)?.plan
  if (plan !== undefined) statement.setTask(attempt.scope.taskId, `plan = ${statement.value(JSON.stringify(plan))}`)
}

/** The events of a call that ended. Pure. */
export function finishEvents(attempt: Attempt, entry: FinishedCall): NewEvent[] {
  const { call, result, isError, durationMs, events } = entry
  const wasStarted = call.status !== 'requested' || call.effect !== null
  return [
    ...(wasStarted ? [] : [toolStarted(attempt, call)]),
    ...events,
    {
      type: 'tool.finished',
      key: `tool.finished:${attempt.scope.taskId}:${call.toolUseId}`,
      scope: { ...attempt.scope, turn: call.turn },
      payload: { toolUseId: call.toolUseId, name: call.name, result, isError, durationMs: Math.round(durationMs) },
    },
  ]
}

async function figuresWhenDone(tx: Tx, attempt: Attempt, turn: number): Promise<TurnFigures | null> {
  const [row] = await tx.query<
    TurnRow & { cost_usd: number | null; first_token_ms: number | null; duration_ms: number }
  >(
    `SELECT * FROM turns WHERE task_id = $1 AND turn = $2 AND NOT EXISTS (
       SELECT 1 FROM tool_calls c WHERE c.task_id = $1 AND c.turn = $2 AND c.status <> 'finished')`,
    [attempt.scope.taskId, turn],
  )
  if (!row) return null
  return {
    stopReason: row.stop_reason ?? 'unknown',
    usage: {
      inputTokens: row.input_tokens,
      outputTokens: row.output_tokens,
      cacheReadTokens: row.cache_read_tokens,
      cacheWriteTokens: row.cache_write_tokens,
    },
    costUsd: row.cost_usd,
    firstTokenMs: row.first_token_ms,
    durationMs: row.duration_ms ?? 0,
  }
}

/** Counts what a model call cost that broke off before its reply was whole. */
export async function recordSpent(
  attempt: Attempt,
  spent: { readonly usage: Usage; readonly costUsd: number | null; readonly isEstimated?: boolean },
): Promise<void> {
  const { usage, costUsd, isEstimated = false } = spent
  await attempt.tx(async (tx) => {
    await tx.query(
      `UPDATE tasks SET input_tokens = input_tokens + $2, output_tokens = output_tokens + $3,
         cache_read_tokens = cache_read_tokens + $4, cache_write_tokens = cache_write_tokens + $5,
         cost_usd = cost_usd + coalesce($6::float, 0), unpriced_calls = unpriced_calls + (CASE WHEN $6::float IS NULL THEN 1 ELSE 0 END),
         estimated_usd = estimated_usd + CASE WHEN $7::bool THEN coalesce($6::float, 0) ELSE 0 END
       WHERE id = $1`,
      [
        attempt.scope.taskId,
        usage.inputTokens,
        usage.outputTokens,
        usage.cacheReadTokens,
        usage.cacheWriteTokens,
        costUsd,
        isEstimated,
      ],
    )
  })
}

/**
 * Tells people that a model call waits because the model is away. Once for each call that is made in a turn: a repeat is
 * ignored.
 */
export async function noteWaiting(
  attempt: Attempt,
  call: { readonly turn: number; readonly attempt: number },
  wait: ModelWait,
): Promise<void> {
  const others = wait.waiting > 1 ? `, like ${wait.waiting - 1} other calls` : ''
  await attempt.tx(async (tx) => {
    tx.emit({
      type: 'model.retrying',
      key: `model.waiting:${attempt.scope.taskId}:${call.turn}:${call.attempt}`,
      scope: { ...attempt.scope, turn: call.turn },
      payload: {
        code: wait.code,
        message: `The model server failed ${wait.failures} times in a row; the call waits until it answers again${others}.`,
        attempt: call.attempt,
        delayMs: wait.delayMs,
      },
    })
  })
}

/** Marks a turn whose reply was cut off by a cancellation: what had arrived is kept for people, not for the model. */
export async function interruptTurn(attempt: Attempt, turn: JournalTurn, parts: readonly MessagePart[]): Promise<void> {
  const text = parts.filter((part) => part.type === 'text').map((part) => part.text)
  await attempt.tx(async (tx) => {
    await tx.query(`UPDATE messages SET text = $2, status = 'cancelled' WHERE id = $1 AND status = 'streaming'`, [
      turn.messageId,
      text.join('\n\n').replaceAll('\0', '\u{FFFD}'),
    ])
    tx.emit({
      type: 'message.completed',
      key: `message.completed:${turn.messageId}`,
      scope: { ...attempt.scope, turn: turn.turn },
      payload: { messageId: turn.messageId, role: 'assistant', parts, complete: false, interrupted: true },
    })
  })
}

/** Text for the model at the lane's next turn. A repeat of a key is ignored. */
export async function addNotice(
  attempt: Attempt,
  notice: { id: string; lane: Lane; key: string; text: string },
  events: readonly NewEvent[] = [],
): Promise<void> {
  await attempt.tx(async (tx) => {
    await insertNotice(tx, attempt.scope.taskId, notice)
    tx.emit(...events)
  })
}

export async function insertNotice(
  tx: Tx,
  taskId: string,
  notice: { id: string; lane: Lane; key: string; text: string },
): Promise<void> {
  await tx.query(
    'INSERT INTO notices (id, task_id, lane, key, text) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (task_id, key) DO NOTHING',
    [notice.id, taskId, notice.lane, notice.key, notice.text],
  )
}

/** Warns people and the model once that a budget is nearly used. A limit that was warned of already is skipped. */
export async function warnBudget(
  attempt: Attempt,
  marks: readonly (BudgetMark & { readonly note: string })[],
): Promise<void> {
  const { scope } = attempt
  const { taskId } = scope
  await attempt.tx(async (tx) => {
    for (const { note, ...mark } of marks) {
      const name = limitName(mark)
      const key = `${name}:${mark.limit}`
      await insertNotice(tx, taskId, { id: newId('req'), lane: 'coder', key: `budget:${key}`, text: note })
      await tx.query(
        `UPDATE tasks SET budget_warned = concat_ws(',', nullif(budget_warned, ''), $2::text)
         WHERE id = $1 AND NOT $2 = ANY(string_to_array(budget_warned, ','))`,
        [taskId, name],
      )
      tx.emit({
        type: 'budget.warning',
        key: `budget.warning:${taskId}:${key}`,
        scope,
        payload: mark,
      })
    }
  })
}
