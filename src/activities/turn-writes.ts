import type { Attempt } from '../db/task/attempt.ts'
import {
  type BeginTurn,
  type FinishedCall,
  finishTools,
  type JournalToolCall,
  type JournalTurn,
  type Lane,
  type StoreReply,
  startTool,
  storeReply,
} from '../db/turn/journal.ts'
import { endAndBeginTurn, endTurn, type NextTurn, type TurnEnd } from '../db/turn-end.ts'
import { type NewCheckpoint, recordCheckpoint } from '../db/workspace/checkpoints.ts'
import type { NewEvent } from '../events/topics.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import type { Effect } from '../shared/effect.ts'

interface Place {
  readonly attempt: Attempt
  readonly lane: Lane
  readonly budgets: NextTurn['budgets']
}

/**
 * A turn's writes, of which two may wait for the next one so that a turn costs two transactions: a reply whose first call
 * announces what it does goes with that announcement, and the last results go with their checkpoint and the next turn's
 * beginning. Nothing has an effect before all that came before it is stored. What waits is told to nobody; `flush` stores it.
 */
export class TurnWrites {
  readonly #at: Place
  #reply: StoreReply | null = null
  #end: TurnEnd | null = null

  constructor(at: Place) {
    this.#at = at
  }

  /** `mayWait`: its first call will announce its effect, or end without one, at once. */
  async storeReply(store: StoreReply, mayWait: boolean): Promise<void> {
    this.#reply = store
    if (!mayWait) await this.flush()
  }

  async startTool(call: JournalToolCall, effect: Effect): Promise<void> {
    const { attempt } = this.#at
    const reply = this.#reply
    if (reply === null) return await startTool(attempt, call, effect)
    await storeReply(attempt, reply, { call, effect })
    this.#replyStored()
  }

  /** `ends`: the turn that has ended with these, whose end may wait. */
  async finishTools(finished: readonly FinishedCall[], ends: JournalTurn | null): Promise<void> {
    if (this.#reply !== null) await this.flush()
    const { attempt, lane } = this.#at
    if (ends === null) await finishTools(attempt, lane, finished)
    else this.#end = { turn: ends, finished, checkpoint: null, events: [] }
  }

  /** Goes with the end of its turn when that waits. */
  async recordCheckpoint(checkpoint: NewCheckpoint, events: readonly NewEvent[]): Promise<void> {
    const { attempt } = this.#at
    if (this.#end === null) await recordCheckpoint(attempt, checkpoint, events)
    else this.#end = { ...this.#end, checkpoint, events }
  }

  /** Begins the next turn together with the end that waits. Null: nothing waits, or `mayBegin` said no. */
  async beginNext(begin: BeginTurn, mayBegin: NextTurn['mayBegin']): Promise<JournalTurn | null> {
    const { attempt, budgets } = this.#at
    const end = this.#end
    if (end === null) return null
    const begun = await endAndBeginTurn(attempt, end, { begin, budgets, mayBegin })
    this.#ended()
    return begun
  }

  /** Stores what waits. Safe to repeat, also after a failure. */
  async flush(): Promise<void> {
    const { attempt } = this.#at
    if (this.#reply !== null) {
      await storeReply(attempt, this.#reply)
      this.#replyStored()
    }
    if (this.#end !== null) {
      await endTurn(attempt, this.#end)
      this.#ended()
    }
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
