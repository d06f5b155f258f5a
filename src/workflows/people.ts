/** How a task waits for people: what is open, who may decide it, and for how long. */

import { ApplicationFailure, condition } from '@temporalio/workflow'
import { decisionFault, type ResolveApproval, type ResolvedApproval, type WaitingApproval } from '../shared/approval.ts'
import { expireApprovals, recordDecision } from './proxies.ts'
import type { WorkflowState } from './state.ts'

interface Asking {
  readonly ref: { readonly taskId: string; readonly projectId: string }
  readonly state: WaitState
  /** Updates the summary in Temporal's Web UI. */
  show(): void
}

/** What a workflow that waits for people knows of them; part of the state of a task. */
export type WaitState = Pick<WorkflowState, 'waiting' | 'decided' | 'wakes'>

/** The validator: what it refuses leaves no trace in the history. It may come from a command line, so nothing is relied on. */
export function checkDecision(state: WaitState, given: Partial<ResolveApproval> | undefined): void {
  const asked = state.waiting.find(({ approvalId }) => approvalId === given?.approvalId)
  if (!asked) {
    const isOver = typeof given?.approvalId === 'string' && state.decided.has(given.approvalId)
    throw isOver
      ? ApplicationFailure.nonRetryable('This was decided already.', 'approval_over')
      : ApplicationFailure.nonRetryable(
          'Nothing open in this task has this approvalId; the query approvals lists what is.',
          'not_found',
        )
  }
  const fault = decisionFault(asked, given ?? {})
  if (fault) throw ApplicationFailure.nonRetryable(`${fault.field}: ${fault.message}`, 'bad_request')
}

/** Records the decision; the task goes on once nothing is open any more. */
export async function decide({ ref, state, show }: Asking, given: ResolveApproval): Promise<ResolvedApproval> {
  const { approvalId, decision, answer, note, by, scope } = given
  const clean = {
    approvalId,
    decision,
    ...(answer === undefined ? {} : { answer }),
    ...(note === undefined ? {} : { note }),
    ...(typeof by === 'string' ? { by: by.slice(0, 100) } : {}),
    ...(scope === 'task' || scope === 'project' ? { scope } : {}),
  }
  const summary = `Record the decision: ${decision}`
  const resolved = await recordDecision.executeWithOptions({ summary }, [{ ...ref, decision: clean }])
  state.decided.add(approvalId)
  state.waiting = state.waiting.filter((open) => open.approvalId !== approvalId)
  show()
  return resolved
}

/**
 * Waits until all that is open was decided or has expired. A wake has the database looked at: a decision may be known there
 * before it is here.
 */
export async function waitForPeople({ ref, state, show }: Asking, asked: readonly WaitingApproval[]): Promise<void> {
  // Wakes since the slice began count: a decision may have come before this wait.
  let wakesSeen = 0
  note(asked)
  while (state.waiting.length > 0) {
    const now = Date.now()
    const leftMs = Math.min(...state.waiting.map(({ expiresAt }) => Date.parse(expiresAt))) - now
    const moved = leftMs > 0 && (await condition(() => state.waiting.length === 0 || state.wakes > wakesSeen, leftMs))
    if (state.waiting.length === 0) break
    wakesSeen = state.wakes
    const due = moved ? [] : state.waiting.filter(({ expiresAt }) => Date.parse(expiresAt) <= Date.now()).map(idOf)
    const summary = moved ? 'Look what was decided' : 'Nobody answered in time'
    const before = state.waiting
    const open = await expireApprovals.executeWithOptions({ summary }, [{ ...ref, due }])
    const ids = new Set(open.map(idOf))
    for (const { approvalId } of before) if (!ids.has(approvalId)) state.decided.add(approvalId)
    note(open)
  }

  function note(open: readonly WaitingApproval[]): void {
    // Decisions that came while the database was read are newer than what it said.
    state.waiting = open.filter(({ approvalId }) => !state.decided.has(approvalId))
    show()
  }
}

function idOf({ approvalId }: WaitingApproval): string {
  return approvalId
}
