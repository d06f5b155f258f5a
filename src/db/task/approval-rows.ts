/** Approvals as they are stored and read. */

import {
  type ApprovalDetail,
  type ApprovalKind,
  type ApprovalState,
  type ApprovalSummary,
  type DecisionScope,
  optionKeysOf,
  type WaitingApproval,
} from '../../shared/approval.ts'
import { noSuch } from '../../shared/refusals.ts'
import type { Db } from '../client.ts'
import { type Page, toPage } from '../project/projects.ts'
import { query } from '../query.ts'
import type { Tx } from '../transaction.ts'

/** Approvals of one task that may wait at the same time. */
export const MAX_OPEN = 5

/** What a task asked of people, and what became of it. */
export interface Approval {
  readonly id: string
  readonly projectId: string
  readonly projectName: string
  readonly conversationId: string
  readonly taskId: string
  readonly turn: number
  readonly kind: ApprovalKind
  readonly title: string
  readonly detail: ApprovalDetail
  readonly state: ApprovalState
  readonly answer: string | null
  readonly note: string | null
  readonly scope: DecisionScope | null
  readonly decidedBy: string | null
  readonly requestedAt: Date
  readonly expiresAt: Date
  readonly decidedAt: Date | null
}

/** A row with its project's name and whether its time is over, as `SELECT` reads it. */
export interface ApprovalRow {
  id: string
  project_id: string
  project_name: string
  conversation_id: string
  task_id: string
  turn: number
  key: string
  kind: ApprovalKind
  title: string
  detail: string
  state: ApprovalState
  answer: string | null
  note: string | null
  scope: DecisionScope | null
  decided_by: string | null
  requested_at: Date
  expires_at: Date
  decided_at: Date | null
  is_due: boolean
}

/** Pure. */
export function toApproval(row: ApprovalRow): Approval {
  return {
    id: row.id,
    projectId: row.project_id,
    projectName: row.project_name,
    conversationId: row.conversation_id,
    taskId: row.task_id,
    turn: row.turn,
    kind: row.kind,
    title: row.title,
    detail: JSON.parse(row.detail) as ApprovalDetail,
    state: row.state,
    answer: row.answer,
    note: row.note,
    scope: row.scope,
    decidedBy: row.decided_by,
    requestedAt: row.requested_at,
    expiresAt: row.expires_at,
    decidedAt: row.decided_at,
  }
}

/** Reads {@link ApprovalRow}s. */
export const SELECT = `SELECT a.*, p.name AS project_name, a.expires_at <= now() AS is_due
  FROM approvals a JOIN projects p ON p.id = a.project_id`

/** The scope of an approval’s events. Pure. */
export function scopeOf(row: ApprovalRow) {
  return { projectId: row.project_id, conversationId: row.conversation_id, taskId: row.task_id, turn: row.turn }
}

/** One by its id. Throws `not_found`, also when its project was deleted or is neither `projectId` nor one of its alternatives. */
export async function getApproval(db: Db, id: string, projectId?: string): Promise<Approval> {
  const text = `${SELECT} WHERE a.id = $1 AND p.deleted_at IS NULL AND ($2::text IS NULL OR $2 IN (a.project_id, p.alternative_of))`
  const [row] = await query<ApprovalRow>(db, text, [id, projectId ?? null])
  if (!row) throw noSuch('approval')
  return toApproval(row)
}

/** What waits for a person, or everything that was ever asked, oldest first; of one project with its alternatives, or of all. */
export async function listApprovals(
  db: Db,
  options: { projectId?: string | undefined; isOpen: boolean | null; after?: string | undefined; limit: number },
): Promise<Page<Approval>> {
  const text = `${SELECT} WHERE p.deleted_at IS NULL AND ($1::text IS NULL OR $1 IN (a.project_id, p.alternative_of))
      AND ($2::bool IS NULL OR (a.state = 'open' AND a.expires_at > now()) = $2)
      AND ($3::text IS NULL OR a.position > (SELECT position FROM approvals WHERE id = $3))
    ORDER BY a.position LIMIT $4`
  const values = [options.projectId ?? null, options.isOpen, options.after ?? null, options.limit + 1]
  return toPage((await query<ApprovalRow>(db, text, values)).map(toApproval), options.limit, (approval) => approval.id)
}

/** What a task waits for now, at most {@link MAX_OPEN}, oldest first. */
export async function openOf(tx: Tx, taskId: string): Promise<WaitingApproval[]> {
  const rows = await tx.query<ApprovalRow>(
    `${SELECT} WHERE a.task_id = $1 AND a.state = 'open' AND a.kind <> 'publish' ORDER BY a.position LIMIT ${MAX_OPEN}`,
    [taskId],
  )
  return rows.map((row) => toWaiting(toApproval(row)))
}

/** What a workflow needs to know of an open approval. Pure. */
export function toWaiting(approval: Approval): WaitingApproval {
  return { ...toSummary(approval), ...optionKeysOf(approval.detail) }
}

function toSummary({ id, kind, title, requestedAt, expiresAt }: Approval): ApprovalSummary {
  return { approvalId: id, kind, title, requestedAt: requestedAt.toISOString(), expiresAt: expiresAt.toISOString() }
}
