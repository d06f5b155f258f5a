/** Fix rounds that led nowhere: nothing was changed or said, or the fix made things worse than they were. */

import { hasRequestSince, openRound, type ReviewRound } from '../db/review/reviews.ts'
import { isWorse } from '../review/check-outcome.ts'
import { parseDisputes } from '../review/fix-prompt.ts'
import { isOpen } from '../review/is-open.ts'
import type { CheckResult } from '../shared/review.ts'
import { coderLastWords, earlierFindings, type Round } from './review-round.ts'

/** The round that judged this very tree, when a fix was owed since and nothing was said or done: null, or the tree's round. */
export async function stalledOn(at: Round): Promise<ReviewRound | null> {
  const { deps, input, rounds } = at
  const earlier = rounds.filter((round) => round.round < input.round)
  const last = earlier.at(-1)
  if (last === undefined || input.fixRounds === 0) return null
  if ((last.restoredTree ?? last.treeHash) !== input.treeHash) return null
  if (await hasRequestSince(deps.db, input.taskId, last.createdAt)) return null
  return earlier.findLast((round) => round.treeHash === input.treeHash && round.restoredTree === null) ?? null
}

/** The round whose findings nobody mended or disputed: asking a reviewer again would say the same for the same money. */
export async function unchangedSince(at: Round): Promise<ReviewRound | null> {
  const stalled = await stalledOn(at)
  if (stalled?.verdict !== 'issues_found') return null
  const open = earlierFindings(at).filter(isOpen)
  // A person may have dismissed what was to be mended.
  if (!open.some((finding) => finding.severity === 'blocking')) return null
  return parseDisputes(await coderLastWords(at), open).size === 0 ? stalled : null
}

/** Opens a round that repeats an earlier one: with that one’s plan and no check to run. Safe to repeat. */
export async function openUnchangedRound(at: Round, { plan }: ReviewRound): Promise<void> {
  const { round, treeHash, taskId } = at.input
  const opened = { round, treeHash, ...(plan === null ? {} : { plan }) }
  await openRound(at.attempt, opened, [
    {
      type: 'review.started',
      key: `review.started:${taskId}:${round}`,
      scope: at.attempt.scope,
      payload: { round, treeHash, checks: [] },
    },
  ])
}

/**
 * The round whose tree a fix is taken back to, or null: the fix stays. Only what nothing but the fix can have brought
 * about is taken back; when the user said something meanwhile, their wish may be part of it.
 */
export async function standingRound(at: Round, results: readonly CheckResult[]): Promise<ReviewRound | null> {
  const { deps, input, rounds } = at
  const standing = rounds.filter((round) => round.round < input.round && round.restoredTree === null).at(-1)
  if (standing === undefined || input.fixRounds === 0 || standing.treeHash === input.treeHash) return null
  if (!isWorse(standing.checks ?? [], results)) return null
  return (await hasRequestSince(deps.db, input.taskId, standing.createdAt)) ? null : standing
}
