import type { NewEvent } from '../../events/topics.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import type { Attempt } from '../task/attempt.ts'

/** A project's context as the model gets it. `hash` stands for everything it was made from. */
export interface StoredContext {
  readonly projectId: string
  readonly hash: string
  readonly markdown: string
  readonly tokens: number
  readonly sources: readonly string[]
  readonly generatedAt: Date
}

const COLUMNS = `c.project_id AS "projectId", c.hash, c.markdown, c.tokens, c.sources, c.generated_at AS "generatedAt"`

async function selectOne(db: Db, text: string, values: readonly unknown[]): Promise<StoredContext | null> {
  const rows = await query<Omit<StoredContext, 'sources'> & { sources: string }>(db, text, [...values])
  const row = rows[0]
  return row ? { ...row, sources: JSON.parse(row.sources) as string[] } : null
}

/** The context that the project's next task will start with, or null before the first was made. */
export async function currentContext(db: Db, projectId: string): Promise<StoredContext | null> {
  const text = `
    SELECT ${COLUMNS} FROM projects p JOIN project_contexts c ON c.project_id = p.id AND c.hash = p.context_hash
    WHERE p.id = $1`
  return await selectOne(db, text, [projectId])
}

/** The context made from these very inputs, or null: a running task keeps the one it started with. */
export async function contextByHash(db: Db, projectId: string, hash: string): Promise<StoredContext | null> {
  return await selectOne(db, `SELECT ${COLUMNS} FROM project_contexts c WHERE c.project_id = $1 AND c.hash = $2`, [
    projectId,
    hash,
  ])
}

/** Stores a context and makes it the project's current one. Safe to repeat. */
export async function saveContext(
  db: Db,
  context: { projectId: string; hash: string; markdown: string; tokens: number; sources: readonly string[] },
): Promise<void> {
  const text = `
    WITH saved AS (
      INSERT INTO project_contexts (project_id, hash, markdown, tokens, sources) VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT (project_id, hash) DO UPDATE
        SET markdown = excluded.markdown, tokens = excluded.tokens, sources = excluded.sources, generated_at = now())
    UPDATE projects SET context_hash = $2 WHERE id = $1`
  const values = [context.projectId, context.hash, context.markdown, context.tokens, JSON.stringify(context.sources)]
  await query(db, text, values)
}

/** Notes which context a task begins with; it stays the same for the whole task. `events` go along. */
export async function pinContext(attempt: Attempt, hash: string, events: readonly NewEvent[]): Promise<void> {
  await attempt.tx(async (tx) => {
    await tx.query(
      'UPDATE tasks SET context_hash = CASE WHEN turn = 0 THEN $2 ELSE coalesce(context_hash, $2) END WHERE id = $1',
      [attempt.scope.taskId, hash],
    )
    tx.emit(...events)
  })
}

/** Names more files that a context's task was told of, beside those it was made from. Safe to repeat. */
export async function addContextSources(
  db: Db,
  more: { readonly projectId: string; readonly hash: string; readonly sources: readonly string[] },
): Promise<void> {
  const text = `
    UPDATE project_contexts SET sources = (
      SELECT json_agg(DISTINCT source ORDER BY source)::text
      FROM (SELECT json_array_elements_text(sources::json) AS source UNION SELECT unnest($3::text[])) known)
    WHERE project_id = $1 AND hash = $2`
  await query(db, text, [more.projectId, more.hash, more.sources])
}
