import type { LeftOut } from '../shared/left-out.ts'
import type { PlanItem } from '../shared/plan.ts'
import type { CheckResult, Evidence, EvidenceGap, Finding, ReviewState, RoundVerdict } from '../shared/review.ts'
import type { DiffStat, Outcome, Phase, TaskReason, TaskStatus, Usage } from '../shared/task.ts'

/**
 * What a reader knows of a project from its stream alone. Plain data, never changed in place: what did not change keeps
 * its identity, so that a page redraws only what did. A part with `isOpen` still grows; its closing event replaces it.
 */
export interface ViewState {
  /** Every durable event up to here is folded in. */
  readonly lastSeq: number
  /** In the order of their first durable event; those that only stream so far come last. */
  readonly messages: readonly MessageView[]
  readonly tasks: Readonly<Record<string, TaskView>>
  /** The server cannot reach the live path: text arrives in whole messages. */
  readonly isDegraded: boolean
  /** A delta was missed or the cursor was lost: fetch again, or wait for the closing events. */
  readonly needsRefetch: boolean
  /** Seq of the newest event about a service; 0 before the first: what was read of services before it is stale. */
  readonly serviceSeq: number
  /** Seq of the newest event about alternatives to a task; 0 before the first. */
  readonly comparisonSeq: number
  /** Parts that are closed, so that a late delta does not open them again; bounded. */
  readonly closedParts: readonly string[]
}

/** Words of a message. An open part grows by deltas. */
export interface TextPart {
  readonly type: 'text' | 'thinking'
  readonly partId: string
  readonly text: string
  readonly isOpen: boolean
}

/** A tool call of a message, from its first streamed letter to its result. */
export interface ToolPart {
  readonly type: 'tool'
  readonly toolUseId: string
  readonly name: string | null
  /** The input as far as it streamed, while it is open; then null. */
  readonly inputText: string | null
  readonly input: unknown
  readonly status: 'streaming' | 'requested' | 'started' | 'finished'
  readonly result: string | null
  readonly isError: boolean
  readonly durationMs: number | null
  readonly isOpen: boolean
  readonly partId: string
}

/** A piece of a message. */
export type PartView = TextPart | ToolPart

/** A message as the stream told it. */
export interface MessageView {
  readonly id: string
  readonly conversationId: string | null
  readonly taskId: string | null
  readonly turn: number
  readonly role: 'user' | 'assistant' | 'note'
  /** Who speaks in an assistant message. */
  readonly author: 'coder' | 'reviewer'
  readonly status: 'queued' | 'claimed' | 'streaming' | 'completed' | 'cancelled'
  readonly clientMessageId: string | null
  readonly parts: readonly PartView[]
  /** The task's last word. */
  readonly isFinal: boolean
  /** Seq of its first durable event; null while it only streams. */
  readonly order: number | null
  /** When its first event was seen, in milliseconds. */
  readonly at: number
}

/** A command and what is held of its output. */
export interface CommandView {
  readonly toolUseId: string
  readonly partId: string
  readonly command: string
  readonly cwd: string
  readonly status: 'running' | 'exited' | 'timed_out' | 'idle_timed_out' | 'killed' | 'oom' | 'lost'
  readonly exitCode: number | null
  readonly durationMs: number | null
  /** Output in pieces; `length` counts all their bytes. */
  readonly chunks: readonly Uint8Array[]
  readonly length: number
  /** The end of an output too long to be held whole. */
  readonly tail: Uint8Array | null
  readonly bytes: number
  readonly truncated: boolean
}

/** A file that the task touched; counts are of the whole task. */
export interface FileView {
  readonly path: string
  readonly kind: 'create' | 'modify' | 'delete'
  readonly added: number
  readonly removed: number
  readonly source: 'tool' | 'shell' | 'restore'
  /** The turns that touched it, oldest first; the newest 50. */
  readonly turns: readonly number[]
}

/** A review as the stream told it; verdict and summary are null while it runs. */
export interface RoundView {
  readonly round: number
  /** Seq of its first event: its place among the messages. */
  readonly order: number
  readonly treeHash: string
  readonly checks: readonly CheckResult[]
  readonly findings: readonly Finding[]
  readonly verdict: RoundVerdict | null
  readonly summary: string | null
}

/** Something that happened between the messages; `order` is its event's seq. */
export type StepView =
  | { readonly kind: 'sandbox_ready'; readonly order: number; readonly durationMs: number; readonly reused: boolean }
  | { readonly kind: 'sandbox_lost'; readonly order: number; readonly detail: string }
  | {
      readonly kind: 'context'
      readonly order: number
      readonly tokens: number
      readonly reused: boolean
      readonly durationMs: number | null
    }
  | {
      readonly kind: 'remembered'
      readonly order: number
      readonly facts: readonly { readonly id: string; readonly text: string }[]
    }
  | { readonly kind: 'compacted'; readonly order: number; readonly before: number; readonly after: number }
  | { readonly kind: 'resumed'; readonly order: number; readonly attempt: number }
  | { readonly kind: 'turn_repeated'; readonly order: number; readonly attempt: number }
  | {
      readonly kind: 'budget_warning' | 'budget_reached'
      readonly order: number
      readonly budgetKind: string
      readonly used: number
      readonly limit: number
    }
  | {
      readonly kind: 'setup'
      readonly order: number
      readonly state: 'ready' | 'failed'
      readonly durationMs: number
      readonly fromCache: boolean
    }
  | {
      readonly kind: 'approval_resolved'
      readonly order: number
      readonly title: string
      readonly decision: string
      readonly answer: string | null
      readonly by: string | null
    }
  | { readonly kind: 'network_denied'; readonly order: number; readonly host: string; readonly reason: string }
  | { readonly kind: 'model_substituted'; readonly order: number; readonly message: string }
  | { readonly kind: 'review_skipped'; readonly order: number; readonly reason: 'no_changes' | 'disabled' }

/** A task as its events told it; times in milliseconds since the epoch, null where nothing was said yet. */
export interface TaskView {
  readonly id: string
  readonly conversationId: string | null
  readonly status: TaskStatus
  readonly phase: Phase
  readonly turn: number
  readonly round: number
  readonly model: string | null
  readonly waitingFor: string | null
  readonly acceptedAt: number
  readonly startedAt: number | null
  readonly endedAt: number | null
  readonly outcome: Outcome | null
  readonly reason: TaskReason | null
  readonly sandbox: {
    readonly provider: string
    readonly state: 'starting' | 'ready' | 'lost'
    /** How far its files are. */
    readonly detail?: string
  } | null
  /** Where the set-up stands that ran before the first turn; null when none was due. */
  readonly setup: { readonly state: 'running' | 'ready' | 'failed' } | null
  readonly context: { readonly hash: string; readonly tokens: number } | null
  readonly review: ReviewState | null
  readonly reviewSkipped: 'no_changes' | 'disabled' | null
  readonly rounds: readonly RoundView[]
  readonly commands: readonly CommandView[]
  readonly files: readonly FileView[]
  readonly checkpoints: readonly { readonly id: string; readonly label: string; readonly stat: DiffStat }[]
  readonly diffStat: DiffStat
  /** What changed in places that checkpoints do not hold. */
  readonly leftOut: readonly LeftOut[]
  /** What the checks of the delivered tree proved; null: an older server or event did not say. */
  readonly evidence: Evidence | null
  readonly evidenceGaps: readonly EvidenceGap[]
  readonly usage: Usage
  readonly costUsd: number | null
  /** The model call that is being waited for again, until its turn goes on. */
  readonly retrying: { readonly message: string; readonly attempt: number; readonly delayMs: number } | null
  /** How long the model has said nothing, before its reply or within it; null once it answers. */
  readonly silence: { readonly ms: number; readonly isWithinReply: boolean } | null
  /** Ids of what the task asks people now, and its plan. */
  readonly openApprovals: readonly string[]
  readonly plan: readonly PlanItem[]
  readonly budget: { readonly kind: string; readonly used: number; readonly limit: number } | null
  readonly killed: readonly { readonly toolUseId: string; readonly command: string }[]
  /** Which turns were the reviewer's. */
  readonly reviewerTurns: readonly number[]
  /** In the order in which they happened. */
  readonly steps: readonly StepView[]
}

/** The state before any event behind `lastSeq`. Pure. */
export function initialViewState(lastSeq = 0): ViewState {
  return {
    lastSeq,
    messages: [],
    tasks: {},
    isDegraded: false,
    needsRefetch: false,
    serviceSeq: 0,
    comparisonSeq: 0,
    closedParts: [],
  }
}
