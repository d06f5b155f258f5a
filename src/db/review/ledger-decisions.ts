import type { LedgerDecision } from '../../shared/ledger.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import { type ApprovalRow, SELECT, toApproval } from '../task/approval-rows.ts'

/** More than a task may ask; publications may add to it without an end. */
const MAX_DECISIONS = 200

/**
 * What was decided about a task and its publications, in the order in which it was asked, at most the newest 200. Throws
 * `store_unavailable`.
 */
export async function taskDecisions(db: Db, taskId: string): Promise<LedgerDecision[]> {
  const text = `${SELECT} WHERE a.task_id = $1 AND a.state <> 'open' ORDER BY a.position DESC LIMIT ${MAX_DECISIONS}`
  const approvals = (await query<ApprovalRow>(db, text, [taskId])).map(toApproval).reverse()
  return approvals.flatMap(
    ({ id, kind, title, state, answer, note, scope, decidedBy, turn, requestedAt, decidedAt }) => {
      if (state === 'open' || decidedAt === null) return []
      return [
        {
          approvalId: id,
          kind,
          title,
          status: state,
          turn,
          ...(answer === null ? {} : { answer }),
          ...(note === null ? {} : { note }),
          ...(scope === null ? {} : { scope }),
          ...(decidedBy === null ? {} : { by: decidedBy }),
          requestedAt: requestedAt.toISOString(),
          decidedAt: decidedAt.toISOString(),
        },
      ]
    },
  )
}
