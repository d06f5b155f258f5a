import type { Db } from '../client.ts'
import { query } from '../query.ts'
import type { Attempt } from '../task/attempt.ts'
import type { LaneName } from './turns.ts'

/**
 * From `turn` on the model sees `text` in place of everything up to and including the words of turn `throughTurn`; that
 * turn's reply and all after it stand. `throughTurn` 0: everything before the lane's first turn is replaced.
 */
export interface Compaction {
  readonly turn: number
  readonly throughTurn: number
  readonly text: string
  /** Prompt tokens without and with it; the second is an estimate. */
  readonly beforeTokens: number
  readonly afterTokens: number
}

const COLUMNS = `turn, through_turn AS "throughTurn", text, before_tokens AS "beforeTokens", after_tokens AS "afterTokens"`

/** The lane's newest compaction, or null. */
export async function readCompaction(db: Db, taskId: string, lane: LaneName): Promise<Compaction | null> {
  const text = `SELECT ${COLUMNS} FROM compactions WHERE task_id = $1 AND lane = $2 ORDER BY turn DESC LIMIT 1`
  const rows = await query<Compaction>(db, { name: 'read_compaction', text }, [taskId, lane])
  return rows[0] ?? null
}

/** Stores a compaction and tells the stream once; a turn that has one already keeps it, and that one is returned. */
export async function storeCompaction(attempt: Attempt, lane: LaneName, compaction: Compaction): Promise<Compaction> {
  return await attempt.tx(async (tx) => {
    const { turn, throughTurn, text, beforeTokens, afterTokens } = compaction
    const [stored] = await tx.query<Compaction>(
      `INSERT INTO compactions (task_id, lane, turn, through_turn, text, before_tokens, after_tokens)
       VALUES ($1, $2, $3, $4, $5, $6, $7)
       ON CONFLICT (task_id, lane, turn) DO UPDATE SET task_id = excluded.task_id RETURNING ${COLUMNS}`,
      [attempt.scope.taskId, lane, turn, throughTurn, text, beforeTokens, afterTokens],
    )
    const kept = stored ?? compaction
    tx.emit({
      type: 'context.compacted',
      key: `context.compacted:${attempt.scope.taskId}:${lane}:${turn}`,
      scope: { ...attempt.scope, turn },
      payload: { before: kept.beforeTokens, after: kept.afterTokens },
    })
    return kept
  })
}

/** What the harness told a lane up to a turn that must outlast it, in order: the newest of each kind. */
export async function lastingNotices(db: Db, taskId: string, lane: LaneName, throughTurn: number): Promise<string[]> {
  // A budget's warning is soon out of date; what is to be remembered is read anew.
  const text = `
    SELECT text FROM (
      SELECT DISTINCT ON (split_part(key, ':', 1)) text, position FROM notices
      WHERE task_id = $1 AND lane = $2 AND claimed_turn <= $3 AND split_part(key, ':', 1) NOT IN ('budget', 'remember')
      ORDER BY split_part(key, ':', 1), position DESC) newest ORDER BY position`
  const rows = await query<{ text: string }>(db, text, [taskId, lane, throughTurn])
  return rows.map((row) => row.text)
}
