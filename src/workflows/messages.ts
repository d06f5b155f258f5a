/** The signals and queries of `codingTask`, as both sides name them. */

import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import type { ApprovalsState, ResolveApproval, ResolvedApproval } from '../shared/approval.ts'
import type { ReviewState } from '../shared/review.ts'
import type { CancelTaskSignal, RegenerateContextSignal, TaskState } from '../shared/task.ts'

/** Something new waits in Postgres: a message, a raised budget. Carries nothing; may come twice. */
export const wake = defineSignal('wake')
/** Ends the task; what native cancellation does too. */
export const cancelTask = defineSignal<[CancelTaskSignal]>('cancelTask')
/** Makes the project context anew at the next turn boundary; several before that count once. */
export const regenerateProjectContext = defineSignal<[RegenerateContextSignal]>('regenerateProjectContext')

/**
 * A person's decision on what the task asks. Refused, without a trace in the history, when nothing open has the id or the
 * answer does not fit; fails with `approval_over` when it was decided otherwise meanwhile.
 */
export const resolveApproval = defineUpdate<ResolvedApproval, [ResolveApproval]>('resolveApproval')

export const taskState = defineQuery<TaskState>('taskState')
/** What waits for a person, and how much was decided. */
export const approvals = defineQuery<ApprovalsState>('approvals')
export const reviewState = defineQuery<ReviewState>('reviewState')
