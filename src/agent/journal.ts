/** The journal as the loop uses it, bound to one lease: every call throws `lease_lost` once another attempt took over. */

import type { BeginTurn, FinishedCall, JournalToolCall, JournalTurn, StoreReply } from '../db/journal.ts'
import type { MessagePart } from '../events/topics.ts'
import type { Effect } from '../shared/effect.ts'
import type { Usage } from '../shared/task.ts'
import type { BudgetMark } from './budget.ts'

/** What a model call cost that never became a reply. */
export interface Spent {
  readonly usage: Usage
  readonly costUsd: number | null
}

export interface Journal {
  /** Null: nothing waits to be said to the model. */
  beginTurn(begin: BeginTurn): Promise<JournalTurn | null>
  /** Counts a repeated model call of a turn and tells readers to drop what the earlier one streamed. */
  beginModelCall(turn: number): Promise<number>
  storeReply(store: StoreReply): Promise<void>
  startTool(call: JournalToolCall, effect: Effect): Promise<void>
  finishTools(finished: readonly FinishedCall[]): Promise<void>
  recordSpent(spent: Spent): Promise<void>
  interruptTurn(turn: JournalTurn, parts: readonly MessagePart[]): Promise<void>
  /** Tells people and, at its next turn, the model that a budget is nearly used; once per kind and task. */
  warnBudget(marks: readonly (BudgetMark & { readonly note: string })[]): Promise<void>
}
