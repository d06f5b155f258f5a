/** The reviewer's lane of one round: its first message, its turns, and the answer that it hands in. */

import type { Lane } from '../agent/lane.ts'
import { runLane } from '../agent/loop.ts'
import { REVIEWER_PROMPT } from '../agent/prompts/reviewer.ts'
import { requestsOf } from '../db/task/lifecycle.ts'
import { addNotice } from '../db/turn/notices.ts'
import { type JournalTurn, type LaneName, readLane } from '../db/turn/turns.ts'
import { parseDisputes } from '../review/fix-prompt.ts'
import { isOpen } from '../review/is-open.ts'
import type { ShownChange } from '../review/read-change.ts'
import { resubmitPrompt, reviewPrompt } from '../review/review-prompt.ts'
import type { BudgetNeed } from '../shared/budget.ts'
import { newId } from '../shared/ids.ts'
import type { CheckResult } from '../shared/review.ts'
import { reviewerTools } from '../tools/registry.ts'
import { SUBMIT_REVIEW, type Submission, submissionIn } from '../tools/submit-review.ts'
import { assembleLane } from './open-lane.ts'
import { coderLastWords, earlierFindings, type Round, shownChange } from './review-round.ts'
import { withRetryNotice } from './turns.ts'

const MAX_REVIEWER_TURNS = 10
const UNUSABLE = 'It did not fit the tool, or one reply handed in several reviews that differ. Hand in exactly one.'

/**
 * Lets a reviewer look and answer; one that ends without a usable answer is asked once more. `need` is the budget that ran
 * out before an answer, else null.
 */
export async function askReviewer(
  at: Round,
  checks: readonly CheckResult[],
): Promise<{
  submission: Submission | null
  disputes: ReadonlyMap<string, string>
  need: BudgetNeed | null
  change?: ShownChange
}> {
  const { deps, input, attempt } = at
  const name: LaneName = `reviewer/${input.round}`
  const open = earlierFindings(at).filter(isOpen)
  const disputes = parseDisputes(await coderLastWords(at), open)
  const turns = await readLane(deps.db, input.taskId, name)
  const change = await shownChange(at)
  if (turns.length === 0) {
    const requests = await requestsOf(deps.db, input.taskId)
    const leftOutChecks = at.rounds.find((round) => round.round === input.round)?.plan?.leftOut ?? []
    const { criteria } = at.criteria
    const reviewed = { round: input.round, requests, criteria, checks, leftOutChecks, open, disputes }
    // Without an open finding to settle, a round after failing checks judges the whole change, as a first one does.
    const text = reviewPrompt({ ...reviewed, leftOut: at.attempt.task.leftOut, change })
    await addNotice(attempt, { id: newId('req'), lane: name, key: `review:${input.round}`, text })
  }
  const lane = reviewerLane(at, name, turns)
  let status = await withRetryNotice(deps, attempt, at.run, () => runLane(lane, () => false))
  if (status !== 'needs_budget' && !submissionOf(lane.turns)) {
    const hasTried = lane.turns.some((turn) => turn.toolCalls.some((call) => call.name === SUBMIT_REVIEW))
    const text = resubmitPrompt(hasTried ? UNUSABLE : null)
    await addNotice(attempt, { id: newId('req'), lane: name, key: `resubmit:${input.round}`, text })
    status = await withRetryNotice(deps, attempt, at.run, () => runLane(lane, () => false))
  }
  const need = status === 'needs_budget' ? lane.budget.refused : null
  return { submission: submissionOf(lane.turns), disputes, need, change }
}

function reviewerLane(at: Round, name: LaneName, turns: JournalTurn[]): Lane {
  const { attempt, sandbox, run } = at
  return assembleLane(
    at.deps,
    { name, attempt, sandbox, run },
    {
      system: [REVIEWER_PROMPT],
      tools: reviewerTools,
      earlier: [],
      turns,
      firstNotes: [],
      maxTurns: MAX_REVIEWER_TURNS,
      isAnswered: (turn) => submissionOf([turn]) !== null,
    },
  )
}

function submissionOf(turns: readonly JournalTurn[]): Submission | null {
  for (const turn of turns) {
    const submission = submissionIn(turn.toolCalls)
    if (submission !== null) return submission
  }
  return null
}

/** The answer of a round that has no reviewer. */
export const NOT_ASKED: Awaited<ReturnType<typeof askReviewer>> = { submission: null, disputes: new Map(), need: null }
