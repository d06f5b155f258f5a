/**
 * Files on their way back to a checkpoint. The row comes first, then the files, then everything that tells of it in one
 * transaction. Invariants: (1) a project has at most one pending restore; (2) none begins while a task is not over, and
 * no task starts while one is pending (see activateTask); (3) whoever opens a project's files ends a pending one first.
 */

import type { NewEvent } from '../../events/topics.ts'
import { MAX_FILE_EVENTS } from '../../shared/event-bounds.ts'
import { newId } from '../../shared/ids.ts'
import { restoreGivenUp, restoreRunning } from '../../shared/refusals.ts'
import { OUTSIDE_LABEL, type RestoreKind, restoreLabel, restoreNote } from '../../shared/restore.ts'
import type { DiffStat } from '../../shared/task.ts'
import type { Db } from '../client.ts'
import { addNote } from '../project/notes.ts'
import { query } from '../query.ts'
import { completeChoice, requireChoosing } from '../task/comparison-moves.ts'
import type { KeptResult, PlannedAlternative } from '../task/comparisons.ts'
import { activateNext } from '../task/end-task.ts'
import { requireIdle } from '../task/require-idle.ts'
import { inProject, type Tx } from '../transaction.ts'
import { adoptDecisions } from './adopt-decisions.ts'
import { type CheckpointInConversation, type CheckpointRow, toCheckpoint } from './checkpoints.ts'
import { createFork } from './forks.ts'

/** A restore that was asked for and is not over yet. */
export interface Restore {
  readonly id: string
  readonly projectId: string
  readonly kind: RestoreKind
  /** The checkpoint that records it at its end. */
  readonly checkpointId: string
  readonly restoredFrom: string
  readonly fromLabel: string
  readonly conversationId: string
  readonly title: string | null
  readonly targetTree: string
  /** null until the files as they were have been stored; nothing is touched before that. */
  readonly beforeTree: string | null
  /** null means all. */
  readonly paths: readonly string[] | null
  /** The comparison whose choice it puts into effect. */
  readonly comparisonId: string | null
}

/** The row of a restore as Postgres gives it; `paths` is JSON. */
export interface RestoreRow {
  id: string
  project_id: string
  kind: RestoreKind
  checkpoint_id: string
  restored_from: string
  from_label: string
  conversation_id: string
  title: string | null
  target_tree: string
  before_tree: string | null
  paths: string | null
  comparison_id: string | null
}

/** A row as a restore. Pure. */
export function toRestore(row: RestoreRow): Restore {
  return {
    id: row.id,
    projectId: row.project_id,
    kind: row.kind,
    checkpointId: row.checkpoint_id,
    restoredFrom: row.restored_from,
    fromLabel: row.from_label,
    conversationId: row.conversation_id,
    title: row.title,
    targetTree: row.target_tree,
    beforeTree: row.before_tree,
    paths: row.paths === null ? null : (JSON.parse(row.paths) as string[]),
    comparisonId: row.comparison_id,
  }
}

/** What is to be restored, and why. */
export interface RestoreAsk {
  readonly from: CheckpointInConversation
  readonly kind: Exclude<RestoreKind, 'sync'>
  /** At most 1,000, relative; all files when left out. */
  readonly paths?: readonly string[] | undefined
  /** The title of a fork's conversation. */
  readonly title?: string | undefined
  /** With `alternative`: the comparison. */
  readonly comparisonId?: string | undefined
}

/**
 * Notes what is about to happen. Throws `not_found`, `task_running`, `restore_running`, and `already_decided` for a choice that
 * is in effect. Not safe to repeat.
 */
export async function beginRestore(db: Db, ask: RestoreAsk): Promise<Restore> {
  const { from, kind } = ask
  return await inProject(db, from.projectId, async (tx) => {
    await requireIdle(tx)
    const [pending] = await tx.query('SELECT id FROM restores WHERE pending_project_id = $1', [from.projectId])
    if (pending) throw restoreRunning()
    if (ask.comparisonId !== undefined) await requireChoosing(tx, ask.comparisonId)
    const [row] = await tx.query<RestoreRow>(
      `INSERT INTO restores (id, project_id, pending_project_id, kind, checkpoint_id, restored_from, from_label,
         conversation_id, title, target_tree, paths, comparison_id, status)
       VALUES ($1, $2, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'pending') RETURNING *`,
      [
        newId('rst'),
        from.projectId,
        kind,
        newId('ckp'),
        from.id,
        from.label,
        kind === 'fork' ? newId('cnv') : from.conversationId,
        ask.title ?? null,
        from.treeHash,
        ask.paths === undefined ? null : JSON.stringify(ask.paths),
        ask.comparisonId ?? null,
      ],
    )
    if (!row) throw new Error('an insert returned no row')
    return toRestore(row)
  })
}

/** What is pending in a project, or null. */
export async function pendingRestore(db: Db, projectId: string): Promise<Restore | null> {
  const rows = await query<RestoreRow>(
    db,
    { name: 'pending_restore', text: 'SELECT * FROM restores WHERE pending_project_id = $1' },
    [projectId],
  )
  return rows[0] ? toRestore(rows[0]) : null
}

/** Projects with a pending restore, those that were deleted left out; at most `limit`. */
export async function projectsToSettle(db: Db, limit: number): Promise<string[]> {
  const text = `
    SELECT r.project_id AS id FROM restores r JOIN projects p ON p.id = r.project_id AND p.deleted_at IS NULL
    WHERE r.pending_project_id IS NOT NULL ORDER BY r.position LIMIT $1`
  const rows = await query<{ id: string }>(db, text, [limit])
  return rows.map((row) => row.id)
}

/** Remembers the files as they were, once: a later call changes nothing. */
export async function noteBefore(db: Db, restoreId: string, tree: string): Promise<void> {
  await query(db, 'UPDATE restores SET before_tree = coalesce(before_tree, $2) WHERE id = $1', [restoreId, tree])
}

/** A file that a restore changed, with its lines. */
export interface RestoredFile {
  readonly path: string
  readonly kind: 'create' | 'modify' | 'delete'
  readonly added: number
  readonly removed: number
}

/** What the workspace is after a restore, and what that changed. */
export interface RestoreResult {
  readonly treeHash: string
  readonly changes: readonly RestoredFile[]
  readonly stat: DiffStat
}

/** Files that no checkpoint held when a restore began, since no task changed them: a service did, say. */
export interface OutsideChange {
  readonly treeHash: string
  /** Against the project's newest checkpoint. */
  readonly stat: DiffStat
}

/**
 * Ends a restore whose files are in place: a checkpoint of what was there and in none (`outside`), its own checkpoint, note, events and, for a fork, the conversation, in one transaction
 * that also lets a waiting task start. Throws `not_found` when the project was deleted. Safe to repeat.
 */
export async function completeRestore(
  db: Db,
  restore: Restore,
  result: RestoreResult,
  outside: OutsideChange | null = null,
): Promise<CheckpointInConversation> {
  return await inProject(db, restore.projectId, async (tx) => {
    if (await endRestore(tx, restore, 'done', result)) {
      if (restore.kind === 'fork') {
        const { projectId, conversationId, fromLabel, restoredFrom: checkpointId } = restore
        await createFork(tx, { projectId, conversationId, title: restore.title ?? fromLabel, checkpointId })
      }
      if (outside !== null) await insertOutside(tx, restore, outside)
      await insertCheckpoint(tx, restore, result)
      const chosen = restore.comparisonId === null ? null : await completeChoice(tx, restore.comparisonId)
      if (chosen !== null) await adoptDecisions(tx, chosen)
      const text = `${restoreNote(restore, result.stat)}${chosen?.reason ? ` ${chosen.reason}` : ''}`
      await addNote(tx, { conversationId: restore.conversationId, text })
      tx.emit(...restoredEvents(restore, result))
      // Whoever had borrowed the workspace is gone, and these are its own files now.
      await tx.query('UPDATE projects SET borrowed_tree = NULL WHERE id = $1 AND borrowed_tree IS NOT NULL', [
        restore.projectId,
      ])
      await activateNext(tx, null)
    }
    const [row] = await tx.query<CheckpointRow>('SELECT * FROM checkpoints WHERE id = $1', [restore.checkpointId])
    if (!row) throw restoreGivenUp('restore')
    return { ...toCheckpoint(row), conversationId: restore.conversationId }
  })
}

/** Gives a restore up, whose files are as they were; a waiting task may start. Safe to repeat. */
export async function failRestore(db: Db, restore: Restore, detail: string): Promise<void> {
  await inProject(db, restore.projectId, async (tx) => {
    if (await endRestore(tx, restore, 'failed', { detail })) await activateNext(tx, null)
  })
}

/** False when it had ended already. */
async function endRestore(
  tx: Tx,
  restore: Restore,
  status: 'done' | 'failed',
  how: Partial<RestoreResult> & { detail?: string },
): Promise<boolean> {
  const changed = (how.changes ?? []).slice(0, MAX_FILE_EVENTS).map((change) => change.path)
  const [ended] = await tx.query(
    `UPDATE restores SET status = $2, pending_project_id = NULL, detail = $3, changed = $4, files = $5, ended_at = now()
     WHERE id = $1 AND status = 'pending' RETURNING id`,
    [restore.id, status, how.detail ?? null, JSON.stringify(changed), how.stat?.files ?? 0],
  )
  return ended !== undefined
}

async function insertCheckpoint(tx: Tx, restore: Restore, { treeHash, stat }: RestoreResult): Promise<void> {
  await tx.query(
    `INSERT INTO checkpoints (id, project_id, turn, tree_hash, label, files, added, removed, restored_from, is_partial)
     VALUES ($1, $2, 0, $3, $4, $5, $6, $7, $8, $9)`,
    [
      restore.checkpointId,
      restore.projectId,
      treeHash,
      restoreLabel(restore),
      stat.files,
      stat.added,
      stat.removed,
      // What was chosen is a state of its own, which nothing led to before.
      restore.kind === 'alternative' ? null : restore.restoredFrom,
      restore.paths !== null,
    ],
  )
}

/** A moment of its own, which no task and no restore led to. */
async function insertOutside(tx: Tx, restore: Restore, { treeHash, stat }: OutsideChange): Promise<void> {
  const checkpointId = newId('ckp')
  const { id, projectId, conversationId } = restore
  await tx.query(
    `INSERT INTO checkpoints (id, project_id, turn, tree_hash, label, files, added, removed)
     VALUES ($1, $2, 0, $3, $4, $5, $6, $7)`,
    [checkpointId, projectId, treeHash, OUTSIDE_LABEL, stat.files, stat.added, stat.removed],
  )
  tx.emit({
    type: 'checkpoint.created',
    key: `checkpoint.created:${id}:outside`,
    scope: { projectId, conversationId, taskId: null },
    payload: { checkpointId, treeHash, label: OUTSIDE_LABEL, stat },
  })
}

function restoredEvents(restore: Restore, result: RestoreResult): NewEvent[] {
  const { id, projectId, conversationId, checkpointId, restoredFrom } = restore
  return [
    ...movedFilesEvents(restore, result, restoreLabel(restore)),
    {
      type: 'checkpoint.restored',
      key: `checkpoint.restored:${id}`,
      scope: { projectId, conversationId, taskId: null },
      payload: { checkpointId, treeHash: result.treeHash, from: restoredFrom },
    },
  ]
}

/** What the stream is told of files that came from elsewhere than a task: the first 200, their sum and the new checkpoint. */
export function movedFilesEvents(
  { id, projectId, conversationId, checkpointId }: Restore,
  { treeHash, changes, stat }: Pick<RestoreResult, 'treeHash' | 'changes' | 'stat'>,
  label: string,
): NewEvent[] {
  const scope = { projectId, conversationId, taskId: null }
  const files = changes.slice(0, MAX_FILE_EVENTS).map(({ path, kind, added, removed }): NewEvent => {
    const payload = { path, kind, added, removed, source: 'restore' as const }
    return { type: 'file.changed', key: `file.changed:${id}:${path}`, scope, payload }
  })
  return [
    ...files,
    { type: 'diff.updated', key: `diff.updated:${id}`, scope, payload: { stat } },
    {
      type: 'checkpoint.created',
      key: `checkpoint.created:${id}`,
      scope,
      payload: { checkpointId, treeHash, label, stat },
    },
  ]
}

/** A restore as the model is told of it. */
export interface ToldRestore {
  readonly kind: RestoreKind
  readonly fromLabel: string
  readonly isPartial: boolean
  /** The first paths that changed; `files` counts all. */
  readonly changed: readonly string[]
  readonly files: number
  /** With `alternative`: what was chosen, and for which request. */
  readonly chosen?: ToldChoice
}

/** An alternative that was chosen: its own conversation is gone. Texts have at most 2,000 characters. */
export interface ToldChoice {
  readonly request: string
  readonly model: string
  /** The last words of its agent. */
  readonly words: string
}

const MAX_TOLD_REQUEST = 2_000

/**
 * What was restored in the project since the conversation's last task before this one ended, oldest first, at most
 * `limit`: its memory does not know of it. Nothing for a conversation that remembers nothing.
 */
export async function restoresToTell(
  db: Db,
  task: { readonly id: string; readonly conversationId: string; readonly projectId: string },
  limit: number,
): Promise<ToldRestore[]> {
  const text = `
    SELECT * FROM (
      SELECT r.position, r.kind, r.from_label, r.paths, r.changed, r.files, m.items, m.results, m.chosen_index,
        (SELECT left(q.text, ${MAX_TOLD_REQUEST}) FROM messages q WHERE q.task_id = m.task_id AND q.role = 'user'
         AND q.status <> 'cancelled' ORDER BY q.position LIMIT 1) AS request
      FROM restores r LEFT JOIN comparisons m ON m.id = r.comparison_id
      JOIN conversations c ON c.id = $2
      JOIN tasks own ON own.id = $3
      LEFT JOIN LATERAL (
        SELECT max(t.finished_at) AS ended FROM tasks t
        WHERE t.conversation_id = c.id AND t.position < own.position AND t.started_at IS NOT NULL
      ) earlier ON true
      WHERE r.project_id = $1 AND r.status = 'done' AND r.ended_at <= coalesce(own.started_at, now())
        AND (earlier.ended IS NOT NULL OR c.forked_from IS NOT NULL)
        AND r.ended_at >= coalesce(earlier.ended, c.created_at)
      ORDER BY r.position DESC LIMIT $4) newest
    ORDER BY position`
  const rows = await query<ToldRow>(db, text, [task.projectId, task.conversationId, task.id, limit])
  return rows.map((row) => ({
    kind: row.kind,
    fromLabel: row.from_label,
    isPartial: row.paths !== null,
    changed: JSON.parse(row.changed ?? '[]') as string[],
    files: row.files,
    ...choiceIn(row),
  }))
}

type ToldRow = Pick<RestoreRow, 'kind' | 'from_label' | 'paths'> & {
  changed: string | null
  files: number
  items: string | null
  results: string | null
  chosen_index: number | null
  request: string | null
}

function choiceIn({ items, results, chosen_index: index, request }: ToldRow): { chosen?: ToldChoice } {
  if (items === null || index === null) return {}
  const planned = (JSON.parse(items) as PlannedAlternative[]).find((item) => item.index === index)
  const kept = (JSON.parse(results ?? '[]') as KeptResult[]).find((result) => result.index === index)
  // The task's own result is in the conversation's memory.
  if (planned === undefined || index === 0) return {}
  return { chosen: { request: (request ?? '').toWellFormed(), model: planned.model, words: kept?.words ?? '' } }
}
