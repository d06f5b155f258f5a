/** The one end of each approval: a person decides, its time is over, or its task ends. */

import type { NewEvent } from '../../events/topics.ts'
import {
  type ApprovalState,
  type DecisionScope,
  decisionFault,
  optionKeysOf,
  type ResolveApproval,
  STATE_AFTER,
  type WaitingApproval,
} from '../../shared/approval.ts'
import { MAX_REMEMBERED, NO_POLICY } from '../../shared/approval-policy.ts'
import { AppError } from '../../shared/errors.ts'
import { approvalOver, noSuch } from '../../shared/refusals.ts'
import type { Db } from '../client.ts'
import { inTask, type Tx } from '../transaction.ts'
import { changeEnvironment } from '../workspace/environments.ts'
import { addToOutbox } from './accept-message.ts'
import { type Approval, type ApprovalRow, openOf, SELECT, scopeOf, toApproval } from './approval-rows.ts'

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
      throw approvalOver(row.state)
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
  if (isLate) throw approvalOver('expired')
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

/** Under the project's lock: what a task that ends still asks is asked no more; its publications go on asking. */
export async function withdrawApprovals(tx: Tx, taskId: string): Promise<void> {
  const rows = await tx.query<ApprovalRow>(
    `${SELECT} WHERE a.task_id = $1 AND a.state = 'open' AND a.kind <> 'publish' ORDER BY a.position`,
    [taskId],
  )
  for (const row of rows) await settle(tx, row, { state: 'withdrawn' })
}
