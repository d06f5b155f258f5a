import type { JournalTurn, Lane as LaneName } from '../db/journal.ts'
import type { EventScope, NewDelta } from '../events/topics.ts'
import type { ModelProfile } from '../model/profiles.ts'
import type { Model } from '../model/types.ts'
import type { Sandbox } from '../sandbox/types.ts'
import type { BudgetLimits } from './budget.ts'
import type { Journal } from './journal.ts'
import type { Tool } from './tools/tool.ts'

/** One conversation with a model: the coder's, or a reviewer's. Everything the loop needs, and the turns so far. */
export interface Lane {
  readonly name: LaneName
  readonly taskId: string
  readonly scope: EventScope
  readonly journal: Journal
  readonly model: Model
  readonly profile: ModelProfile
  /** The static prefix; the same for the whole task. */
  readonly system: readonly string[]
  readonly tools: readonly Tool[]
  readonly sandbox: Sandbox
  /** Turns of the conversation's earlier tasks, as far as they are told to the model again. */
  readonly earlier: readonly JournalTurn[]
  /** What the loop tells the model with the first message of the task, e.g. that the task before was cancelled. */
  readonly firstNotes: readonly string[]
  /** This task's turns in this lane, in order; the loop adds to them. */
  readonly turns: JournalTurn[]
  readonly limits: BudgetLimits
  /** Use by turns that this array does not hold (the other lanes), and by time. */
  readonly usedElsewhere: { readonly usd: number; readonly turns: number }
  readonly startedAt: number
  /** Kinds of budget of which the task was warned already. */
  readonly warned: Set<string>
  readonly signal: AbortSignal
  /** True when the abort ends the task; false when another attempt will go on. */
  endsTask(reason: unknown): boolean
  publish(delta: NewDelta): void
  /** Proof of life, for the heartbeat. */
  onProgress(): void
  newMessageId(): string
  /** Whether a finished turn was the last one that is wanted, whatever the model would still say. */
  isAnswered(turn: JournalTurn): boolean
}
