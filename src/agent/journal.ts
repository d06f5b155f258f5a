/** The journal as the loop uses it, bound to one lease: every call throws `lease_lost` once another attempt took over. */

import type { Compaction } from '../db/turn/compactions.ts'
import type { BeginTurn, FinishedCall, JournalToolCall, JournalTurn, StoreReply } from '../db/turn/journal.ts'
import type { ModelCallName } from '../db/turn/model-notes.ts'
import type { NewCheckpoint } from '../db/workspace/checkpoints.ts'
import type { MessagePart, NewEvent } from '../events/topics.ts'
import type { Pinned } from '../memory/pinned.ts'
import type { ModelReading, ModelWait, UserBlock } from '../model/types.ts'
import type { BudgetMark, BudgetReading } from '../shared/budget.ts'
import type { Effect } from '../shared/effect.ts'
import type { Usage } from '../shared/task.ts'

/** What a model call cost that never became a reply. */
export interface Spent {
  readonly usage: Usage
  readonly costUsd: number | null
  /** The model's server did not say; the output was estimated. */
  readonly isEstimated?: boolean
}

export interface Journal {
  /** Whether a message or a notice waits to be said to a model that is idle. */
  hasWaiting(): Promise<boolean>
  /** Null: nothing waits to be said to the model. */
  beginTurn(begin: BeginTurn): Promise<JournalTurn | null>
  /** Counts a repeated model call of a turn and tells readers to drop what the earlier one streamed. */
  beginModelCall(turn: number): Promise<number>
  /** Replaces the user message of a turn that no model has taken. */
  shortenTurn(turn: number, userContent: readonly UserBlock[]): Promise<void>
  /** `mayWait`: its first call will announce its effect, or end without one, at once; both may be stored together. */
  storeReply(store: StoreReply, mayWait: boolean): Promise<void>
  startTool(call: JournalToolCall, effect: Effect): Promise<void>
  /** `ends`: the turn that has ended with these calls; its end may wait for what comes next. Null: others are to come. */
  finishTools(finished: readonly FinishedCall[], ends: JournalTurn | null): Promise<void>
  /** Stores a checkpoint, together with its turn's end when that waits. */
  recordCheckpoint(checkpoint: NewCheckpoint, events: readonly NewEvent[]): Promise<void>
  /** Begins the next turn together with the end that waits. Null: nothing waits, or `mayBegin` said no and the turn has ended. */
  beginNext(begin: BeginTurn, mayBegin: (reading: BudgetReading) => boolean): Promise<JournalTurn | null>
  /** Stores what waits. */
  flush(): Promise<void>
  recordSpent(spent: Spent): Promise<void>
  /** Tells people that a model call waits because the model is away; once for each call. */
  noteWaiting(call: { readonly turn: number; readonly attempt: number }, wait: ModelWait): Promise<void>
  /** Tells people that a call's server has not begun to answer yet. */
  noteReading(call: ModelCallName, reading: ModelReading): Promise<void>
  /** Tells people that another model answered than the one that was asked for; once for each such model. */
  noteSubstitute(call: ModelCallName, models: { readonly asked: string; readonly answered: string }): Promise<void>
  /** Tells people that a refused request is made again without what the server named. */
  noteRepair(call: ModelCallName & { readonly repair: number }, message: string): Promise<void>
  interruptTurn(turn: JournalTurn, parts: readonly MessagePart[]): Promise<void>
  /** The lane's newest compaction, or null. */
  readCompaction(): Promise<Compaction | null>
  /** What must outlast a compaction that replaces all up to the words of this turn. */
  readPinned(throughTurn: number): Promise<Pinned>
  /** Stores a compaction, unless its turn has one already; returns the one that holds. */
  storeCompaction(compaction: Compaction): Promise<Compaction>
  /** Tells people and, at its next turn, the model that a budget is nearly used; once per kind and task. */
  warnBudget(marks: readonly (BudgetMark & { readonly note: string })[]): Promise<void>
}
