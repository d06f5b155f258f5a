/** What proposals for a project's criteria are computed from, and which of them a person declined. */

import type { Criterion, JudgedFinding } from '../../shared/review.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'

const MAX_FINDINGS = 500
const MAX_VERSIONS = 200

/**
 * A criterion's verdicts count from the version on that gave it its present text and severity, among the newest 200. Where
 * no saved version says otherwise, `$2` names the criteria that differ from the built-in ones.
 */
const JUDGED = `
  WITH versions AS (
    SELECT version, body::jsonb -> 'criteria' AS criteria FROM review_criteria
    WHERE project_id = $1 ORDER BY version DESC LIMIT ${MAX_VERSIONS}
  ), criteria AS (
    SELECT version, c ->> 'id' AS id, c ->> 'text' AS text, c ->> 'severity' AS severity
    FROM versions, jsonb_array_elements(criteria) AS c
  ), newest AS (SELECT * FROM criteria WHERE version = (SELECT max(version) FROM versions)),
  since AS (
    SELECT n.id, greatest(
        max(c.version) FILTER (WHERE (c.text, c.severity) IS DISTINCT FROM (n.text, n.severity)),
        CASE WHEN n.id = ANY($2) THEN 0 ELSE -1 END) AS changed_after
    FROM newest n LEFT JOIN criteria c ON c.id = n.id GROUP BY n.id
  )
  SELECT f.id, f.task_id AS "taskId", f.criterion_id AS "criterionId", f.severity, f.claim,
    f.human_verdict AS verdict, f.human_reason AS reason
  FROM findings f JOIN tasks t ON t.id = f.task_id LEFT JOIN since s ON s.id = f.criterion_id
  WHERE f.project_id = $1 AND f.human_verdict IS NOT NULL
    AND coalesce(t.criteria_version, 0) > coalesce(s.changed_after, -1)
  ORDER BY f.judged_at DESC, f.id LIMIT ${MAX_FINDINGS}`

/**
 * The project's judged findings, newest first, at most 500; under a criterion only those made under its present words.
 * `criteria` are the project's own now, `builtIn` those that a project without own ones has.
 */
export async function judgedFindings(
  db: Db,
  projectId: string,
  criteria: readonly Criterion[],
  builtIn: readonly Criterion[],
): Promise<readonly JudgedFinding[]> {
  const first = new Map(builtIn.map(({ id, text, severity }) => [id, JSON.stringify([text, severity])]))
  const changed = criteria.filter(({ id, text, severity }) => first.get(id) !== JSON.stringify([text, severity]))
  return await query<JudgedFinding>(db, JUDGED, [projectId, changed.map(({ id }) => id)])
}

/** Ids of the proposals that a person declined. */
export async function declinedProposals(db: Db, projectId: string): Promise<ReadonlySet<string>> {
  const text = 'SELECT proposal_id AS id FROM declined_proposals WHERE project_id = $1'
  return new Set((await query<{ id: string }>(db, text, [projectId])).map(({ id }) => id))
}

/** Remembers that a person declined the proposal. Safe to repeat. */
export async function declineProposal(db: Db, projectId: string, proposalId: string): Promise<void> {
  const text = 'INSERT INTO declined_proposals (project_id, proposal_id) VALUES ($1, $2) ON CONFLICT DO NOTHING'
  await query(db, text, [projectId, proposalId])
}
