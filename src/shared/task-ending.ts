/** How tasks end, and what people are told of it. Pure. */

import type { ReviewState } from './review.ts'
import type { Outcome, TaskReason } from './task.ts'

/** How a task ends. */
export type TaskEnding =
  | { readonly kind: 'completed'; readonly outcome: Outcome; readonly review: ReviewState }
  | { readonly kind: 'failed'; readonly reason: TaskReason; readonly trouble?: string }
  | {
      readonly kind: 'cancelled'
      /** A sentence for people about what could not be done at the end, as of the files. */
      readonly trouble?: string
      readonly killed: readonly { toolUseId: string; command: string }[]
      /** What a signal said that did not come through the server; whoever asked there first is kept. */
      readonly by?: string
      readonly reason?: string
      /** When it was told to the workflow itself, by Temporal's clock; now when left out. */
      readonly requestedAt?: Date
    }

/** Outcomes after which the agent would not take another message: going on with it would end the same way at once. */
const TAKES_NO_MORE: ReadonlySet<Outcome> = new Set(['stuck', 'refused', 'budget_reached'])

/** Whether a task that ends so would rather go on with a message that no turn has claimed. */
export function takesMore(ending: TaskEnding): boolean {
  return ending.kind === 'completed' && !TAKES_NO_MORE.has(ending.outcome)
}

/** What a task's row says of why it did not complete; null when it did. `cancelReason` is what a person said. */
export function endingReason(ending: TaskEnding, cancelReason: string | null): TaskReason | null {
  if (ending.kind === 'failed') return ending.reason
  if (ending.kind === 'completed') return null
  return { code: 'cancelled', message: cancelReason ?? 'The task was cancelled.' }
}

const NOTE_BY_OUTCOME: Partial<Record<Outcome, string>> = {
  budget_reached: 'The task reached its budget; the work done so far is kept.',
  stuck: 'The task was stopped because it repeated itself without progress; the work done so far is kept.',
  refused: 'The model declined to go on with this request.',
}

/** The note that stands in a conversation in place of the agent's last words. */
export function endingNote(ending: TaskEnding, cancelReason: string | null): string {
  if (ending.kind === 'completed') return NOTE_BY_OUTCOME[ending.outcome] ?? 'The task ended without a final message.'
  const trouble = ending.trouble === undefined ? '' : ` ${ending.trouble}`
  if (ending.kind === 'failed') return `${ending.reason.message}${trouble}`
  const reason = cancelReason ? ` (${cancelReason})` : ''
  return `The task was cancelled${reason}; files changed so far are kept.${trouble}`
}
