import type { Attempt } from '../db/task/attempt.ts'
import type { NewEvent } from '../events/topics.ts'
import type { SkipReason } from '../workflows/activities.ts'

/** Says that a task's work up to this turn is not reviewed, and why. Once a turn. Pure. */
export function skippedEvent({ scope }: Attempt, turn: number, reason: SkipReason): NewEvent {
  return {
    type: 'review.skipped',
    key: `review.skipped:${scope.taskId}:${turn}`,
    scope,
    payload: { reason },
  }
}
