/**
 * Merges of upstream changes into a project's files. While files are written a pending restore of the files before stands in
 * the database: whoever finds it after a death goes back, so the files are those before or those after, never half of it.
 */

import { MAX_FILE_EVENTS } from '../../shared/event-bounds.ts'
import { newId } from '../../shared/ids.ts'
import { restoreGivenUp, restoreRunning } from '../../shared/refusals.ts'
import type { DiffStat } from '../../shared/task.ts'
import type { Db } from '../client.ts'
import { addNote } from '../project/notes.ts'
import type { SourceReport } from '../project/projects.ts'
import { activateNext } from '../task/end-task.ts'
import { requireIdle } from '../task/require-idle.ts'
import { inProject, type Tx } from '../transaction.ts'
import { type Checkpoint, type CheckpointRow, toCheckpoint } from './checkpoints.ts'
import { movedFilesEvents, type Restore, type RestoredFile, type RestoreRow, toRestore } from './restores.ts'

const BEFORE = 'before the sync'

/**
 * Notes that files are about to be merged: the checkpoint of the files before, and the way back to it. Throws `not_found`,
 * `task_running`, `restore_running`. Not safe to repeat.
 */
export async function beginSync(db: Db, projectId: string, beforeTree: string): Promise<Restore> {
  return await inProject(db, projectId, async (tx) => {
    await requireIdle(tx)
    const [pending] = await tx.query('SELECT id FROM restores WHERE pending_project_id = $1', [projectId])
    if (pending) throw restoreRunning()
    const conversationId = await conversationFor(tx)
    const before = newId('ckp')
    await insertCheckpoint(tx, {
      id: before,
      treeHash: beforeTree,
      label: BEFORE,
      stat: { files: 0, added: 0, removed: 0 },
    })
    const [row] = await tx.query<RestoreRow>(
      `INSERT INTO restores (id, project_id, pending_project_id, kind, checkpoint_id, restored_from, from_label,
         conversation_id, target_tree, status)
       VALUES ($1, $2, $2, 'restore', $3, $4, $5, $6, $7, 'pending') RETURNING *`,
      [newId('rst'), projectId, newId('ckp'), before, BEFORE, conversationId, beforeTree],
    )
    if (!row) throw new Error('an insert returned no row')
    return toRestore(row)
  })
}

/** What bringing upstream's commits in came to. */
export interface SyncResult {
  readonly treeHash: string
  readonly changes: readonly RestoredFile[]
  readonly stat: DiffStat
  /** The commit that the files now come from. */
  readonly commit: string
  /** What the conversation and the checkpoint call it: `main at 0123abc`. */
  readonly label: string
  /** For people, in the conversation. */
  readonly note: string
}

/**
 * Ends a sync whose files are in place: checkpoint, note, events and the project's new commit in one transaction. Throws
 * `not_found` when the project was deleted, `restore_running` when somebody else went back meanwhile.
 */
export async function completeSync(db: Db, sync: Restore, result: SyncResult): Promise<Checkpoint> {
  return await inProject(db, sync.projectId, async (tx) => {
    const changed = result.changes.slice(0, MAX_FILE_EVENTS).map(({ path }) => path)
    const [ended] = await tx.query(
      `UPDATE restores SET status = 'done', kind = 'sync', from_label = $2, pending_project_id = NULL, changed = $3,
         files = $4, ended_at = now()
       WHERE id = $1 AND status = 'pending' RETURNING id`,
      [sync.id, result.label, JSON.stringify(changed), result.stat.files],
    )
    if (!ended) throw restoreGivenUp('sync')
    const { checkpointId: id, conversationId, projectId } = sync
    const label = `synced with ${result.label}`
    await insertCheckpoint(tx, { id, treeHash: result.treeHash, label, stat: result.stat })
    await addNote(tx, { conversationId, text: result.note })
    await setCommit(tx, result.commit)
    tx.emit(...movedFilesEvents(sync, result, label))
    await activateNext(tx, null)
    const [row] = await tx.query<CheckpointRow>('SELECT * FROM checkpoints WHERE id = $1', [id])
    if (!row) throw new Error(`the checkpoint of a sync of ${projectId} is missing`)
    return toCheckpoint(row)
  })
}

/** Ends a sync that came to nothing because nothing in the files had to change: only the commit is new. */
export async function recordSyncedCommit(db: Db, projectId: string, commit: string): Promise<void> {
  await inProject(db, projectId, async (tx) => {
    await setCommit(tx, commit)
  })
}

async function setCommit(tx: Tx, commit: string): Promise<void> {
  const [row] = await tx.query<{ report: string | null }>(
    'SELECT source_report AS report FROM projects WHERE id = $1',
    [tx.project.id],
  )
  const report = row?.report === null || row === undefined ? null : (JSON.parse(row.report) as SourceReport)
  if (report === null) return
  await tx.query('UPDATE projects SET source_report = $2 WHERE id = $1', [
    tx.project.id,
    JSON.stringify({ ...report, commit }),
  ])
}

/** The project's newest conversation, or its first one. */
async function conversationFor(tx: Tx): Promise<string> {
  const [newest] = await tx.query<{ id: string }>(
    'SELECT id FROM conversations WHERE project_id = $1 ORDER BY updated_at DESC, id DESC LIMIT 1',
    [tx.project.id],
  )
  if (newest) return newest.id
  const id = newId('cnv')
  await tx.query('INSERT INTO conversations (id, project_id, title) VALUES ($1, $2, $3)', [id, tx.project.id, 'Sync'])
  return id
}

async function insertCheckpoint(
  tx: Tx,
  checkpoint: { readonly id: string; readonly treeHash: string; readonly label: string; readonly stat: DiffStat },
): Promise<void> {
  const { id, treeHash, label, stat } = checkpoint
  await tx.query(
    `INSERT INTO checkpoints (id, project_id, turn, tree_hash, label, files, added, removed)
     VALUES ($1, $2, 0, $3, $4, $5, $6, $7)`,
    [id, tx.project.id, treeHash, label, stat.files, stat.added, stat.removed],
  )
}
