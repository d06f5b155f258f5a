/** What tasks ask people, and what an attempt reads of the answers. */

import {
  type ApprovalDetail,
  type ApprovalKind,
  type ApprovalState,
  type WaitingApproval,
} from '../../shared/approval.ts'
import { AppError } from '../../shared/errors.ts'
import { newId } from '../../shared/ids.ts'
import { oneLine } from '../../shared/text/one-line.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import type { Tx } from '../transaction.ts'
import { addNotice } from '../turn/notices.ts'
import { type Approval, type ApprovalRow, MAX_OPEN, openOf, SELECT, scopeOf, toApproval } from './approval-rows.ts'
import type { Attempt, TaskScope } from './attempt.ts'
import { EXPIRED, type Settlement, settle } from './decide-approval.ts'

/** All that one task may ever ask of a kind: questions, or the others. */
export const MAX_ASKED = 20

const MAX_TITLE_CHARACTERS = 100

/** What a call of the agent asks people. */
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
