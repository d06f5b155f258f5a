/** What tasks ask people: opened by a worker, decided by a person, by time or by the task's end; each exactly once. */

import type { NewEvent } from '../../events/topics.ts'
import {
  type ApprovalDetail,
  type ApprovalKind,
  type ApprovalState,
  type ApprovalSummary,
  type DecisionScope,
  decisionFault,
  optionKeysOf,
  type ResolveApproval,
  STATE_AFTER,
  type WaitingApproval,
} from '../../shared/approval.ts'
import { MAX_REMEMBERED, NO_POLICY } from '../../shared/approval-policy.ts'
import { AppError } from '../../shared/errors.ts'
import { newId } from '../../shared/ids.ts'
import { noSuch } from '../../shared/refusals.ts'
import { oneLine } from '../../shared/text/one-line.ts'
import type { Db } from '../client.ts'
import { type Page, toPage } from '../project/projects.ts'
import { query } from '../query.ts'
import { inTask, type Tx } from '../transaction.ts'
import { addNotice } from '../turn/notices.ts'
import { changeEnvironment } from '../workspace/environments.ts'
import { addToOutbox } from './accept-message.ts'
import type { Attempt, TaskScope } from './attempt.ts'

/** Approvals of one task that may wait at the same time, and all that it may ever ask of a kind (questions; the others). */
export const MAX_OPEN = 5
export const MAX_ASKED = 20
const MAX_TITLE_CHARACTERS = 100

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

export interface OpenApproval {
  /** The tool-use id of the call that waits. */
  readonly key: string
  readonly turn: number
  readonly kind: ApprovalKind
  readonly title: string
  readonly detail: ApprovalDetail
  readonly expiresMs: number
}

/**
 * Asks, or finds what was asked under the same key, with the decision if there is one; what is past its time expires here.
 * `refused`: too many are open, or were asked. Throws `lease_lost`. Safe to repeat.
 */
export async function openApproval(attempt: Attempt, ask: OpenApproval): Promise<Approval | 'refused'> {
  return await attempt.tx(async (tx) => {
    const [known] = await tx.query<ApprovalRow>(`${SELECT} WHERE a.task_id = $1 AND a.key = $2`, [
      attempt.scope.taskId,
      ask.key,
    ])
    if (known) return toApproval(known.state === 'open' && known.is_due ? await settle(tx, known, EXPIRED) : known)
    if (ask.detail.pattern !== undefined) {
      const earlier = await taskDecision(tx, attempt.scope.taskId, ask.kind, ask.detail.pattern)
      if (earlier) return toApproval(await settle(tx, await insertApproval(tx, attempt.scope, ask), earlier))
    }
    const [counted] = await tx.query<{ open: number; asked: number }>(
      `SELECT count(*) FILTER (WHERE state = 'open')::int AS open,
         count(*) FILTER (WHERE (kind = 'question') = $2)::int AS asked
       FROM approvals WHERE task_id = $1 AND kind <> 'publish'`,
      [attempt.scope.taskId, ask.kind === 'question'],
    )
    if ((counted?.open ?? 0) >= MAX_OPEN || (counted?.asked ?? 0) >= MAX_ASKED) return 'refused'
    return toApproval(await insertApproval(tx, attempt.scope, ask))
  })
}

/** What a person decided for the rest of the task about everything that one pattern holds back. */
async function taskDecision(tx: Tx, taskId: string, kind: ApprovalKind, pattern: string): Promise<Settlement | null> {
  const [row] = await tx.query<{ state: 'approved' | 'denied'; note: string | null; decided_by: string | null }>(
    `SELECT state, note, decided_by FROM approvals WHERE task_id = $1 AND kind = $2 AND scope = 'task'
       AND state IN ('approved', 'denied') AND detail::json->>'pattern' = $3 ORDER BY decided_at DESC LIMIT 1`,
    [taskId, kind, pattern],
  )
  if (!row) return null
  return { state: row.state, note: row.note ?? undefined, by: row.decided_by ?? undefined, scope: 'task' }
}

/** The newest decision of a task about a pattern as a whole, or about one path; null: none holds. */
export async function decisionForTask(
  db: Db,
  taskId: string,
  about: { readonly kind: ApprovalKind; readonly pattern?: string; readonly path?: string },
): Promise<ApprovalState | null> {
  const text = `${SELECT} WHERE a.task_id = $1 AND a.kind = $2 AND a.state IN ('approved', 'denied')
      AND (($3::text IS NOT NULL AND a.scope = 'task' AND a.detail::json->>'pattern' = $3)
        OR ($4::text IS NOT NULL AND a.detail::jsonb->'paths' ? $4))
    ORDER BY a.decided_at DESC LIMIT 1`
  const [row] = await query<ApprovalRow>(db, text, [taskId, about.kind, about.pattern ?? null, about.path ?? null])
  return row?.state ?? null
}

/** Something that a command did or wanted and that people decide on afterwards. */
export type HeldChange = Pick<Approval, 'id' | 'kind' | 'state' | 'detail' | 'note'>

/** What of it is open, or decided and not told to the model yet, oldest first. */
export async function heldChanges(db: Db, taskId: string): Promise<HeldChange[]> {
  const text = `${SELECT} WHERE a.task_id = $1 AND (a.key LIKE 'tree:%' OR a.key LIKE 'host:%')
      AND NOT EXISTS (SELECT 1 FROM notices n WHERE n.task_id = $1 AND n.key = 'approval:' || a.id) ORDER BY a.position`
  return (await query<ApprovalRow>(db, text, [taskId])).map(toApproval)
}

/** Tells the model what was decided, at its next turn and once. Throws `lease_lost`. */
export async function tellHeldChange(
  attempt: Attempt,
  { id, approvalId, text }: { readonly id: string; readonly approvalId: string; readonly text: string },
): Promise<void> {
  await addNotice(attempt, { id, lane: 'coder', key: `approval:${approvalId}`, text })
}

/** Asks, with the event that says so. The caller has looked that nothing has this key yet. */
export async function insertApproval(tx: Tx, at: TaskScope, ask: OpenApproval): Promise<ApprovalRow> {
  const [row] = await tx.query<ApprovalRow>(
    `INSERT INTO approvals (id, project_id, conversation_id, task_id, turn, key, kind, title, detail, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + $10 * interval '1 millisecond')
     RETURNING *, '' AS project_name, false AS is_due`,
    [
      newId('apr'),
      at.projectId,
      at.conversationId,
      at.taskId,
      ask.turn,
      ask.key,
      ask.kind,
      oneLine(ask.title.toWellFormed(), MAX_TITLE_CHARACTERS),
      JSON.stringify(ask.detail).replaceAll('\\u0000', '\\ufffd'),
      ask.expiresMs,
    ],
  )
  if (!row) throw new AppError('internal', 'An approval could not be stored.')
  tx.emit({
    type: 'approval.requested',
    key: `approval.requested:${row.id}`,
    scope: scopeOf(row),
    payload: {
      approvalId: row.id,
      kind: row.kind,
      title: row.title,
      detail: JSON.parse(row.detail) as ApprovalDetail,
      requestedAt: row.requested_at.toISOString(),
      expiresAt: row.expires_at.toISOString(),
    },
  })
  return row
}

/** How an approval ended. */
export interface Settlement {
  readonly state: Exclude<ApprovalState, 'open'>
  readonly answer?: string | undefined
  readonly note?: string | undefined
  readonly scope?: DecisionScope | undefined
  readonly by?: string | undefined
}

/** What time makes of an approval. */
export const EXPIRED: Settlement = { state: 'expired' }

/** Under the project's lock: an approval that is still open gets its one decision. */
export async function settle(tx: Tx, row: ApprovalRow, how: Settlement): Promise<ApprovalRow> {
  const [settled] = await tx.query<ApprovalRow>(
    `UPDATE approvals SET state = $2, answer = $3, note = $4, scope = $5, decided_by = $6, decided_at = now()
     WHERE id = $1 AND state = 'open' RETURNING *, $7 AS project_name, false AS is_due`,
    [row.id, how.state, how.answer ?? null, how.note ?? null, how.scope ?? null, how.by ?? null, row.project_name],
  )
  if (!settled) return row
  tx.emit(resolvedEvent(settled))
  await tx.query(
    `WITH left_open AS (SELECT 1 FROM approvals WHERE task_id = $1 AND state = 'open' AND kind <> 'publish'),
     task AS (
       UPDATE tasks SET status = 'running' WHERE id = $1 AND status = 'needs_answer' AND NOT EXISTS (SELECT 1 FROM left_open)
       RETURNING id)
     UPDATE budget_waits SET ended_at = greatest(began_at, now()) WHERE ended_at IS NULL AND task_id IN (SELECT id FROM task)`,
    [row.task_id],
  )
  return settled
}

function resolvedEvent(row: ApprovalRow): NewEvent {
  return {
    type: 'approval.resolved',
    key: `approval.resolved:${row.id}`,
    scope: scopeOf(row),
    payload: {
      approvalId: row.id,
      title: row.title,
      decision: DECISION_OF[row.state],
      ...(row.answer === null ? {} : { answer: row.answer }),
      ...(row.note === null ? {} : { note: row.note }),
      ...(row.scope === null ? {} : { scope: row.scope }),
      ...(row.decided_by === null ? {} : { by: row.decided_by }),
    },
  }
}

const DECISION_OF = {
  open: 'withdrawn',
  answered: 'answer',
  approved: 'approve',
  denied: 'deny',
  expired: 'expired',
  withdrawn: 'withdrawn',
} as const satisfies Record<ApprovalState, string>

function scopeOf(row: ApprovalRow) {
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

/**
 * Records a person's decision once; with `tellWorkflow` the task's workflow is told through the outbox. Throws `not_found`,
 * `bad_request` that names the field when the decision does not fit what was asked, and `approval_over` when it was decided
 * otherwise, expired, or its task ended. The same decision again is answered as before when `isRepeatFine`.
 */
export async function decideApproval(
  db: Db,
  at: { readonly projectId: string; readonly taskId: string },
  decision: ResolveApproval,
  options: { readonly tellWorkflow: boolean; readonly isRepeatFine: boolean },
): Promise<Approval> {
  const { approval, isLate } = await inTask(db, at, async (tx) => {
    const [row] = await tx.query<ApprovalRow>(`${SELECT} WHERE a.id = $1 AND a.task_id = $2`, [
      decision.approvalId,
      at.taskId,
    ])
    if (!row) throw noSuch('approval')
    const asked = toApproval(row)
    const fault = decisionFault({ kind: row.kind, ...optionKeysOf(asked.detail) }, decision)
    if (fault) {
      const details = { [fault.field]: fault.message }
      throw new AppError('bad_request', `${fault.field}: ${fault.message}`, { details })
    }
    const state = STATE_AFTER[decision.decision]
    const answer = decision.answer?.trim()
    if (row.state !== 'open') {
      const isSame = options.isRepeatFine && row.state === state && row.answer === (answer ?? null)
      if (isSame) return { approval: asked, isLate: false }
      throw new AppError('approval_over', OVER[row.state])
    }
    if (row.is_due) {
      // The time is kept by this, whoever looks first; it stands although the caller is refused.
      const expired = toApproval(await settle(tx, row, EXPIRED))
      if (options.tellWorkflow) await addToOutbox(tx, { kind: 'wake', ...at, payload: waiterOf(asked) })
      return { approval: expired, isLate: true }
    }
    const { note, by = 'temporal', scope } = decision
    const settled = await settle(tx, row, { state, answer, note, by, scope: scope ?? 'once' })
    await remember(tx, toApproval(settled))
    if (options.tellWorkflow) {
      await addToOutbox(tx, { kind: 'resolve', ...at, payload: { ...decision, ...waiterOf(asked) } })
    }
    return { approval: toApproval(settled), isLate: false }
  })
  if (isLate) throw new AppError('approval_over', OVER.expired)
  return approval
}

/** Whose workflow waits, when it is not the task's: a publication's. */
function waiterOf({ detail: { publicationId } }: Approval): { publicationId?: string } {
  return publicationId === undefined ? {} : { publicationId }
}

/** What holds for the project from now on becomes a new version of its environment; an allowed host always does. */
async function remember(tx: Tx, { projectId, kind, state, scope, detail }: Approval): Promise<void> {
  const { host } = detail
  if (kind === 'host' && state === 'approved' && host !== undefined) {
    await changeEnvironment(tx, projectId, (environment) => {
      const { policy, hosts } = environment.network
      const widened = policy === 'open' ? policy : 'hosts'
      return { ...environment, network: { policy: widened, hosts: [...new Set([...hosts, host])] } }
    })
    return
  }
  if (scope !== 'project' || (kind !== 'command' && kind !== 'path')) return
  const subjects = kind === 'command' ? [detail.command ?? ''] : (detail.paths ?? [])
  const decision = state === 'approved' ? 'approve' : 'deny'
  const at = new Date().toISOString()
  await changeEnvironment(tx, projectId, (environment) => {
    const policy = environment.approvals ?? NO_POLICY
    const kept = policy.remembered.filter((known) => known.kind !== kind || !subjects.includes(known.subject))
    const fresh = subjects.map((subject) => ({ kind, subject, decision, at }) as const)
    const remembered = [...kept, ...fresh].slice(-MAX_REMEMBERED)
    return { ...environment, approvals: { ...policy, remembered } }
  })
}

const OVER = {
  open: 'This is decided already.',
  answered: 'This was answered already.',
  approved: 'This was approved already.',
  denied: 'This was denied already.',
  expired: 'This has expired: the task went on without an answer.',
  withdrawn: 'The task that asked has ended.',
} as const satisfies Record<ApprovalState, string>

/**
 * Shows that a task waits for people and begins to count the wait, unless all was decided meanwhile; returns what is open.
 * Throws `lease_lost`. Safe to repeat.
 */
export async function setNeedsAnswer(attempt: Attempt): Promise<WaitingApproval[]> {
  return await attempt.tx(async (tx) => {
    const open = await openOf(tx, attempt.scope.taskId)
    if (open.length === 0) return []
    await tx.query(
      `WITH task AS (
         UPDATE tasks SET status = 'needs_answer' WHERE id = $1 AND status IN ('running', 'needs_answer') RETURNING id)
       INSERT INTO budget_waits (task_id, project_id, scopes) SELECT id, $2, 'answer' FROM task
       WHERE NOT EXISTS (SELECT 1 FROM budget_waits WHERE task_id = $1 AND ended_at IS NULL) ON CONFLICT DO NOTHING`,
      [attempt.scope.taskId, attempt.scope.projectId],
    )
    return open
  })
}

/**
 * Lets expire what is past its time, by this database's clock or by the workflow's (`due`), and returns what is still
 * open. Safe to repeat.
 */
export async function expireApprovals(
  db: Db,
  at: { readonly projectId: string; readonly taskId: string },
  due: readonly string[],
): Promise<WaitingApproval[]> {
  return await inTask(db, at, async (tx) => {
    const rows = await tx.query<ApprovalRow>(
      `${SELECT} WHERE a.task_id = $1 AND a.state = 'open' AND a.kind <> 'publish'
         AND (a.expires_at <= now() OR a.id = ANY($2::text[]))`,
      [at.taskId, due],
    )
    for (const row of rows) await settle(tx, row, EXPIRED)
    return await openOf(tx, at.taskId)
  })
}

async function openOf(tx: Tx, taskId: string): Promise<WaitingApproval[]> {
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

/** Under the project's lock: what a task that ends still asks is asked no more; its publications go on asking. */
export async function withdrawApprovals(tx: Tx, taskId: string): Promise<void> {
  const rows = await tx.query<ApprovalRow>(
    `${SELECT} WHERE a.task_id = $1 AND a.state = 'open' AND a.kind <> 'publish' ORDER BY a.position`,
    [taskId],
  )
  for (const row of rows) await settle(tx, row, { state: 'withdrawn' })
}
