/** What reviews look for, in versions: a saved one is never changed, so that a task can keep the one it began with. */

import { versionMoved } from '../../shared/refusals.ts'
import type { Criteria } from '../../shared/review.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import { inProject } from '../transaction.ts'

/** The newest criteria a person has saved for the project, or null: then the built-in ones hold. */
export async function savedCriteria(db: Db, projectId: string): Promise<Criteria | null> {
  const text = 'SELECT body FROM review_criteria WHERE project_id = $1 ORDER BY version DESC LIMIT 1'
  return await readOne(db, text, projectId)
}

/** The criteria that a task is judged by, or null: then the built-in ones hold. A task that has none fixed gets the newest. */
export async function taskCriteria(db: Db, taskId: string): Promise<Criteria | null> {
  const text = `SELECT c.body FROM tasks t JOIN review_criteria c ON c.project_id = t.project_id
    AND (t.criteria_version IS NULL OR c.version = t.criteria_version)
    WHERE t.id = $1 ORDER BY c.version DESC LIMIT 1`
  return await readOne(db, text, taskId)
}

async function readOne(db: Db, text: string, id: string): Promise<Criteria | null> {
  const rows = await query<{ body: string }>(db, text, [id])
  return rows[0] ? (JSON.parse(rows[0].body) as Criteria) : null
}

/** Fixes the newest criteria as the task's own, once; returns them as {@link taskCriteria} does. Safe to repeat. */
export async function fixCriteria(db: Db, taskId: string): Promise<Criteria | null> {
  const text = `UPDATE tasks SET criteria_version =
      coalesce((SELECT max(version) FROM review_criteria c WHERE c.project_id = tasks.project_id), 0)
    WHERE id = $1 AND criteria_version IS NULL`
  await query(db, text, [taskId])
  return await taskCriteria(db, taskId)
}

/**
 * Saves criteria as the version after `expected`. Throws `not_found`, and `version_conflict` when `expected` is not the
 * newest (0: none was saved yet). Not idempotent: the same call again meets the version that it made.
 */
export async function saveCriteria(
  db: Db,
  projectId: string,
  expected: number,
  update: Omit<Criteria, 'version'>,
): Promise<Criteria> {
  return await inProject(db, projectId, async (tx) => {
    const [newest] = await tx.query<{ version: number }>(
      'SELECT coalesce(max(version), 0)::int AS version FROM review_criteria WHERE project_id = $1',
      [projectId],
    )
    const current = newest?.version ?? 0
    if (current !== expected) throw versionMoved('criteria', current, expected)
    const criteria: Criteria = { ...update, version: current + 1 }
    await tx.query('INSERT INTO review_criteria (project_id, version, body) VALUES ($1, $2, $3)', [
      projectId,
      criteria.version,
      JSON.stringify(criteria),
    ])
    return criteria
  })
}

/** How many findings of one criterion people confirmed and dismissed. */
export interface CriterionPrecision {
  readonly confirmed: number
  readonly dismissed: number
}

/** What people said about the findings of each criterion of a project; a criterion nobody judged is not there. */
export async function criteriaPrecision(db: Db, projectId: string): Promise<ReadonlyMap<string, CriterionPrecision>> {
  const text = `SELECT criterion_id AS id, count(*) FILTER (WHERE human_verdict = 'confirm')::int AS confirmed,
      count(*) FILTER (WHERE human_verdict = 'dismiss')::int AS dismissed
    FROM findings WHERE project_id = $1 AND human_verdict IS NOT NULL AND criterion_id IS NOT NULL GROUP BY criterion_id`
  const rows = await query<CriterionPrecision & { id: string }>(db, text, [projectId])
  return new Map(rows.map(({ id, confirmed, dismissed }) => [id, { confirmed, dismissed }]))
}
