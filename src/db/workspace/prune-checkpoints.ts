import type { SandboxRef } from '../../sandbox/types.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'

const SANDBOXES_A_SWEEP = 20
/** Checkpoints of one task, beside its first and last, whose files may be kept. */
const KEPT_A_TASK = 50

/** A sandbox with the checkpoints that it may forget and those that it must keep. */
export interface PrunableSandbox {
  readonly projectId: string
  readonly ref: SandboxRef
  /** Trees that are always kept: where tasks begin and end, what a restore names, the project's newest. */
  readonly keep: readonly string[]
  /** The others that are young enough, newest first. */
  readonly newestFirst: readonly string[]
}

/**
 * Sandboxes whose checkpoints may be cleared up: nobody works in them, and there are checkpoints that were not there the
 * last time, or a day has passed. `days`: how long checkpoints between a task's first and last are kept.
 */
export async function prunableSandboxes(db: Db, days: number): Promise<PrunableSandbox[]> {
  const text = `
    WITH idle AS (
      SELECT s.project_id, s.ref FROM sandboxes s JOIN projects p ON p.id = s.project_id
      WHERE p.deleted_at IS NULL AND p.active_task_id IS NULL AND s.ref IS NOT NULL AND s.provider <> 'e2b'
        AND NOT EXISTS (SELECT 1 FROM restores r WHERE r.project_id = s.project_id AND r.status = 'pending')
        AND (s.pruned_at IS NULL OR s.pruned_at < now() - interval '1 day' OR EXISTS (
          SELECT 1 FROM checkpoints c WHERE c.project_id = s.project_id AND c.created_at > s.pruned_at))
      ORDER BY s.pruned_at NULLS FIRST LIMIT $2),
    ranked AS (
      SELECT c.*, row_number() OVER (PARTITION BY c.task_id ORDER BY c.position) AS from_first,
        row_number() OVER (PARTITION BY c.task_id ORDER BY c.position DESC) AS from_last
      FROM checkpoints c JOIN idle i ON i.project_id = c.project_id WHERE c.dropped_at IS NULL)
    SELECT i.project_id AS "projectId", i.ref, r.tree_hash AS tree,
      (r.task_id IS NULL OR r.from_first = 1 OR r.from_last = 1
        OR EXISTS (SELECT 1 FROM checkpoints b WHERE b.restored_from = r.id)) AS "isKept",
      (r.from_last <= $3 AND r.created_at > now() - $1 * interval '1 day') AS "isYoung"
    FROM idle i LEFT JOIN ranked r ON r.project_id = i.project_id ORDER BY i.project_id, r.position DESC`
  interface Row {
    projectId: string
    ref: string
    tree: string | null
    isKept: boolean | null
    isYoung: boolean | null
  }
  const rows = await query<Row>(db, text, [days, SANDBOXES_A_SWEEP, KEPT_A_TASK])
  const found = new Map<string, { ref: SandboxRef; keep: string[]; newestFirst: string[] }>()
  for (const { projectId, ref, tree, isKept, isYoung } of rows) {
    const sandbox = found.get(projectId) ?? { ref: JSON.parse(ref) as SandboxRef, keep: [], newestFirst: [] }
    found.set(projectId, sandbox)
    if (tree !== null && isKept) sandbox.keep.push(tree)
    else if (tree !== null && isYoung) sandbox.newestFirst.push(tree)
  }
  return [...found].map(([projectId, sandbox]) => ({ projectId, ...sandbox }))
}

/** Notes that a sandbox's checkpoints were cleared up and which of them are kept; the files of all others are gone. */
export async function noteChecked(db: Db, projectId: string, kept: readonly string[], before: Date): Promise<void> {
  const text = `
    WITH dropped AS (
      UPDATE checkpoints SET dropped_at = now()
      WHERE project_id = $1 AND dropped_at IS NULL AND created_at < $3 AND NOT tree_hash = ANY($2))
    UPDATE sandboxes SET pruned_at = $3 WHERE project_id = $1`
  await query(db, text, [projectId, kept, before])
}
