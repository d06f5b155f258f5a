import type { NewEvent, StoredEvent, Topic } from '../../events/topics.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import { inProject } from '../transaction.ts'

/** Which of a project's events are read. */
export interface ReadEvents {
  readonly projectId: string
  readonly taskId?: string
  readonly topics?: readonly Topic[]
  /** Events with a greater seq are returned. */
  readonly after: number
  /** At most 2,000. */
  readonly limit: number
}

const SELECT_EVENTS = `
  SELECT seq, topic, type, task_id AS "taskId", data FROM events
  WHERE project_id = $1 AND seq > $2 AND ($3::text IS NULL OR task_id = $3) AND ($4::text[] IS NULL OR topic = ANY($4))
  ORDER BY seq LIMIT $5`

/** Stored events in order. Throws `store_unavailable` when Postgres is away. */
export async function readEvents(db: Db, options: ReadEvents): Promise<StoredEvent[]> {
  const values = [options.projectId, options.after, options.taskId ?? null, options.topics ?? null, options.limit]
  const rows = await query<StoredEvent>(db, { name: 'read_events', text: SELECT_EVENTS }, values)
  return rows
}

/** The last seq of each project, for the backstop that finds events whose live copy never arrived. Unknown ids are left out. */
export async function latestSeqs(db: Db, projectIds: readonly string[]): Promise<Map<string, number>> {
  const text = 'SELECT id, last_seq FROM projects WHERE id = ANY($1)'
  const rows = await query<{ id: string; last_seq: number }>(db, { name: 'latest_seqs', text }, [projectIds])
  return new Map(rows.map((row) => [row.id, row.last_seq]))
}

/** The project's last seq, 0 when it has no event or does not exist. */
export async function latestSeq(db: Db, projectId: string): Promise<number> {
  const seqs = await latestSeqs(db, [projectId])
  return seqs.get(projectId) ?? 0
}

/** Stores events that stand on their own, outside any task's lease. A repeat of a key is ignored. */
export async function appendEvents(db: Db, projectId: string, events: readonly NewEvent[]): Promise<StoredEvent[]> {
  return await inProject(db, projectId, async (tx) => {
    tx.emit(...events)
    return await tx.flush()
  })
}
