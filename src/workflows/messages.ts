/** The signals, updates and queries of `codingTask` and `compareAlternatives`, as both sides name them. */

import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow'
import type { ApprovalsState, ResolveApproval, ResolvedApproval } from '../shared/approval.ts'
import type { ChooseAlternative, ComparisonView } from '../shared/comparison.ts'
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

/** Where the task stands. */
export const taskState = defineQuery<TaskState>('taskState')
/** What waits for a person, and how much was decided. */
export const approvals = defineQuery<ApprovalsState>('approvals')
/** Where its review stands. */
export const reviewState = defineQuery<ReviewState>('reviewState')

/** Ends a comparison without a choice; what native cancellation does too. */
export const cancelComparison = defineSignal('cancelComparison')
/**
 * A person's choice. Refused without a trace in the history once it is decided; fails with `bad_request` for an alternative
 * without a result, `task_running` and `files_moved_on` when the project went on meanwhile.
 */
export const chooseAlternative = defineUpdate<{ readonly chosenIndex: number }, [ChooseAlternative]>(
  'chooseAlternative',
)
/** How far a comparison is, and which tasks are its alternatives. */
export const comparison = defineQuery<ComparisonView>('comparison')
