import type { Compaction } from '../db/turn/compactions.ts'
import type { Journal } from '../db/turn/journal.ts'
import type { ModelCallName } from '../db/turn/model-notes.ts'
import type { JournalTurn, LaneName } from '../db/turn/turns.ts'
import type { EventScope, NewDelta } from '../events/topics.ts'
import type { Pinned } from '../memory/pinned.ts'
import type { ModelLimits } from '../model/limits.ts'
import type { ModelProfile } from '../model/profiles.ts'
import type { Model } from '../model/types.ts'
import type { Sandbox } from '../sandbox/types.ts'
import type { ServiceDesk } from '../tools/service-desk.ts'
import type { Tool } from '../tools/tool.ts'
import type { BudgetGate } from './budget.ts'
import type { People } from './people.ts'

/** One conversation with a model: the coder's, or a reviewer's. Everything the loop needs, and the turns so far. */
export interface Lane {
  readonly name: LaneName
  readonly taskId: string
  readonly scope: EventScope
  readonly journal: Journal
  /** What must outlast a compaction that replaces all up to the words of this turn. */
  readPinned(throughTurn: number): Promise<Pinned>
  readonly model: Model
  /** Within what is known of the server's limits; the loop learns more of them from refusals. */
  profile: ModelProfile
  /** Notes limits that the server named; returns the profile within them. */
  learnLimits(limits: ModelLimits): ModelProfile
  /** The static prefix; the same for every task, so that the cache holds from one to the next. */
  readonly system: readonly string[]
  readonly tools: readonly Tool[]
  readonly sandbox: Sandbox
  /** See `ToolContext.services`. */
  readonly services?: ServiceDesk | undefined
  /**
   * What the lane's first message says before the user's words, as long as the conversation is told message by message
   * (`first`), and what takes its place once it is compacted (`compacted`). null and absent: nothing.
   */
  readonly opening?: { readonly first: string | null; readonly compacted: string | null }
  /** Turns of the conversation's earlier tasks, as far as they are told to the model again. */
  readonly earlier: readonly JournalTurn[]
  /** What the loop tells the model with the first message of the task, e.g. that the task before was cancelled. */
  readonly firstNotes: readonly string[]
  /** This task's turns in this lane, in order; the loop adds to them. */
  readonly turns: JournalTurn[]
  /** The newest one of this lane, or null: what the model is told in place of the turns that it replaces. */
  compaction: Compaction | null
  /** Blocks of the history, as JSON, that the model's server refused by name: they are not told again. The loop adds to them. */
  readonly dropped: Set<string>
  /** How many turns this lane may have, whatever the budget; it then ends as idle. null: as many as the budget allows. */
  readonly maxTurns: number | null
  /** The task's, its project's and the day's limits, asked before each model call. */
  readonly budget: BudgetGate
  /** Whom the lane may ask, and what the project's policy holds back. */
  readonly people: People
  readonly signal: AbortSignal
  /** True when the abort ends the task; false when another attempt will go on. */
  endsTask(reason: unknown): boolean
  publish(delta: NewDelta): void
  /** Told of each request that is made again without what the model's server refused by name; for the log. */
  onRepair(call: ModelCallName & { readonly repair: number }, reason: string): void
  /** Proof of life, for the heartbeat. */
  onProgress(): void
  newMessageId(): string
  /** Told of each turn once all its tools have ended; for checkpoints. */
  onToolsDone?(turn: JournalTurn): Promise<void>
  /** Whether a finished turn was the last one that is wanted, whatever the model would still say. */
  isAnswered(turn: JournalTurn): boolean
}
