import type { Lease } from '../db/transaction.ts'
import type { NewEvent } from '../events/topics.ts'
import type { SkipReason } from '../workflows/activities.ts'

/** Says that a task's work up to this turn is not reviewed, and why. Once a turn. Pure. */
export function skippedEvent({ projectId, conversationId, taskId }: Lease, turn: number, reason: SkipReason): NewEvent {
  return {
    type: 'review.skipped',
    key: `review.skipped:${taskId}:${turn}`,
    scope: { projectId, conversationId, taskId },
    payload: { reason },
  }
}
