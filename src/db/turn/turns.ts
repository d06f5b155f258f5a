/**
 * The turns of a lane and their tool calls as the journal keeps them, and how they are read: what makes a retried slice
 * go on instead of beginning again. A tool call goes requested → started → finished and keeps its result.
 */

import type { ModelRole } from '../../events/topics.ts'
import type { AssistantBlock, UserBlock } from '../../model/types.ts'
import type { Effect } from '../../shared/effect.ts'
import type { Usage } from '../../shared/task.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import { type UsageColumns, usageOf } from '../usage-columns.ts'

/** `coder`, or `reviewer/<round>`: each lane is a history of its own. */
export type LaneName = 'coder' | `reviewer/${number}`

/** Whose model a lane uses. Pure. */
export function roleOf(lane: LaneName): ModelRole {
  return lane === 'coder' ? 'coder' : 'reviewer'
}

/**
 * A call of a tool in the journal. One that is `started` without a result was cut off: its effect is asked for, never done
 * again.
 */
export interface JournalToolCall {
  readonly toolUseId: string
  readonly lane: LaneName
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

/** A turn in the journal: what the model was told, its reply, and what the reply's tools did. */
export interface JournalTurn {
  readonly taskId: string
  readonly turn: number
  readonly lane: LaneName
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

/** The row of a turn as Postgres gives it; the contents are JSON. */
export interface TurnRow extends UsageColumns {
  task_id: string
  turn: number
  lane: LaneName
  message_id: string
  user_content: string
  reply_content: string | null
  stop_reason: string | null
  attempts: number
  cost_usd: number | null
  first_token_ms: number | null
  duration_ms: number | null
}

interface ToolCallRow {
  task_id: string
  lane: LaneName
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
export async function readLane(db: Db, taskId: string, lane: LaneName): Promise<JournalTurn[]> {
  return await readTurns(db, [taskId], lane)
}

/** The coder's turns of several tasks, in the tasks' order. */
export async function readTurns(db: Db, taskIds: readonly string[], lane: LaneName): Promise<JournalTurn[]> {
  const [turns, calls] = await Promise.all([
    query<TurnRow>(
      db,
      {
        name: 'read_turns',
        text: 'SELECT * FROM turns WHERE task_id = ANY($1) AND lane = $2 ORDER BY array_position($1, task_id), turn',
      },
      [taskIds, lane],
    ),
    query<ToolCallRow>(
      db,
      {
        name: 'read_tool_calls',
        text: 'SELECT * FROM tool_calls WHERE task_id = ANY($1) AND lane = $2 ORDER BY turn, ordinal',
      },
      [taskIds, lane],
    ),
  ])
  const byTurn = callsByTurn(calls)
  return turns.map((row) => toJournalTurn(row, byTurn.get(`${row.task_id}:${row.turn}`) ?? []))
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
    usage: usageOf(row),
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
  const rows = await query<ToolCallRow>(db, text, [taskId])
  return rows.map(toJournalToolCall)
}
