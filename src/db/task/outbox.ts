import type { Db } from '../client.ts'
import { query } from '../query.ts'

/** What the dispatcher has to tell Temporal. */
export type OutboxKind =
  | 'start'
  | 'wake'
  | 'cancel'
  | 'regenerate'
  | 'refresh'
  | 'set_up'
  | 'resolve'
  | 'publish'
  | 'compare'

/** Something that Temporal must still be told; written in the transaction that made it necessary. */
export interface OutboxEntry {
  readonly id: string
  readonly kind: OutboxKind
  readonly projectId: string
  readonly taskId: string | null
  readonly payload: Readonly<Record<string, unknown>>
  readonly attempts: number
}

/**
 * Takes up to `limit` entries that are due, oldest first, and hides them from other takers for `holdMs`; whoever dies
 * holding one leaves it to the next sweep. A signal is due only when its task's start and every older signal of the task
 * are done. The start is told by its kind, not by its time: a transaction's time is that of its beginning, and the one
 * that joined a task may have begun before the one that made it.
 */
export async function takeOutbox(
  db: Db,
  options: { limit: number; holdMs: number; taskId?: string | undefined },
): Promise<OutboxEntry[]> {
  const text = `
    UPDATE outbox SET next_at = now() + $2 * interval '1 millisecond', attempts = attempts + 1
    WHERE id IN (
      SELECT o.id FROM outbox o
      WHERE o.done_at IS NULL AND o.next_at <= now() AND ($3::text IS NULL OR o.task_id = $3)
        AND (o.kind = 'start' OR NOT EXISTS (
          SELECT 1 FROM outbox before WHERE before.task_id = o.task_id AND before.done_at IS NULL
            AND (before.kind = 'start' OR before.created_at < o.created_at)))
      ORDER BY o.created_at LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING id, kind, project_id AS "projectId", task_id AS "taskId", payload, attempts`
  const rows = await query<Omit<OutboxEntry, 'payload'> & { payload: string }>(db, { name: 'take_outbox', text }, [
    options.limit,
    options.holdMs,
    options.taskId ?? null,
  ])
  return rows.map((row) => ({ ...row, payload: JSON.parse(row.payload) as Record<string, unknown> }))
}

/** Notes that Temporal has been told. Safe to repeat. */
export async function finishOutbox(db: Db, id: string): Promise<void> {
  await query(db, { name: 'finish_outbox', text: 'UPDATE outbox SET done_at = now() WHERE id = $1' }, [id])
}

/** Leaves it for a later sweep. `lastError` is for people who look at the table. */
export async function deferOutbox(db: Db, id: string, options: { delayMs: number; lastError: string }): Promise<void> {
  const text = `UPDATE outbox SET next_at = now() + $2 * interval '1 millisecond', last_error = $3 WHERE id = $1`
  await query(db, text, [id, options.delayMs, options.lastError.slice(0, 500)])
}

/** Forgets what was done more than a day ago. */
export async function pruneOutbox(db: Db): Promise<void> {
  await query(db, `DELETE FROM outbox WHERE done_at < now() - interval '1 day'`)
}
