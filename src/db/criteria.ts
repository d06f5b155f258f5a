import type { Criteria } from '../shared/review.ts'
import { type Db, toDbError } from './client.ts'

/** The newest criteria a person has saved for the project, or null: then the built-in ones hold. */
export async function savedCriteria(db: Db, projectId: string): Promise<Criteria | null> {
  const text = 'SELECT body FROM review_criteria WHERE project_id = $1 ORDER BY version DESC LIMIT 1'
  try {
    const { rows } = await db.pool.query<{ body: string }>(text, [projectId])
    return rows[0] ? (JSON.parse(rows[0].body) as Criteria) : null
  } catch (error) {
    throw toDbError(error)
  }
}
