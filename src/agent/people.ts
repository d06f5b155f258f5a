import type { Asked, PersonAsk } from '../approvals/person-ask.ts'
import type { JournalToolCall } from '../db/journal.ts'

/** The people around a lane, as its calls meet them. */
export interface People {
  /** What the project's policy wants decided before this call runs; null: nothing. Pure. */
  mustAsk(toolName: string, input: unknown): PersonAsk | null
  /** Asks under the call's id, or finds how that was decided. Safe to repeat. Throws `lease_lost`. */
  ask(call: JournalToolCall, ask: PersonAsk): Promise<Asked>
}

/** For a lane that has no tool which could ask or be held back. */
export const NOBODY: People = {
  mustAsk: () => null,
  ask: () => Promise.resolve({ kind: 'refused', message: 'Nobody can be asked here.' }),
}
