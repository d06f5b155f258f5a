import type { Db } from '../client.ts'
import { query } from '../query.ts'

const BATCH = 5_000
/** A sweep keeps up with what a busy day left (up to a million events) and still ends. */
const MAX_BATCHES = 200

/**
 * Removes events of tasks that ended more than `days` ago, at most a million a call, and says how many. What was removed is noted
 * in the same statement, so that whoever comes back with an older cursor is told to begin anew; messages and the journal
 * stay. Several may prune at once: each takes other events. Each batch is a transaction of its own, so what was removed
 * stays removed when a later one fails (`store_unavailable`). Safe to repeat.
 */
export async function pruneEvents(db: Db, days: number, batchSize = BATCH): Promise<number> {
  let pruned = 0
  for (let batch = 0; batch < MAX_BATCHES; batch++) {
    const count = await pruneBatch(db, days, batchSize)
    pruned += count
    if (count < batchSize) break
  }
  return pruned
}

async function pruneBatch(db: Db, days: number, batchSize: number): Promise<number> {
  const text = `
    WITH old AS (
      SELECT e.project_id, e.seq FROM events e JOIN tasks t ON t.id = e.task_id
      WHERE t.finished_at < now() - $1 * interval '1 day'
      ORDER BY e.project_id, e.seq LIMIT $2 FOR UPDATE OF e SKIP LOCKED),
    gone AS (
      DELETE FROM events e USING old WHERE e.project_id = old.project_id AND e.seq = old.seq
      RETURNING e.project_id, e.task_id, e.seq),
    task AS (
      UPDATE tasks SET pruned_seq = greatest(pruned_seq, last.seq)
      FROM (SELECT task_id, max(seq) AS seq FROM gone GROUP BY task_id) last WHERE tasks.id = last.task_id),
    project AS (
      UPDATE projects SET pruned_seq = greatest(pruned_seq, last.seq)
      FROM (SELECT project_id, max(seq) AS seq FROM gone GROUP BY project_id) last WHERE projects.id = last.project_id)
    SELECT count(*)::int AS count FROM gone`
  const rows = await query<{ count: number }>(db, text, [days, batchSize])
  return rows[0]?.count ?? 0
}

/**
 * The greatest number among a stream's events that retention removed, 0 when none was: a reader that has seen less cannot
 * be given the rest without a hole. A task's stream has only its own events.
 */
export async function prunedSeq(db: Db, stream: { projectId: string; taskId?: string | undefined }): Promise<number> {
  const text =
    stream.taskId === undefined
      ? 'SELECT pruned_seq FROM projects WHERE id = $1'
      : 'SELECT pruned_seq FROM tasks WHERE project_id = $1 AND id = $2'
  const values = stream.taskId === undefined ? [stream.projectId] : [stream.projectId, stream.taskId]
  const rows = await query<{ pruned_seq: number }>(db, text, values)
  return rows[0]?.pruned_seq ?? 0
}
