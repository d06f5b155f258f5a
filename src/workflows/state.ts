/** What one run of `codingTask` knows: enough for its queries and for continue-as-new, never any text. */

import type { ApprovalsState, WaitingApproval } from '../shared/approval.ts'
import type { ReviewState } from '../shared/review.ts'
import {
  type CarriedState,
  type CodingTaskInput,
  NO_USAGE,
  type Phase,
  type TaskState,
  type Usage,
} from '../shared/task.ts'

/** What a task's workflow remembers between its steps. */
export interface WorkflowState {
  phase: Phase
  turn: number
  round: number
  fixRounds: number
  startedAt: number
  usage: Usage
  review: ReviewState
  /** Wakes since the last slice began: each stands for a message or a raised budget. */
  wakes: number
  regenerateRequested: boolean
  /** What waits for a person, and the ids of what was decided in this run. */
  waiting: readonly WaitingApproval[]
  readonly decided: Set<string>
  /** Decided in the runs before. */
  readonly decidedBefore: number
}

/** The state of a task that begins, or goes on after continue-as-new; `now` in milliseconds since the epoch. Pure. */
export function initialState(input: CodingTaskInput, now: number): WorkflowState {
  const review: ReviewState = {
    status: 'not_started',
    round: 0,
    fixRounds: 0,
    maxFixRounds: input.maxFixRounds,
    findings: { open: 0, resolved: 0 },
    history: [],
  }
  const fresh: CarriedState = {
    phase: 'preparing',
    turn: 0,
    round: 0,
    fixRounds: 0,
    startedAt: now,
    usage: NO_USAGE,
    review,
    regenerateRequested: false,
  }
  const { decidedApprovals = 0, ...carried } = input.carried ?? fresh
  return { ...carried, wakes: 0, waiting: [], decided: new Set(), decidedBefore: decidedApprovals }
}

/** The answer to the query `taskState`. Pure. */
export function toTaskState(state: WorkflowState): TaskState {
  return {
    phase: state.phase,
    turn: state.turn,
    round: state.round,
    startedAt: state.startedAt,
    usage: state.usage,
    pendingMessages: state.wakes,
  }
}

/** The answer to the query `approvals`. Pure. */
export function toApprovals(state: Pick<WorkflowState, 'waiting' | 'decided' | 'decidedBefore'>): ApprovalsState {
  return {
    open: state.waiting.map(({ approvalId, kind, title, requestedAt, expiresAt }) => ({
      approvalId,
      kind,
      title,
      requestedAt,
      expiresAt,
    })),
    decided: state.decidedBefore + state.decided.size,
  }
}

/** What the next run needs to go on; wakes need not go along, since their messages wait in Postgres. */
export function toCarried(state: WorkflowState): CarriedState {
  const { wakes: _, waiting: __, decided, decidedBefore, ...carried } = state
  const decidedApprovals = decidedBefore + decided.size
  return { ...carried, ...(decidedApprovals === 0 ? {} : { decidedApprovals }) }
}

/** A short Markdown status for Temporal's Web UI. */
export function toDetails(state: WorkflowState): string {
  const review =
    state.review.status === 'not_started' ? '' : `\n- review: **${state.review.status}**, round ${state.review.round}`
  const tokens = state.usage.inputTokens + state.usage.cacheReadTokens + state.usage.cacheWriteTokens
  const waiting = state.waiting.map(({ title }) => `\n- waits for a person: ${title}`).join('')
  return `- phase: **${state.phase}**\n- turn: ${state.turn}${review}${waiting}\n- tokens: ${tokens} in, ${state.usage.outputTokens} out`
}
