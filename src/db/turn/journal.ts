import type { MessagePart, NewEvent } from '../../events/topics.ts'
import type { UserBlock } from '../../model/types.ts'
import type { BudgetMark, BudgetReading } from '../../shared/budget.ts'
import { hitCrashPoint } from '../../shared/crash-points.ts'
import type { Effect } from '../../shared/effect.ts'
import type { Attempt } from '../task/attempt.ts'
import { type NewCheckpoint, recordCheckpoint } from '../workspace/checkpoints.ts'
import { type BeginTurn, beginTurn, hasWaiting } from './begin-turn.ts'
import { type Compaction, readCompaction, storeCompaction } from './compactions.ts'
import { beginModelCall, interruptTurn, recordSpent, type Spent, type StoreReply, storeReply } from './model-calls.ts'
import {
  type ModelCallName,
  noteReading,
  noteRepair,
  noteSubstitute,
  noteWaiting,
  type ToldReading,
  type ToldSubstitute,
  type ToldWait,
} from './model-notes.ts'
import { warnBudget } from './notices.ts'
import { shortenTurn } from './shorten-turn.ts'
import { type FinishedCall, finishTools, startTool } from './tool-calls.ts'
import { endAndBeginTurn, endTurn, type NextTurn, type TurnEnd } from './turn-end.ts'
import type { JournalToolCall, JournalTurn, LaneName } from './turns.ts'

/**
 * What one attempt writes of one lane. Two of a turn's writes may wait for the next one, so that a turn costs two
 * transactions: a reply whose first call announces what it does goes with that announcement, and the last results go with
 * their checkpoint and the next turn's beginning. Nothing has an effect before all that came before it is stored. What
 * waits is told to nobody; `flush` stores it. Every write throws `lease_lost` (final) once another attempt took over, and
 * `store_unavailable` (retryable).
 */
export class Journal {
  readonly #attempt: Attempt
  readonly #lane: LaneName
  readonly #budgets: NextTurn['budgets']
  #reply: StoreReply | null = null
  #end: TurnEnd | null = null

  /** `budgets`: the limits of projects and days that name none of their own. */
  constructor(attempt: Attempt, lane: LaneName, budgets: NextTurn['budgets']) {
    this.#attempt = attempt
    this.#lane = lane
    this.#budgets = budgets
  }

  /** Whether a message or a notice waits to be said to a model that is idle. */
  async hasWaiting(): Promise<boolean> {
    return await hasWaiting(this.#attempt.db, this.#attempt.task.id, this.#lane)
  }

  /** Null: nothing waits to be said to the model. */
  async beginTurn(begin: BeginTurn): Promise<JournalTurn | null> {
    return await beginTurn(this.#attempt, begin)
  }

  /** Begins the next turn together with the end that waits. Null: nothing waits, or `mayBegin` said no and the turn has ended. */
  async beginNext(begin: BeginTurn, mayBegin: (reading: BudgetReading) => boolean): Promise<JournalTurn | null> {
    if (this.#end === null) return null
    const begun = await endAndBeginTurn(this.#attempt, this.#end, { begin, budgets: this.#budgets, mayBegin })
    this.#ended()
    return begun
  }

  /** Counts a repeated model call of a turn and tells readers to drop what the earlier one streamed. */
  async beginModelCall(turn: number): Promise<number> {
    return await beginModelCall(this.#attempt, turn)
  }

  /** Replaces the user message of a turn that no model has taken. */
  async shortenTurn(turn: number, userContent: readonly UserBlock[]): Promise<void> {
    await shortenTurn(this.#attempt, turn, userContent)
  }

  /** `mayWait`: its first call will announce its effect, or end without one, at once; both may be stored together. */
  async storeReply(store: StoreReply, mayWait: boolean): Promise<void> {
    this.#reply = store
    if (!mayWait) await this.flush()
  }

  /** Notes what a call is about to do, directly before it does it. */
  async startTool(call: JournalToolCall, effect: Effect): Promise<void> {
    if (this.#reply === null) return await startTool(this.#attempt, call, effect)
    await storeReply(this.#attempt, this.#reply, { call, effect })
    this.#replyStored()
  }

  /** `ends`: the turn that has ended with these calls; its end may wait for what comes next. Null: others are to come. */
  async finishTools(finished: readonly FinishedCall[], ends: JournalTurn | null): Promise<void> {
    if (this.#reply !== null) await this.flush()
    if (ends === null) await finishTools(this.#attempt, this.#lane, finished)
    else this.#end = { turn: ends, finished, checkpoint: null, events: [] }
  }

  /** Stores a checkpoint, together with its turn's end when that waits. */
  async recordCheckpoint(checkpoint: NewCheckpoint, events: readonly NewEvent[]): Promise<void> {
    if (this.#end === null) await recordCheckpoint(this.#attempt, checkpoint, events)
    else this.#end = { ...this.#end, checkpoint, events }
  }

  /** Stores what waits. Safe to repeat, also after a failure. */
  async flush(): Promise<void> {
    if (this.#reply !== null) {
      await storeReply(this.#attempt, this.#reply)
      this.#replyStored()
    }
    if (this.#end !== null) {
      await endTurn(this.#attempt, this.#end)
      this.#ended()
    }
  }

  /** Counts what a model call cost that never became a reply. */
  async recordSpent(spent: Spent): Promise<void> {
    await recordSpent(this.#attempt, spent)
  }

  /** Keeps, for people, what had arrived of a reply that a cancellation cut off. */
  async interruptTurn(turn: JournalTurn, parts: readonly MessagePart[]): Promise<void> {
    await interruptTurn(this.#attempt, turn, parts)
  }

  /** Tells people that a model call waits because the model is away; once for each call. */
  async noteWaiting(call: ModelCallName, wait: ToldWait): Promise<void> {
    await noteWaiting(this.#attempt, call, wait)
  }

  /** Tells people that a call's server has not begun to answer yet. */
  async noteReading(call: ModelCallName, reading: ToldReading): Promise<void> {
    await noteReading(this.#attempt, call, reading)
  }

  /** Tells people that another model answered than the one that was asked for; once for each such model. */
  async noteSubstitute(call: ModelCallName, models: ToldSubstitute): Promise<void> {
    await noteSubstitute(this.#attempt, call, models)
  }

  /** Tells people that a refused request is made again without what the server named. */
  async noteRepair(call: ModelCallName & { readonly repair: number }, message: string): Promise<void> {
    await noteRepair(this.#attempt, call, message)
  }

  /** Tells people and, at its next turn, the model that a budget is nearly used; once per kind and task. */
  async warnBudget(marks: readonly (BudgetMark & { readonly note: string })[]): Promise<void> {
    await warnBudget(this.#attempt, marks)
  }

  /** The lane's newest compaction, or null. */
  async readCompaction(): Promise<Compaction | null> {
    return await readCompaction(this.#attempt.db, this.#attempt.task.id, this.#lane)
  }

  /** Stores a compaction, unless its turn has one already; returns the one that holds. */
  async storeCompaction(compaction: Compaction): Promise<Compaction> {
    return await storeCompaction(this.#attempt, this.#lane, compaction)
  }

  #replyStored(): void {
    this.#reply = null
    hitCrashPoint('reply.stored')
  }

  #ended(): void {
    this.#end = null
    hitCrashPoint('tools.recorded')
  }
}
