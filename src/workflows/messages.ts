/** The signals and queries of `codingTask`, as both sides name them. */

import { defineQuery, defineSignal } from '@temporalio/workflow'
import type { ReviewState } from '../shared/review.ts'
import type { CancelTaskSignal, RegenerateContextSignal, TaskState } from '../shared/task.ts'

/** Something new waits in Postgres: a message, a raised budget. Carries nothing; may come twice. */
export const wake = defineSignal('wake')
/** Ends the task; what native cancellation does too. */
export const cancelTask = defineSignal<[CancelTaskSignal]>('cancelTask')
/** Makes the project context anew at the next turn boundary; several before that count once. */
export const regenerateProjectContext = defineSignal<[RegenerateContextSignal]>('regenerateProjectContext')

export const taskState = defineQuery<TaskState>('taskState')
export const reviewState = defineQuery<ReviewState>('reviewState')
