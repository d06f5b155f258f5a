import type { Asked, PersonAsk } from '../approvals/person-ask.ts'
import type { HeldCall } from '../approvals/policy-ask.ts'
import type { JournalToolCall } from '../db/turn/turns.ts'

/** The people around a lane, as its calls meet them. */
export interface People {
  /** What the project's policy wants decided before this call runs; null: nothing. Pure. */
  mustAsk(call: HeldCall): PersonAsk | null
  /** Asks under the call's id, or finds how that was decided. Safe to repeat. Throws `lease_lost`. */
  ask(call: JournalToolCall, ask: PersonAsk): Promise<Asked>
  /** A command was refused these hosts: has people decide on those that the policy names. Safe to repeat. */
  onDenied(call: { readonly turn: number; readonly command: string | null }, hosts: readonly string[]): Promise<void>
  /** Whether people must decide on what commands did before the model is asked again; what they decided is told to it. `settle` is called before anything is looked at or put back. */
  isHeld(settle: () => Promise<void>): Promise<boolean>
}

/** For a lane that has no tool which could ask or be held back. */
export const NOBODY: People = {
  mustAsk: () => null,
  ask: () => Promise.resolve({ kind: 'refused', message: 'Nobody can be asked here.' }),
  onDenied: () => Promise.resolve(),
  isHeld: () => Promise.resolve(false),
}
