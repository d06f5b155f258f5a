/** Which worker processes are alive, by their own word: Temporal's list of pollers keeps the dead for over a minute. */

import type { Db } from '../client.ts'
import { query } from '../query.ts'

/** Rows of workers that went away without a word are kept this long. */
const KEPT_DAYS = 1

/** Says that this worker is alive. Also removes rows that are a day old. */
export async function touchWorker(db: Db, workerId: string): Promise<void> {
  await query(
    db,
    `WITH old AS (DELETE FROM workers WHERE last_seen_at < now() - interval '${KEPT_DAYS} day' AND id <> $1)
     INSERT INTO workers (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET last_seen_at = now()`,
    [workerId],
  )
}

/** Says that this worker takes no more tasks. Its row stays, so that what is known of it is that it ended. */
export async function retireWorker(db: Db, workerId: string): Promise<void> {
  await query(db, `UPDATE workers SET last_seen_at = last_seen_at - interval '1 hour' WHERE id = $1`, [workerId])
}

/**
 * Whether a worker said within `seconds` that it is alive, by the database's clock; `unknown` when none ever spoke here,
 * as before the first one of a version that does.
 */
export async function aliveWorkers(db: Db, seconds: number): Promise<'some' | 'none' | 'unknown'> {
  const [row] = await query<{ alive: boolean | null }>(
    db,
    `SELECT bool_or(last_seen_at > now() - $1 * interval '1 second') AS alive FROM workers`,
    [seconds],
  )
  if (row === undefined || row.alive === null) return 'unknown'
  return row.alive ? 'some' : 'none'
}
