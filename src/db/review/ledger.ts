/** What the evidence ledger of a task is made from: its commands, each with the files before and after. */

import type { Db } from '../client.ts'
import { query } from '../query.ts'

/** So many commands of a task are told, the newest ones. */
const MAX_COMMANDS = 500
const MAX_COMMAND_CHARACTERS = 2_000

/** A command that a lane ran in a task, for the evidence. */
export interface CommandRow {
  readonly toolUseId: string
  readonly turn: number
  /** `coder`, or the name of a reviewer's lane. */
  readonly lane: string
  /** At most 2,000 characters. */
  readonly command: string
  readonly status: 'requested' | 'started' | 'finished'
  readonly isError: boolean
  /** The result's first line, which says how the command ended; null before it did. */
  readonly how: string | null
  readonly durationMs: number | null
  readonly startedAt: Date | null
  /** Trees of the checkpoints before and after the turn; null where none was taken. */
  readonly treeBefore: string | null
  readonly treeAfter: string | null
}

const COMMANDS = `
  SELECT * FROM (
    SELECT c.tool_use_id AS "toolUseId", c.turn, c.lane, left(c.input::jsonb ->> 'command', ${MAX_COMMAND_CHARACTERS}) AS command,
      c.status, c.is_error AS "isError", left(split_part(c.result, E'\\n', 1), 300) AS how,
      c.duration_ms AS "durationMs", c.started_at AS "startedAt", before.tree_hash AS "treeBefore",
      coalesce(own.tree_hash, before.tree_hash) AS "treeAfter", c.ordinal
    FROM tool_calls c
    LEFT JOIN LATERAL (SELECT tree_hash FROM checkpoints k WHERE k.task_id = c.task_id AND k.turn < c.turn
      ORDER BY k.position DESC LIMIT 1) before ON true
    LEFT JOIN LATERAL (SELECT tree_hash FROM checkpoints k WHERE k.task_id = c.task_id AND k.turn = c.turn
      ORDER BY k.position DESC LIMIT 1) own ON true
    WHERE c.task_id = $1 AND c.name = 'bash' AND c.input::jsonb ? 'command'
    ORDER BY c.turn DESC, c.ordinal DESC LIMIT ${MAX_COMMANDS}
  ) newest ORDER BY turn, ordinal`

/** The task's commands in order, at most the newest 500. */
export async function taskCommands(db: Db, taskId: string): Promise<readonly CommandRow[]> {
  return await query<CommandRow>(db, COMMANDS, [taskId])
}

/** The tree of the task's newest checkpoint: what it delivered, or has come to; null before the first. */
export async function latestTree(db: Db, taskId: string): Promise<string | null> {
  const text = 'SELECT tree_hash AS tree FROM checkpoints WHERE task_id = $1 ORDER BY position DESC LIMIT 1'
  const [row] = await query<{ tree: string }>(db, text, [taskId])
  return row?.tree ?? null
}

/** The text of the task's last message of the agent; null when it said nothing. */
export async function lastWords(db: Db, taskId: string): Promise<string | null> {
  const text = `SELECT text FROM messages WHERE task_id = $1 AND role = 'assistant' AND text <> ''
    ORDER BY position DESC LIMIT 1`
  const [row] = await query<{ text: string }>(db, text, [taskId])
  return row?.text ?? null
}
