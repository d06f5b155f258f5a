/** Whether a publication may begin: the project's policy may leave that to a person, who is asked once a publication. */

import type { WaitingApproval } from '../../shared/approval.ts'
import { NO_POLICY } from '../../shared/approval-policy.ts'
import { HOUR_MS } from '../../shared/durations.ts'
import { AppError } from '../../shared/errors.ts'
import { publishApprovalKey, publishDenial, publishQuestion } from '../../shared/publication.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import { inTask, type Tx } from '../transaction.ts'
import { savedEnvironment } from '../workspace/environments.ts'
import { type ApprovalRow, SELECT, toApproval, toWaiting } from './approval-rows.ts'
import { insertApproval } from './approvals.ts'
import { EXPIRED, settle } from './decide-approval.ts'

interface Asking {
  readonly publicationId: string
  readonly projectId: string
  readonly taskId: string
  readonly conversationId: string
  readonly branch: string
  readonly pullRequest: boolean
  readonly wantsFork: boolean
}

/**
 * Asks a person when the project's policy wants one, or finds what was asked before; returns what the publication waits
 * for, null when it may go on, and whose task it publishes. `isDue`: the time is over by the
 * workflow's clock, so what is open expires. Throws `publish_denied` with the person's words when it was denied or nobody
 * decided in time, `not_found` when the project was deleted or the publication is over. Safe to repeat.
 */
export async function askToPublish(
  db: Db,
  { publicationId, isDue }: { readonly publicationId: string; readonly isDue: boolean },
): Promise<{ readonly taskId: string; readonly waiting: WaitingApproval | null }> {
  const text = `SELECT x.id AS "publicationId", x.project_id AS "projectId", x.task_id AS "taskId", x.branch,
      x.conversation_id AS "conversationId", x.pull_request AS "pullRequest",
      x.wants_fork AS "wantsFork"
    FROM publications x JOIN projects p ON p.id = x.project_id
    WHERE x.id = $1 AND x.status = 'running' AND p.deleted_at IS NULL`
  const [asking] = await query<Asking>(db, text, [publicationId])
  if (asking === undefined) throw new AppError('not_found', 'This publication is over, or its project was deleted.')
  const policy = (await savedEnvironment(db, asking.projectId))?.approvals ?? NO_POLICY
  const state = await inTask(db, asking, async (tx) => {
    const key = publishApprovalKey(publicationId)
    const [known] = await tx.query<ApprovalRow>(`${SELECT} WHERE a.task_id = $1 AND a.key = $2`, [asking.taskId, key])
    if (known === undefined && policy.publishing !== true) return null
    const expiresMs = policy.expiresInHours * HOUR_MS
    const row = known ?? (await insertApproval(tx, asking, { ...askOf(tx, asking), key, expiresMs }))
    const isOver = row.state === 'open' && (row.is_due || isDue)
    const now = toApproval(isOver ? await settle(tx, row, EXPIRED) : row)
    await tx.query(`UPDATE publications SET step = $2 WHERE id = $1 AND step IN ('approving', 'building')`, [
      publicationId,
      now.state === 'approved' ? 'building' : 'approving',
    ])
    return now
  })
  if (state === null || state.state === 'approved') return { taskId: asking.taskId, waiting: null }
  if (state.state === 'open') return { taskId: asking.taskId, waiting: toWaiting(state) }
  throw new AppError('publish_denied', publishDenial(state.state === 'denied', state.note))
}

function askOf(tx: Tx, { publicationId, branch, pullRequest, wantsFork }: Asking) {
  return {
    turn: tx.taskTurn ?? 0,
    kind: 'publish',
    title: publishQuestion(branch, pullRequest, wantsFork),
    detail: { publicationId, branch },
  } as const
}
