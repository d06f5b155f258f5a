import type { ReviewState, RoundVerdict } from '../shared/review.ts'
import { afterRound, type RoundResult } from './verdict.ts'

/** The round that is judged, and how many fix rounds came before it. */
export interface JudgedRound {
  readonly round: number
  readonly treeHash: string
  readonly fixRounds: number
  readonly maxFixRounds: number
  /** The fix before it changed nothing: there is no use in another one. */
  readonly isStalled?: boolean
}

/**
 * The review's state after a round: pure, so that the query, the event and the database say the same. `standing` is the
 * earlier round whose tree was put back: then that tree is what the review is about, and the round stands in the history.
 */
export function nextState(
  before: ReviewState,
  input: JudgedRound,
  result: Pick<RoundResult, 'verdict' | 'open' | 'resolved'>,
  checksFailed: number,
  standing: { readonly treeHash: string; readonly verdict: RoundVerdict | null } | null = null,
): ReviewState {
  const { round, treeHash } = input
  const after = afterRound(
    result.verdict,
    input.fixRounds,
    input.isStalled === true ? input.fixRounds : input.maxFixRounds,
  )
  const summary = {
    round,
    verdict: result.verdict,
    treeHash,
    checksFailed,
    findingsOpen: result.open,
    findingsResolved: result.resolved,
    ...(standing === null ? {} : { rolledBackTo: standing.treeHash }),
  }
  return {
    status: after.next === 'fix' ? 'fixing' : after.status,
    round,
    fixRounds: input.fixRounds + (after.next === 'fix' ? 1 : 0),
    maxFixRounds: input.maxFixRounds,
    verdict: standing?.verdict ?? result.verdict,
    treeHash: standing?.treeHash ?? treeHash,
    findings: { open: result.open, resolved: result.resolved },
    history: [...before.history.filter((entry) => entry.round < round), summary],
  }
}
