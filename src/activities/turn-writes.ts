import type { Db } from '../db/client.ts'
import type { Lease } from '../db/transaction.ts'
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
  readonly db: Db
  readonly lease: Lease
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
    const { db, lease } = this.#at
    const reply = this.#reply
    if (reply === null) return await startTool(db, lease, call, effect)
    await storeReply(db, lease, reply, { call, effect })
    this.#replyStored()
  }

  /** `ends`: the turn that has ended with these, whose end may wait. */
  async finishTools(finished: readonly FinishedCall[], ends: JournalTurn | null): Promise<void> {
    if (this.#reply !== null) await this.flush()
    const { db, lease, lane } = this.#at
    if (ends === null) await finishTools(db, lease, lane, finished)
    else this.#end = { turn: ends, finished, checkpoint: null, events: [] }
  }

  /** Goes with the end of its turn when that waits. */
  async recordCheckpoint(checkpoint: NewCheckpoint, events: readonly NewEvent[]): Promise<void> {
    const { db, lease } = this.#at
    if (this.#end === null) await recordCheckpoint(db, lease, checkpoint, events)
    else this.#end = { ...this.#end, checkpoint, events }
  }

  /** Begins the next turn together with the end that waits. Null: nothing waits, or `mayBegin` said no. */
  async beginNext(begin: BeginTurn, mayBegin: NextTurn['mayBegin']): Promise<JournalTurn | null> {
    const { db, lease, budgets } = this.#at
    const end = this.#end
    if (end === null) return null
    const begun = await endAndBeginTurn(db, lease, end, { begin, budgets, mayBegin })
    this.#ended()
    return begun
  }

  /** Stores what waits. Safe to repeat, also after a failure. */
  async flush(): Promise<void> {
    const { db, lease } = this.#at
    if (this.#reply !== null) {
      await storeReply(db, lease, this.#reply)
      this.#replyStored()
    }
    if (this.#end !== null) {
      await endTurn(db, lease, this.#end)
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
