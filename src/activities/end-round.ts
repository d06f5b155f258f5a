/** The end of a round: its verdict, its words and its evidence, stored at once. */

import { type FindingState, finishRound, type ReviewRound } from '../db/review/reviews.ts'
import type { NewEvent } from '../events/topics.ts'
import { isUnknown } from '../review/check-outcome.ts'
import { changedLines } from '../review/diff-lines.ts'
import { gapsOf } from '../review/evidence-gaps.ts'
import { checksFailedPrompt, fixPrompt, rolledBackPrompt } from '../review/fix-prompt.ts'
import { nextState } from '../review/next-state.ts'
import type { ShownChange } from '../review/read-change.ts'
import { judgeRound, type RoundResult } from '../review/verdict.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { evidenceOf } from '../shared/evidence.ts'
import { newId } from '../shared/ids.ts'
import type { CheckResult, Finding, ReviewState, TreeEvidence } from '../shared/review.ts'
import type { Submission } from '../tools/submit-review.ts'
import { earlierFindings, failedOf, type Round, shownChange } from './review-round.ts'
import { stalledOn } from './stalled-round.ts'

interface RoundAnswer {
  readonly submission: Submission | null
  readonly disputes: ReadonlyMap<string, string>
  /** The change that the reviewer was shown, where it was read for it. */
  readonly change?: ShownChange
  /** The fix changed and disputed nothing: what was found before still holds. */
  readonly isUnchanged?: boolean
  /** The earlier round whose tree was put back. */
  readonly standing: ReviewRound | null
}

/** Derives the verdict and stores all of the round's end at once. */
export async function endRound(
  at: Round,
  checks: readonly CheckResult[],
  { submission, disputes, change, isUnchanged = false, standing }: RoundAnswer,
): Promise<ReviewState> {
  const { input, attempt } = at
  const { task } = attempt
  const earlier = earlierFindings(at).map((finding) =>
    disputes.has(finding.id) && finding.state === 'open' ? { ...finding, state: 'disputed' as const } : finding,
  )
  // Without a review there are no findings to be placed in the change.
  const shown = submission === null ? null : (change ?? (await shownChange(at)))
  const result = judgeRound({
    checks,
    submission,
    earlier,
    leftOut: task.leftOut,
    changed: changedLines(shown?.patch ?? ''),
    unseen: shown?.unseen ?? new Set(),
    isUnchanged,
    criteria: at.criteria.criteria,
    newId: () => newId('fnd'),
  })
  // Failing checks too: another fix round after one that changed nothing would change nothing.
  const isStalled = isUnchanged || (result.verdict === 'checks_failed' && (await stalledOn(at)) !== null)
  const review = nextState(task.review, { ...input, isStalled }, result, failedOf(checks).length, standing)
  const known = new Set(earlier.map((finding) => finding.id))
  const findings = result.findings.filter((finding) => !known.has(finding.id))
  const earlierNow = result.findings.filter((finding) => known.has(finding.id))
  const mends = review.status === 'fixing'
  const evidence = evidenceAfter(at, checks, standing)
  const summary = isUnchanged ? UNCHANGED : summaryOf(checks, submission, standing)
  hitCrashPoint('verdict.before_record')
  await finishRound(
    attempt,
    {
      round: input.round,
      verdict: result.verdict,
      summary,
      review,
      findings,
      settled: earlierNow.map(({ id, state }) => ({ id, state })),
      fixNotice: mends ? { id: newId('req'), text: fixText(input.round, checks, result, standing) } : null,
      ...(standing === null ? {} : { restoredTree: standing.treeHash }),
      evidence,
    },
    (settled) => verdictEvents(at, { findings, settled }, { verdict: result.verdict, summary, evidence }, review),
  )
  return review
}

/** What is proved of the tree that stands after the round, by the checks that ran on exactly that tree. */
function evidenceAfter(at: Round, checks: readonly CheckResult[], standing: ReviewRound | null): TreeEvidence {
  const own = at.rounds.find((round) => round.round === at.input.round)
  const { treeHash } = standing ?? at.input
  const shown = standing === null ? checks : (standing.checks ?? [])
  const leftOut = (standing ?? own)?.plan?.leftOut ?? []
  return { treeHash, evidence: evidenceOf(shown), gaps: gapsOf(shown, leftOut) }
}

function fixText(
  round: number,
  checks: readonly CheckResult[],
  result: RoundResult,
  standing: ReviewRound | null,
): string {
  if (result.verdict !== 'checks_failed') return fixPrompt(round, result.blocking, checks)
  if (standing === null) return checksFailedPrompt(checks)
  const failing = failedOf(standing.checks ?? [])
  return rolledBackPrompt(round, checks, { round: standing.round, open: result.blocking, failing })
}

const UNCHANGED =
  'The fix round changed and disputed nothing: the open findings stand, and no reviewer was asked again.'

function summaryOf(
  checks: readonly CheckResult[],
  submission: Submission | null,
  standing: ReviewRound | null,
): string {
  const endless = checks.filter(isUnknown).map((check) => check.name)
  const unknown =
    endless.length === 0 ? '' : ` Not approved: ${endless.join(', ')} ended neither with nor without the change.`
  if (submission !== null) return `${submission.summary}${unknown}`
  const failed = failedOf(checks).map((check) => check.name)
  if (failed.length === 0) return 'The reviewer gave no usable answer.'
  const restored = standing === null ? '' : ` The fix was taken back; the files are as in round ${standing.round}.`
  return `Failing: ${failed.join(', ')}.${restored}`
}

function verdictEvents(
  at: Round,
  { findings, settled }: { readonly findings: readonly Finding[]; readonly settled: readonly FindingState[] },
  {
    verdict,
    summary,
    evidence: { evidence, gaps: evidenceGaps },
  }: Pick<RoundResult, 'verdict'> & { readonly summary: string; readonly evidence: TreeEvidence },
  review: ReviewState,
): NewEvent[] {
  const { round, taskId, treeHash } = at.input
  const scope = at.attempt.scope
  return [
    ...findings.map(
      (finding): NewEvent => ({
        type: 'review.finding',
        key: `review.finding:${finding.id}`,
        scope,
        payload: { round, finding },
      }),
    ),
    {
      type: 'review.verdict',
      key: `review.verdict:${taskId}:${round}`,
      scope,
      payload: { round, verdict, summary, treeHash, review, evidence, evidenceGaps, findings: settled },
    },
  ]
}
