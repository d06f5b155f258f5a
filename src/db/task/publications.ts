/**
 * Publications: what was asked for, decided once, and how far it came. Invariants: (1) at most one of a project is under
 * way; (2) what a step found out (parent, commit, pull request) is written once and kept; (3) the end is written once, with
 * its event.
 */

import type { NewEvent } from '../../events/topics.ts'
import { AppError } from '../../shared/errors.ts'
import { newId } from '../../shared/ids.ts'
import type { PublicationError, PublicationStatus, PublicationStep } from '../../shared/publication.ts'
import { branchHoldsLater, idTaken, noSuch, publishRunning } from '../../shared/refusals.ts'
import type { Db } from '../client.ts'
import { type Page, toPage } from '../project/projects.ts'
import { query } from '../query.ts'
import { inProject, inTask, type Tx } from '../transaction.ts'
import { addToOutbox } from './accept-message.ts'
import { requireOwnProject } from './require-own-project.ts'

/** One that is under way for longer was left by a workflow that somebody ended: it holds up nobody. */
const STALE_HOURS = 2

/** A publication of a task, as it is stored. */
export interface Publication {
  readonly id: string
  readonly projectId: string
  readonly conversationId: string
  readonly taskId: string
  readonly status: PublicationStatus
  readonly step: PublicationStep
  readonly branch: string
  /** Whether a person named the branch. */
  readonly isNamed: boolean
  readonly treeHash: string
  /** JSON of what was asked for. */
  readonly request: string
  readonly title: string
  /** The commit's text below its title. */
  readonly body: string
  readonly pullRequest: boolean
  readonly draft: boolean
  readonly allowWorkflowFiles: boolean
  /** Whether it goes to the own fork of the token's owner. */
  readonly wantsFork: boolean
  /** The fork as `owner/name`, once it is known. */
  readonly fork: string | null
  readonly baseBranch: string | null
  readonly parent: string | null
  /** A second parent: what the project was synced with since the branch's last commit. */
  readonly merged: string | null
  /** The commit that the project's files came from, or were synced with. */
  readonly baseCommit: string | null
  readonly commit: string | null
  readonly isNewBranch: boolean | null
  readonly branchUrl: string | null
  readonly pullRequestNumber: number | null
  readonly pullRequestUrl: string | null
  readonly errorCode: string | null
  readonly errorMessage: string | null
  /** The approval that it waits for. */
  readonly approvalId: string | null
  readonly createdAt: Date
  readonly finishedAt: Date | null
}

const COLUMNS = `id, request, project_id AS "projectId", conversation_id AS "conversationId", task_id AS "taskId", status, step, branch,
  is_named AS "isNamed", tree_hash AS "treeHash", title, body, pull_request AS "pullRequest", draft,
  allow_workflow_files AS "allowWorkflowFiles", wants_fork AS "wantsFork", fork, base_branch AS "baseBranch", base_commit AS "baseCommit", parent, merged, commit, is_new_branch AS "isNewBranch",
  branch_url AS "branchUrl", pull_request_number AS "pullRequestNumber", pull_request_url AS "pullRequestUrl",
  error_code AS "errorCode", error_message AS "errorMessage",
  (SELECT a.id FROM approvals a WHERE a.task_id = publications.task_id AND a.key = 'publish:' || publications.id
    AND a.state = 'open') AS "approvalId", created_at AS "createdAt", finished_at AS "finishedAt"`

/** What is asked for when a task is published. */
export interface NewPublication {
  readonly projectId: string
  readonly conversationId: string
  readonly taskId: string
  readonly treeHash: string
  /** The branch that the person named; otherwise `defaultBranch`, or `spareBranch` where another conversation has that. */
  readonly branch?: string | undefined
  readonly defaultBranch: string
  readonly spareBranch: string
  readonly title: string
  readonly body: string
  readonly pullRequest: boolean
  readonly draft: boolean
  readonly allowWorkflowFiles: boolean
  readonly wantsFork: boolean
  readonly clientPublishId?: string | undefined
  /** JSON of what was asked for. */
  readonly request: string
}

/**
 * Stores what is to be published and has its workflow started. The same `clientPublishId` again gives the same one. Throws
 * `idempotency_mismatch` for the same id with another wish, `publish_running` while another one is under way,
 * `branch_moved` when the branch holds a later task already, `is_alternative` for a try's task, `not_found`.
 */
export async function createPublication(db: Db, ask: NewPublication): Promise<Publication> {
  return await inProject(db, ask.projectId, async (tx) => {
    const known = await sameWish(tx, ask)
    if (known !== null) return known
    requireOwnProject(tx)
    await requireNoneRunning(tx)
    const branch = ask.branch ?? (await freeBranch(tx, ask))
    await requireNoLaterTask(tx, ask, branch)
    const [made] = await tx.query<Publication>(
      `INSERT INTO publications (id, project_id, conversation_id, task_id, client_publish_id, request, status, step, branch,
         is_named, tree_hash, title, body, pull_request, draft, allow_workflow_files, wants_fork)
       VALUES ($1, $2, $3, $4, $5, $6, 'running', 'building', $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING ${COLUMNS}`,
      [
        newId('pub'),
        ask.projectId,
        ask.conversationId,
        ask.taskId,
        ask.clientPublishId ?? null,
        ask.request,
        branch,
        ask.branch !== undefined,
        ask.treeHash,
        ask.title,
        ask.body,
        ask.pullRequest,
        ask.draft,
        ask.allowWorkflowFiles,
        ask.wantsFork,
      ],
    )
    if (made === undefined) throw new Error('an insert returned no row')
    tx.emit({
      type: 'publish.started',
      key: `publish.started:${made.id}`,
      scope: made,
      payload: { publicationId: made.id, branch, pullRequest: made.pullRequest },
    })
    await addToOutbox(tx, {
      kind: 'publish',
      projectId: made.projectId,
      taskId: null,
      payload: { publicationId: made.id },
    })
    return made
  })
}

async function sameWish(tx: Tx, { clientPublishId, request }: NewPublication): Promise<Publication | null> {
  if (clientPublishId === undefined) return null
  const [known] = await tx.query<Publication>(
    `SELECT ${COLUMNS} FROM publications WHERE project_id = $1 AND client_publish_id = $2`,
    [tx.project.id, clientPublishId],
  )
  if (known === undefined) return null
  if (known.request === request) return known
  throw idTaken('clientPublishId', 'wish', { publicationId: known.id })
}

async function requireNoneRunning(tx: Tx): Promise<void> {
  const [running] = await tx.query<{ id: string; approvalId: string | null }>(
    `SELECT x.id, CASE WHEN a.state = 'open' THEN a.id END AS "approvalId" FROM publications x
     LEFT JOIN approvals a ON a.task_id = x.task_id AND a.key = 'publish:' || x.id
     WHERE x.project_id = $1 AND x.status = 'running'
       AND coalesce(a.decided_at, a.expires_at, x.created_at) > now() - $2 * interval '1 hour' LIMIT 1`,
    [tx.project.id, STALE_HOURS],
  )
  if (running !== undefined) throw publishRunning(running.id, running.approvalId)
}

async function freeBranch(tx: Tx, ask: NewPublication): Promise<string> {
  const [last] = await tx.query<{ branch: string }>(
    `SELECT branch FROM publications WHERE project_id = $1 AND conversation_id = $2 AND NOT is_named AND commit IS NOT NULL
     ORDER BY position DESC LIMIT 1`,
    [tx.project.id, ask.conversationId],
  )
  if (last !== undefined) return last.branch
  const [taken] = await tx.query(
    'SELECT id FROM publications WHERE project_id = $1 AND branch = $2 AND conversation_id <> $3 LIMIT 1',
    [tx.project.id, ask.defaultBranch, ask.conversationId],
  )
  return taken === undefined ? ask.defaultBranch : ask.spareBranch
}

async function requireNoLaterTask(tx: Tx, { taskId, wantsFork }: NewPublication, branch: string): Promise<void> {
  const [later] = await tx.query<{ taskId: string }>(
    `SELECT p.task_id AS "taskId" FROM publications p JOIN tasks t ON t.id = p.task_id
     WHERE p.project_id = $1 AND p.branch = $2 AND p.status = 'finished' AND p.wants_fork = $4
       AND t.position > (SELECT position FROM tasks WHERE id = $3) ORDER BY t.position DESC LIMIT 1`,
    [tx.project.id, branch, taskId, wantsFork],
  )
  if (later !== undefined) throw branchHoldsLater(later.taskId, branch)
}

/** Throws `not_found`, also when its project was deleted. */
export async function getPublication(db: Db, publicationId: string): Promise<Publication> {
  const text = `SELECT ${COLUMNS} FROM publications WHERE id = $1
    AND EXISTS (SELECT 1 FROM projects p WHERE p.id = publications.project_id AND p.deleted_at IS NULL)`
  const [found] = await query<Publication>(db, text, [publicationId])
  if (found === undefined) throw noSuch('publication')
  return found
}

/** A project's publications, oldest first; `after` is a publication id. */
export async function listPublications(
  db: Db,
  projectId: string,
  options: { after?: string | undefined; limit: number; taskId?: string | undefined },
): Promise<Page<Publication>> {
  const text = `
    SELECT ${COLUMNS} FROM publications WHERE project_id = $1 AND ($4::text IS NULL OR task_id = $4)
      AND ($2::text IS NULL OR position > (SELECT a.position FROM publications a WHERE a.id = $2 AND a.project_id = $1))
    ORDER BY position LIMIT $3`
  const values = [projectId, options.after ?? null, options.limit + 1, options.taskId ?? null]
  return toPage(await query<Publication>(db, text, values), options.limit, (publication) => publication.id)
}

/** The publication of a task that was asked for last; null: none was. */
export async function newestPublication(db: Db, taskId: string): Promise<Publication | null> {
  const text = `SELECT ${COLUMNS} FROM publications WHERE task_id = $1 ORDER BY position DESC LIMIT 1`
  return (await query<Publication>(db, text, [taskId]))[0] ?? null
}

/** The last other publication of a project that left a commit on a branch of the same repository; null: there is none. */
export async function lastOnBranch(
  db: Db,
  { projectId, branch, fork, id }: Pick<Publication, 'projectId' | 'branch' | 'fork' | 'id'>,
): Promise<Publication | null> {
  const text = `
    SELECT ${COLUMNS} FROM publications WHERE project_id = $1 AND branch = $2 AND id <> $3 AND commit IS NOT NULL
      AND step IN ('opening', 'done') AND fork IS NOT DISTINCT FROM $4 ORDER BY position DESC LIMIT 1`
  return (await query<Publication>(db, text, [projectId, branch, id, fork]))[0] ?? null
}

/** What a step found out; what is not named stays. */
export interface PublicationProgress {
  readonly step: PublicationStep
  readonly branch?: string
  readonly fork?: string
  readonly baseBranch?: string
  readonly parent?: string
  readonly merged?: string
  readonly baseCommit?: string
  readonly commit?: string
  readonly isNewBranch?: boolean
  readonly branchUrl?: string
  readonly pullRequestNumber?: number
  readonly pullRequestUrl?: string
}

/** Notes how far it came, as long as it is under way, and returns it. Safe to repeat. Throws `not_found`. */
export async function recordProgress(db: Db, id: string, found: PublicationProgress): Promise<Publication> {
  const text = `
    UPDATE publications SET step = $2, branch = coalesce($3, branch), base_branch = coalesce($4, base_branch),
      parent = coalesce($5, parent), commit = coalesce($6, commit), is_new_branch = coalesce($7, is_new_branch),
      branch_url = coalesce($8, branch_url), pull_request_number = coalesce($9, pull_request_number),
      pull_request_url = coalesce($10, pull_request_url), merged = coalesce($11, merged),
      base_commit = coalesce($12, base_commit), fork = coalesce($13, fork)
    WHERE id = $1 AND status = 'running' RETURNING ${COLUMNS}`
  const [row] = await query<Publication>(db, text, [
    id,
    found.step,
    found.branch ?? null,
    found.baseBranch ?? null,
    found.parent ?? null,
    found.commit ?? null,
    found.isNewBranch ?? null,
    found.branchUrl ?? null,
    found.pullRequestNumber ?? null,
    found.pullRequestUrl ?? null,
    found.merged ?? null,
    found.baseCommit ?? null,
    found.fork ?? null,
  ])
  if (row === undefined) throw new AppError('not_found', 'This publication is over.')
  return row
}

/**
 * Ends a publication with the event that says how, also when its project was deleted meanwhile; one that is over stays as it
 * is. Safe to repeat.
 */
export async function endPublication(
  db: Db,
  at: Pick<Publication, 'id' | 'projectId'>,
  error: PublicationError | null,
): Promise<void> {
  const [of] = await query<{ taskId: string }>(db, 'SELECT task_id AS "taskId" FROM publications WHERE id = $1', [
    at.id,
  ])
  if (of === undefined) return
  await inTask(db, { projectId: at.projectId, taskId: of.taskId }, async (tx) => {
    const [ended] = await tx.query<Publication>(
      `UPDATE publications SET status = $2, step = CASE WHEN $2 = 'finished' THEN 'done' ELSE step END, error_code = $3,
         error_message = $4, finished_at = now() WHERE id = $1 AND status = 'running' RETURNING ${COLUMNS}`,
      [at.id, error === null ? 'finished' : 'failed', error?.code ?? null, error?.message ?? null],
    )
    if (ended !== undefined) tx.emit(finishedEvent(ended, error))
  })
}

function finishedEvent(ended: Publication, error: PublicationError | null): NewEvent {
  const { id, branch, commit, branchUrl, pullRequestNumber: number, pullRequestUrl: url } = ended
  return {
    type: 'publish.finished',
    key: `publish.finished:${id}`,
    scope: ended,
    payload: {
      publicationId: id,
      status: error === null ? 'finished' : 'failed',
      branch,
      ...(commit === null ? {} : { commit }),
      ...(branchUrl === null ? {} : { branchUrl }),
      ...(number === null || url === null ? {} : { pullRequest: { number, url } }),
      ...(error === null ? {} : { error }),
    },
  }
}
