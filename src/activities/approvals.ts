import { decideApproval, expireApprovals } from '../db/task/decide-approval.ts'
import type { Activities } from '../workflows/activities.ts'
import type { ActivityDeps } from './deps.ts'
import { runActivity } from './run-activity.ts'

/** What the workflow has recorded of people's decisions. Neither takes the task's lease: both hold by the project's lock. */
export function createApprovalActivities({ db }: ActivityDeps): Pick<Activities, 'recordDecision' | 'expireApprovals'> {
  return {
    recordDecision: runActivity(async ({ decision, ...at }) => {
      const { id, state } = await decideApproval(db, at, decision, { tellWorkflow: false, isRepeatFine: true })
      return { approvalId: id, state }
    }),
    expireApprovals: runActivity(async ({ due, ...at }) => await expireApprovals(db, at, due)),
  }
}
