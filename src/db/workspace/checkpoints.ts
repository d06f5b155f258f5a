import type { NewEvent } from '../../events/topics.ts'
import type { LeftOut } from '../../shared/left-out.ts'
import { noSuch } from '../../shared/refusals.ts'
import type { DiffStat } from '../../shared/task.ts'
import type { Db } from '../client.ts'
import { type Page, toPage } from '../project/projects.ts'
import { query } from '../query.ts'
import { Statement } from '../statement.ts'
import type { Attempt } from '../task/attempt.ts'

/** A checkpoint, as it is stored: its files lie in the sandbox, under `treeHash`. */
export interface Checkpoint {
  readonly id: string
  readonly projectId: string
  /** null for one that records a restore. */
  readonly taskId: string | null
  readonly turn: number
  readonly treeHash: string
  readonly label: string
  /** Changes since the task's start; what a restore changed. */
  readonly stat: DiffStat
  /** The checkpoint whose files came back with this one. */
  readonly restoredFrom: string | null
  /** Whether only chosen paths came back. */
  readonly isPartial: boolean
  /** When its files were given up; null while they are kept. */
  readonly droppedAt: Date | null
  readonly createdAt: Date
}

/** The row of a checkpoint as Postgres gives it. */
export interface CheckpointRow {
  id: string
  project_id: string
  task_id: string | null
  turn: number
  tree_hash: string
  label: string
  files: number
  added: number
  removed: number
  restored_from: string | null
  is_partial: boolean
  dropped_at: Date | null
  created_at: Date
}

/** A row as a checkpoint. Pure. */
export function toCheckpoint(row: CheckpointRow): Checkpoint {
  return {
    id: row.id,
    projectId: row.project_id,
    taskId: row.task_id,
    turn: row.turn,
    treeHash: row.tree_hash,
    label: row.label,
    stat: { files: row.files, added: row.added, removed: row.removed },
    restoredFrom: row.restored_from,
    isPartial: row.is_partial,
    droppedAt: row.dropped_at,
    createdAt: row.created_at,
  }
}

/** A task's checkpoints, oldest first; the first is the tree it began with. */
export async function listCheckpoints(db: Db, taskId: string): Promise<Checkpoint[]> {
  const rows = await query<CheckpointRow>(db, 'SELECT * FROM checkpoints WHERE task_id = $1 ORDER BY position', [
    taskId,
  ])
  return rows.map(toCheckpoint)
}

/** A checkpoint and the conversation that it is a moment of. */
export interface CheckpointInConversation extends Checkpoint {
  readonly conversationId: string
}

/** Throws `not_found`, also when its project was deleted. */
export async function getCheckpoint(db: Db, checkpointId: string): Promise<CheckpointInConversation> {
  const text = `
    SELECT c.*, coalesce(t.conversation_id, r.conversation_id, (
      SELECT s.conversation_id FROM restores s WHERE s.project_id = c.project_id
        AND (s.restored_from = c.id OR s.before_tree = c.tree_hash) ORDER BY s.position DESC LIMIT 1
    )) AS conversation_id FROM checkpoints c
    JOIN projects p ON p.id = c.project_id AND p.deleted_at IS NULL
    LEFT JOIN tasks t ON t.id = c.task_id LEFT JOIN restores r ON r.checkpoint_id = c.id WHERE c.id = $1`
  const rows = await query<CheckpointRow & { conversation_id: string }>(db, text, [checkpointId])
  if (!rows[0]) throw noSuch('checkpoint')
  return { ...toCheckpoint(rows[0]), conversationId: rows[0].conversation_id }
}

/** The checkpoint that records what a comparison chose; null when it has none. */
export async function chosenCheckpoint(db: Db, comparisonId: string): Promise<Checkpoint | null> {
  const text = `
    SELECT c.* FROM restores r JOIN checkpoints c ON c.id = r.checkpoint_id
    WHERE r.comparison_id = $1 AND r.status = 'done' ORDER BY r.position DESC LIMIT 1`
  const [row] = await query<CheckpointRow>(db, text, [comparisonId])
  return row === undefined ? null : toCheckpoint(row)
}

/** All checkpoints of a project, oldest first; `after` is a checkpoint id. */
export async function listProjectCheckpoints(
  db: Db,
  projectId: string,
  options: { after?: string | undefined; limit: number },
): Promise<Page<Checkpoint>> {
  const text = `
    SELECT * FROM checkpoints WHERE project_id = $1
      AND ($2::text IS NULL OR position > (SELECT a.position FROM checkpoints a WHERE a.id = $2 AND a.project_id = $1))
    ORDER BY position LIMIT $3`
  const rows = await query<CheckpointRow>(db, text, [projectId, options.after ?? null, options.limit + 1])
  return toPage(rows.map(toCheckpoint), options.limit, (checkpoint) => checkpoint.id)
}

/** The project's newest checkpoints, newest first, at most `limit`. */
export async function newestCheckpoints(db: Db, projectId: string, limit: number): Promise<Checkpoint[]> {
  const text = 'SELECT * FROM checkpoints WHERE project_id = $1 ORDER BY position DESC LIMIT $2'
  const rows = await query<CheckpointRow>(db, text, [projectId, limit])
  return rows.map(toCheckpoint)
}

/** A checkpoint that a task took. */
export interface NewCheckpoint {
  readonly id: string
  readonly turn: number
  readonly treeHash: string
  readonly label: string
  readonly stat: DiffStat
}

/** Stores a checkpoint and makes it the task's latest tree, with the events that say so. Safe to repeat. */
export async function recordCheckpoint(
  attempt: Attempt,
  checkpoint: NewCheckpoint,
  events: readonly NewEvent[],
): Promise<void> {
  await attempt.tx(async (tx) => {
    tx.emit(...events)
    const statement = new Statement()
    addCheckpoint(statement, attempt, checkpoint)
    await tx.write(statement)
  })
}

/** Adds a checkpoint to a statement and makes it the task's latest tree. */
export function addCheckpoint(statement: Statement, attempt: Attempt, checkpoint: NewCheckpoint): void {
  const { id, turn, treeHash, label, stat } = checkpoint
  const [taskId, tree] = [statement.value(attempt.scope.taskId), statement.value(treeHash)]
  const [files, added, removed] = [stat.files, stat.added, stat.removed].map((each) => `${statement.value(each)}::int`)
  const [own, project] = [statement.value(id), statement.value(attempt.scope.projectId)]
  statement.part(
    'checkpoint',
    `INSERT INTO checkpoints (id, project_id, task_id, turn, tree_hash, label, files, added, removed)
     VALUES (${own}, ${project}, ${taskId}, ${statement.value(turn)}, ${tree}, ${statement.value(label)},
       ${files}, ${added}, ${removed}) ON CONFLICT (task_id, turn, tree_hash) DO NOTHING`,
  )
  statement.setTask(
    attempt.scope.taskId,
    `latest_tree = ${tree}, files_changed = ${files}, lines_added = ${added}, lines_removed = ${removed}`,
    `start_tree = coalesce(start_tree, ${tree})`,
  )
}

/** Notes what changed in places that checkpoints do not hold, with the event that says so. Safe to repeat. */
export async function recordLeftOut(
  attempt: Attempt,
  leftOut: readonly LeftOut[],
  events: readonly NewEvent[],
): Promise<void> {
  await attempt.tx(async (tx) => {
    await tx.query('UPDATE tasks SET left_out = $2 WHERE id = $1', [attempt.scope.taskId, JSON.stringify(leftOut)])
    tx.emit(...events)
  })
}
