/**
 * Forks: a conversation that goes on from a checkpoint of another one. Its history is told by reference: the tasks and
 * messages stay where they are, so they are counted once and a fork costs next to nothing.
 */

import { newId } from '../../shared/ids.ts'
import { forkNote } from '../../shared/restore.ts'
import type { Db } from '../client.ts'
import { addNote } from '../project/notes.ts'
import { getProject, type Project, type ProjectSource } from '../project/projects.ts'
import { query } from '../query.ts'
import { requireIdle } from '../task/require-idle.ts'
import { inProject, type Tx } from '../transaction.ts'
import type { CheckpointInConversation } from './checkpoints.ts'

/** A conversation that goes on from a checkpoint of another one. */
export interface NewFork {
  readonly projectId: string
  readonly conversationId: string
  readonly title: string
  readonly checkpointId: string
}

interface Boundary {
  /** The conversation that is forked. */
  conversationId: string
  /** Tasks up to this position are inherited. */
  position: string
  /** The task in whose middle the fork lies, and its last turn that is inherited. */
  cutTaskId: string | null
  throughTurn: number | null
  createdAt: Date
}

/**
 * Where a checkpoint's history ends: after its turn; a task's last checkpoint stands for its end, its first (turn 0) for
 * the moment before it; one that records a restore stands for all tasks that had ended then.
 */
const BOUNDARY = `
  SELECT coalesce(t.conversation_id, r.conversation_id) AS "conversationId", c.created_at AS "createdAt",
    coalesce(t.position, (SELECT max(o.position) FROM tasks o WHERE o.conversation_id = r.conversation_id
      AND o.finished_at <= c.created_at), 0)::text AS position,
    CASE WHEN c.turn = 0 OR EXISTS (SELECT 1 FROM checkpoints l WHERE l.task_id = c.task_id AND l.position > c.position)
      THEN c.task_id END AS "cutTaskId",
    CASE WHEN c.task_id IS NULL THEN NULL ELSE c.turn END AS "throughTurn"
  FROM checkpoints c LEFT JOIN tasks t ON t.id = c.task_id LEFT JOIN restores r ON r.checkpoint_id = c.id
  WHERE c.id = $1`

/** Makes the conversation with the history up to the checkpoint; safe to repeat. */
export async function createFork(tx: Tx, fork: NewFork): Promise<void> {
  const { projectId, conversationId, title, checkpointId } = fork
  const [boundary] = await tx.query<Boundary>(BOUNDARY, [checkpointId])
  if (boundary === undefined) throw new Error('a fork needs a checkpoint')
  await tx.query(
    `INSERT INTO conversations (id, project_id, title, forked_from) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING`,
    [conversationId, projectId, title, checkpointId],
  )
  const { conversationId: origin, position, cutTaskId, throughTurn, createdAt } = boundary
  await tx.query(
    `INSERT INTO inherited_tasks (conversation_id, position, task_id, through_turn)
     SELECT $1, row_number() OVER (ORDER BY h.generation, h.position), h.task_id, h.through_turn FROM (
       SELECT 0 AS generation, position::bigint, task_id, through_turn FROM inherited_tasks WHERE conversation_id = $2
       UNION ALL
       SELECT 1, position, id, CASE WHEN id = $4 THEN $5::int END FROM tasks
       WHERE conversation_id = $2 AND position <= $3 AND NOT (id = coalesce($4, '') AND $5::int = 0)) h
     ON CONFLICT DO NOTHING`,
    [conversationId, origin, position, cutTaskId, throughTurn],
  )
  await tx.query(
    `INSERT INTO inherited_messages (conversation_id, message_id)
     SELECT $1, message_id FROM inherited_messages WHERE conversation_id = $2
     UNION ALL
     SELECT $1, m.id FROM messages m LEFT JOIN tasks t ON t.id = m.task_id
     WHERE m.conversation_id = $2 AND CASE
       WHEN m.task_id IS NULL THEN m.created_at <= $6
       WHEN m.task_id = $4 THEN m.turn <= $5::int AND $5::int > 0
       ELSE t.position <= $3 END
     ON CONFLICT DO NOTHING`,
    [conversationId, origin, position, cutTaskId, throughTurn, createdAt],
  )
}

/** Tasks that a conversation inherited, in order, the last one possibly up to a turn only. Empty for most. */
export async function inheritedTasks(
  db: Db,
  conversationId: string,
): Promise<{ taskId: string; throughTurn: number | null }[]> {
  const rows = await query<{ taskId: string; throughTurn: number | null }>(
    db,
    {
      name: 'inherited_tasks',
      text: `SELECT task_id AS "taskId", through_turn AS "throughTurn" FROM inherited_tasks
             WHERE conversation_id = $1 ORDER BY position`,
    },
    [conversationId],
  )
  return rows
}

/** A file that is stored with a forked project. */
export interface ForkedFile {
  /** As text that says the same bytes again. */
  readonly path: string
  /** As it stands in a checkpoint's tree. */
  readonly mode: string
  /** A link's is its target, a directory's is empty. */
  readonly data: Uint8Array
}

/** Stores files of a project that is about to be made. Safe to repeat. */
export async function storeForkedFiles(db: Db, projectId: string, files: readonly ForkedFile[]): Promise<void> {
  const text = `
    INSERT INTO forked_files (project_id, path, mode, data)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bytea[]) ON CONFLICT (project_id, path) DO NOTHING`
  const values = [
    projectId,
    files.map((file) => file.path),
    files.map((file) => file.mode),
    files.map((file) => Buffer.from(file.data)),
  ]
  await query(db, text, values)
}

const FILES_A_PAGE = 200

/** The files that a forked project began with, a page at a time, in order of their paths. */
export async function* readForkedFiles(db: Db, projectId: string): AsyncGenerator<ForkedFile[]> {
  const text = `
    SELECT path, mode, data FROM forked_files WHERE project_id = $1 AND ($2::text IS NULL OR path > $2)
    ORDER BY path LIMIT ${FILES_A_PAGE}`
  for (let after: string | null = null; ; ) {
    let rows: ForkedFile[]
    rows = await query<ForkedFile>(db, text, [projectId, after])
    if (rows.length > 0) yield rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < FILES_A_PAGE) return
    after = last.path
  }
}

/** Forgets what was stored for a project that is about to be made. Safe to repeat. */
export async function dropForkedFiles(db: Db, projectId: string): Promise<void> {
  await query(db, 'DELETE FROM forked_files WHERE project_id = $1', [projectId])
}

/** Forgets the files of forks that were never made or are gone; safe to repeat. */
export async function pruneForkedFiles(db: Db): Promise<void> {
  const text = `
    DELETE FROM forked_files f WHERE f.created_at < now() - interval '1 hour'
      AND NOT EXISTS (SELECT 1 FROM projects p WHERE p.id = f.project_id AND p.deleted_at IS NULL)`
  await query(db, text)
}

/**
 * Makes a project from a checkpoint, whose files were stored for it unless `fromCheckpoint`, with a conversation that has
 * the history up to there. Throws `not_found`, `task_running`. Not safe to repeat: each call makes another.
 */
export async function createForkedProject(
  db: Db,
  from: CheckpointInConversation,
  made: { readonly projectId: string; readonly name: string; readonly fromCheckpoint: boolean },
): Promise<{ project: Project; conversationId: string }> {
  const conversationId = newId('cnv')
  const origin = await getProject(db, from.projectId)
  const source: ProjectSource = {
    kind: 'fork',
    checkpointId: from.id,
    projectId: origin.id,
    ...(made.fromCheckpoint ? { fromCheckpoint: true } : {}),
  }
  await inProject(db, origin.id, async (tx) => {
    await requireIdle(tx)
    // With its limits: a fork is no way around them.
    await tx.query(
      `INSERT INTO projects (id, name, source, sandbox_provider, budget)
       SELECT $2::text, $3::text, $4::text, sandbox_provider, budget FROM projects WHERE id = $1`,
      [origin.id, made.projectId, made.name, JSON.stringify(source)],
    )
    const { projectId, name: title } = made
    await createFork(tx, { projectId, conversationId, title, checkpointId: from.id })
  })
  await inProject(db, made.projectId, (tx) =>
    addNote(tx, {
      conversationId,
      text: forkNote(origin.name, from.label),
    }),
  )
  return { project: await getProject(db, made.projectId), conversationId }
}

/** How many forks lie between a project and the farthest one that counts. */
const MAX_ORIGINS = 5

/** The projects that a project was forked from, the nearest first, at most 5; those that were deleted end the row. */
export async function originsOf(db: Db, projectId: string): Promise<string[]> {
  const text = `WITH RECURSIVE origins(id, distance) AS (
      SELECT source::jsonb ->> 'projectId', 1 FROM projects WHERE id = $1 AND source::jsonb ->> 'kind' = 'fork'
      UNION ALL
      SELECT p.source::jsonb ->> 'projectId', o.distance + 1 FROM origins o JOIN projects p ON p.id = o.id
      WHERE p.source::jsonb ->> 'kind' = 'fork' AND o.distance < $2)
    SELECT p.id FROM origins o JOIN projects p ON p.id = o.id ORDER BY o.distance`
  return (await query<{ id: string }>(db, text, [projectId, MAX_ORIGINS])).map(({ id }) => id)
}
