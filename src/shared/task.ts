/** The task's nouns: what server, worker and workflow say to each other about one task. Pure; no I/O, no zod. */

import type { ReviewState } from './review.ts'

/** The queue that every worker of an installation polls. */
export const TASK_QUEUE = 'coding-tasks'

/** Where a task can stand; the last three are ends. */
export const TASK_STATUSES = [
  'accepted',
  'running',
  'cancelling',
  'needs_budget',
  'needs_answer',
  'completed',
  'failed',
  'cancelled',
] as const
/** One of {@link TASK_STATUSES}. */
export type TaskStatus = (typeof TASK_STATUSES)[number]

/** What a running task is about. */
export type Phase =
  | 'preparing'
  | 'setup'
  | 'context'
  | 'working'
  | 'checking'
  | 'reviewing'
  | 'fixing'
  | 'finishing'
  | 'done'

/** How a completed task ended; failed and cancelled tasks have none. */
export type Outcome =
  | 'approved'
  | 'approved_with_notes'
  | 'issues_remaining'
  | 'inconclusive'
  | 'no_changes'
  | 'budget_reached'
  | 'stuck'
  | 'refused'
  | 'unreviewed'

/** Tokens of the model calls so far. `inputTokens` excludes what was read from or written to the cache. */
export interface Usage {
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cacheReadTokens: number
  readonly cacheWriteTokens: number
}

/** No tokens at all. */
export const NO_USAGE: Usage = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 }

/** The sum of two. Pure. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
    cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
  }
}

/** A person's limits for one task. Absent means the server's default. */
export interface Budget {
  readonly maxUsd?: number
  readonly maxTurns?: number
  readonly maxMinutes?: number
}

/** How large a change is: changed files, added and removed lines. */
export interface DiffStat {
  readonly files: number
  readonly added: number
  readonly removed: number
}

/** A change of nothing. */
export const NO_DIFF: DiffStat = { files: 0, added: 0, removed: 0 }

/** The sums over a change's files. Pure. */
export function diffStatOf(changes: readonly Readonly<Record<'added' | 'removed', number>>[]): DiffStat {
  const sum = (key: 'added' | 'removed'): number => changes.reduce((total, change) => total + change[key], 0)
  return { files: changes.length, added: sum('added'), removed: sum('removed') }
}

/** Why a task failed or was cancelled. `message` is one sentence a person can act on. */
export interface TaskReason {
  readonly code: string
  readonly message: string
}

/** Input of the `codingTask` workflow: ids, limits and options, never text. */
export interface CodingTaskInput {
  readonly taskId: string
  readonly projectId: string
  readonly maxFixRounds: number
  readonly reviewEnabled: boolean
  readonly forceRegenerateContext: boolean
  /** How long a task that reached its budget waits for a person, in hours. */
  readonly budgetWaitHours: number
  /** History length after which the workflow continues as new at a turn boundary. */
  readonly continueAsNewAfterEvents: number
  /** Set only by continue-as-new. */
  readonly carried?: CarriedState
}

/** What one run hands to the next when it continues as new. */
export interface CarriedState {
  readonly phase: Phase
  readonly turn: number
  readonly round: number
  readonly fixRounds: number
  readonly startedAt: number
  readonly usage: Usage
  readonly review: ReviewState
  readonly regenerateRequested: boolean
  /** Approvals that were decided so far; runs of the version before counted none. */
  readonly decidedApprovals?: number
}

/** Input of the small `refreshProjectContext` workflow, for projects that have no running task. */
export interface RefreshContextInput {
  readonly projectId: string
}

/** Input of the small `setUpEnvironment` workflow, for projects that have no running task. */
export interface SetUpInput {
  readonly projectId: string
}

/** Answer of the `taskState` query. */
export interface TaskState {
  readonly phase: Phase
  readonly turn: number
  readonly round: number
  readonly startedAt: number
  readonly usage: Usage
  readonly pendingMessages: number
}

/** What the signal `cancelTask` carries; `by` is shown in the task's end. */
export interface CancelTaskSignal {
  readonly reason?: string
  readonly by: string
}

/** What the signal `regenerateContext` carries. */
export interface RegenerateContextSignal {
  readonly by: string
}

/** The id of a task's workflow: one a task, so that starting it twice is refused. Pure. */
export function workflowIdFor(taskId: string): string {
  return `coding-task/${taskId}`
}

/** The id of the workflow that makes a project's context anew. Pure. */
export function refreshWorkflowIdFor(projectId: string): string {
  return `refresh-project-context/${projectId}`
}

/** The id of the workflow that sets a project up alone. Pure. */
export function setUpWorkflowIdFor(projectId: string): string {
  return `set-up/${projectId}`
}

/** True once nothing more will happen to the task. */
export function isOver(status: TaskStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled'
}
