import type { NewEvent } from '../events/topics.ts'
import type { DiffStat } from '../shared/task.ts'
import { type Db, toDbError } from './client.ts'
import { type Lease, type Tx, withLease } from './transaction.ts'

export interface Checkpoint {
  readonly id: string
  readonly projectId: string
  readonly taskId: string
  readonly turn: number
  readonly treeHash: string
  readonly label: string
  /** Changes since the task's start. */
  readonly stat: DiffStat
  readonly createdAt: Date
}

interface CheckpointRow {
  id: string
  project_id: string
  task_id: string
  turn: number
  tree_hash: string
  label: string
  files: number
  added: number
  removed: number
  created_at: Date
}

function toCheckpoint(row: CheckpointRow): Checkpoint {
  return {
    id: row.id,
    projectId: row.project_id,
    taskId: row.task_id,
    turn: row.turn,
    treeHash: row.tree_hash,
    label: row.label,
    stat: { files: row.files, added: row.added, removed: row.removed },
    createdAt: row.created_at,
  }
}

/** A task's checkpoints, oldest first; the first is the tree it began with. */
export async function listCheckpoints(db: Db, taskId: string): Promise<Checkpoint[]> {
  try {
    const { rows } = await db.pool.query<CheckpointRow>(
      'SELECT * FROM checkpoints WHERE task_id = $1 ORDER BY position',
      [taskId],
    )
    return rows.map(toCheckpoint)
  } catch (error) {
    throw toDbError(error)
  }
}

export interface NewCheckpoint {
  readonly id: string
  readonly turn: number
  readonly treeHash: string
  readonly label: string
  readonly stat: DiffStat
}

/** Stores a checkpoint and makes it the task's latest tree, with the events that say so. Safe to repeat. */
export async function recordCheckpoint(
  db: Db,
  lease: Lease,
  checkpoint: NewCheckpoint,
  events: readonly NewEvent[],
): Promise<void> {
  await withLease(db, lease, async (tx) => {
    await insertCheckpoint(tx, lease, checkpoint)
    await tx.query(
      `UPDATE tasks SET latest_tree = $2, files_changed = $3, lines_added = $4, lines_removed = $5,
         start_tree = coalesce(start_tree, $2) WHERE id = $1`,
      [lease.taskId, checkpoint.treeHash, checkpoint.stat.files, checkpoint.stat.added, checkpoint.stat.removed],
    )
    tx.emit(...events)
  })
}

async function insertCheckpoint(tx: Tx, lease: Lease, checkpoint: NewCheckpoint): Promise<void> {
  await tx.query(
    `INSERT INTO checkpoints (id, project_id, task_id, turn, tree_hash, label, files, added, removed)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (task_id, turn, tree_hash) DO NOTHING`,
    [
      checkpoint.id,
      lease.projectId,
      lease.taskId,
      checkpoint.turn,
      checkpoint.treeHash,
      checkpoint.label,
      checkpoint.stat.files,
      checkpoint.stat.added,
      checkpoint.stat.removed,
    ],
  )
}
