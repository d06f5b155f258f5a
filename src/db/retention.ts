import { type Db, toDbError } from './client.ts'

const BATCH = 5_000

/**
 * Removes events of tasks that ended more than `days` ago, a batch at a time, and says how many. Whoever comes back with
 * an older cursor than what is left is told to begin anew; messages and the journal stay.
 */
export async function pruneEvents(db: Db, days: number): Promise<number> {
  const text = `
    DELETE FROM events WHERE (project_id, seq) IN (
      SELECT e.project_id, e.seq FROM events e JOIN tasks t ON t.id = e.task_id
      WHERE t.finished_at < now() - $1 * interval '1 day' LIMIT $2)`
  try {
    const result = await db.pool.query(text, [days, BATCH])
    return result.rowCount ?? 0
  } catch (error) {
    throw toDbError(error)
  }
}
