import type { TaskStatus } from '../../shared/task.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'

/** What is under way or waits, in the whole installation. */
export interface Depths {
  /** Tasks that are not over, by status; every such status is named. */
  readonly tasks: Readonly<Record<Exclude<TaskStatus, 'completed' | 'failed' | 'cancelled'>, number>>
  readonly outboxEntries: number
  /** 0 when the outbox is empty. */
  readonly outboxOldestSeconds: number
}

const DEPTHS = `
  SELECT count(*) FILTER (WHERE status = 'accepted')::int AS accepted, count(*) FILTER (WHERE status = 'running')::int AS running,
    count(*) FILTER (WHERE status = 'cancelling')::int AS cancelling, count(*) FILTER (WHERE status = 'needs_budget')::int AS needs_budget,
    count(*) FILTER (WHERE status = 'needs_answer')::int AS needs_answer,
    (SELECT count(*) FROM outbox WHERE done_at IS NULL)::int AS entries,
    (SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0) FROM outbox WHERE done_at IS NULL)::float8 AS oldest
  FROM tasks WHERE status IN ('accepted', 'running', 'cancelling', 'needs_budget', 'needs_answer')`

/** One statement over indexes, cheap enough for every scrape. Throws `store_unavailable`. */
export async function readDepths(db: Db): Promise<Depths> {
  type Row = Depths['tasks'] & { readonly entries: number; readonly oldest: number }
  const rows = await query<Row>(db, { name: 'depths', text: DEPTHS })
  const [row] = rows
  if (!row) throw new Error('a count gave no row')
  const { accepted, running, cancelling, needs_budget, needs_answer } = row
  return {
    tasks: { accepted, running, cancelling, needs_budget, needs_answer },
    outboxEntries: row.entries,
    outboxOldestSeconds: Math.max(0, row.oldest),
  }
}
