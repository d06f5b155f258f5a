/**
 * From what the reviewer said to what holds. Invariants, whatever is put in:
 * 1. `approved` and `approved_with_notes` only when no check counts as failing and no blocking finding is open.
 * 2. `approved` only when no finding at all is open; no review that could be read, or a check that never ends with and
 *    without the change, means `inconclusive`.
 * 3. A finding outside the change, without evidence or under a criterion that is switched off is never blocking.
 * 4. A change after which installed dependencies are not as they were is never plain `approved`.
 * 5. Nothing is lost: every finding that came in goes out, with a state. What a person dismissed does not come back.
 */

import { type LeftOut, leftOutText, replacedDependencies } from '../shared/left-out.ts'
import type {
  CheckResult,
  Criterion,
  DemotionReason,
  Finding,
  ReviewStatus,
  RoundVerdict,
  Severity,
} from '../shared/review.ts'
import type { Submission, SubmittedFinding } from '../tools/submit-review.ts'
import { isFailing, isUnknown } from './check-outcome.ts'
import { type ChangedLines, touches } from './diff-lines.ts'
import { isOpen } from './is-open.ts'

/** What is known of a round when its verdict is drawn: the reviewer's words and what the machine saw. */
export interface RoundFacts {
  readonly checks: readonly CheckResult[]
  /** Null when the reviewer was not asked (a check failed) or gave nothing readable. */
  readonly submission: Submission | null
  /** All findings of earlier rounds. */
  readonly earlier: readonly Finding[]
  /** Round 1: the whole change. Later: only what the last fix touched. */
  readonly changed: ChangedLines
  /** Files of the change whose lines are not, or not all, in `changed`. */
  readonly unseen?: ReadonlySet<string>
  readonly criteria: readonly Criterion[]
  /** What the task changed in places that the diff does not hold. */
  readonly leftOut?: readonly LeftOut[]
  /** A fix changed and disputed nothing: the verdict of the findings that are open. */
  readonly isUnchanged?: boolean
  readonly newId: () => string
}

/** A finding that counts for less than the reviewer said, and why. */
export interface Demotion {
  readonly findingId: string
  readonly from: Severity
  readonly to: Severity
  readonly why: DemotionReason
}

/** How a round ends, and what of it is stored. */
export interface RoundResult {
  readonly verdict: RoundVerdict
  /** The earlier ones with the state they have now, then the new ones. */
  readonly findings: readonly Finding[]
  /** Open and blocking: what a fix round has to mend. */
  readonly blocking: readonly Finding[]
  readonly demotions: readonly Demotion[]
  readonly open: number
  readonly resolved: number
}

/** Judges one round. Pure but for `newId`, which is called once for each new finding. */
export function judgeRound(input: RoundFacts): RoundResult {
  const own = ownFindings(input)
  const earlier = input.earlier.map((finding) =>
    own.some(({ claim }) => claim === finding.claim) ? finding : judgeEarlier(finding, input.submission),
  )
  const taken = takeFindings(input)
  const known = new Set(
    input.earlier.filter((entry) => isOpen(entry) || isDismissedByPerson(entry)).map(({ claim }) => claim),
  )
  const findings = [
    ...earlier,
    ...taken.findings,
    ...own.filter(({ claim }) => !known.has(claim)).map((each) => ({ ...each, id: input.newId() })),
  ]
  const open = findings.filter(isOpen)
  const blocking = open.filter((finding) => finding.severity === 'blocking')
  return {
    verdict: verdictOf(input, open.length, blocking.length),
    findings,
    blocking,
    demotions: taken.demotions,
    open: open.length,
    resolved: findings.length - open.length,
  }
}

/** What the harness itself has to say of a change that a reviewer judged: a note, which keeps it from plain approval. */
function ownFindings({ submission, leftOut = [] }: RoundFacts): Omit<Finding, 'id'>[] {
  const places = replacedDependencies(leftOut)
  if (submission === null || places.length === 0) return []
  const evidence = places.map((place) => `${leftOutText(place)}, ${place.replaced} of them there before`).join('; ')
  return [{ severity: 'note', claim: DEPENDENCIES_CHANGED, evidence, state: 'open' }]
}

const DEPENDENCIES_CHANGED =
  'Dependencies changed: the checks ran on other installed code than before the task, and the diff does not show it.'

function verdictOf(input: RoundFacts, open: number, blocking: number): RoundVerdict {
  if (input.checks.some(isFailing)) return 'checks_failed'
  if (input.isUnchanged === true && blocking > 0) return 'issues_found'
  if (input.submission === null) return 'inconclusive'
  if (blocking > 0) return 'issues_found'
  // What never ends, with and without the change, is no ground for an approval.
  if (input.checks.some(isUnknown)) return 'inconclusive'
  return open > 0 ? 'approved_with_notes' : 'approved'
}

function isDismissedByPerson(finding: Finding): boolean {
  return finding.judgement?.verdict === 'dismiss'
}

/** What the reviewer did not mention is mended if it approved, having been told to judge exactly these; else it stays. */
function judgeEarlier(finding: Finding, submission: Submission | null): Finding {
  if (submission === null || !isOpen(finding)) return finding
  const said = submission.earlier?.find((entry) => entry.id === finding.id)?.state
  switch (said) {
    case 'fixed':
      return { ...finding, state: 'fixed' }
    case 'withdrawn':
      return { ...finding, state: 'dismissed' }
    case 'still_open':
      return { ...finding, state: 'open' }
    case undefined:
      return submission.verdict === 'APPROVED' ? { ...finding, state: 'fixed' } : { ...finding, state: 'open' }
  }
}

function takeFindings(input: RoundFacts): { findings: Finding[]; demotions: Demotion[] } {
  const findings: Finding[] = []
  const demotions: Demotion[] = []
  const known = new Set(input.earlier.filter((entry) => isOpen(entry) || isDismissedByPerson(entry)).map(placeAndClaim))
  for (const submitted of input.submission?.findings ?? []) {
    const file = workspacePath(submitted.file)
    const key = placeAndClaim({ ...submitted, file })
    if (known.has(key)) continue
    known.add(key)
    const { demotion, finding } = takeFinding({ ...submitted, file }, input)
    findings.push(finding)
    if (demotion !== null) demotions.push(demotion)
  }
  return { findings, demotions }
}

function takeFinding(submitted: SubmittedFinding, input: RoundFacts) {
  const { criterionId, line, scenario, severity: from, file, claim, evidence } = submitted
  const criterion = input.criteria.find((entry) => entry.id === criterionId)
  const { severity: to, why } = severityOf(submitted, criterion, input)
  const finding: Finding = {
    id: input.newId(),
    severity: to,
    file,
    claim,
    evidence,
    state: 'open',
    ...(why === null ? {} : { demoted: { from, why } }),
    ...(criterion === undefined ? {} : { criterionId: criterion.id }),
    ...(line === undefined ? {} : { line }),
    ...(scenario === undefined ? {} : { scenario }),
  }
  return { finding, demotion: why === null ? null : ({ findingId: finding.id, from, to, why } satisfies Demotion) }
}

const RANK: Readonly<Record<Severity, number>> = { note: 0, important: 1, blocking: 2 }

function severityOf(
  { severity, file, line, evidence }: SubmittedFinding,
  criterion: Criterion | undefined,
  input: RoundFacts,
): { severity: Severity; why: Demotion['why'] | null } {
  const demote = (to: Severity, why: Demotion['why']) =>
    severity === to ? { severity, why: null } : { severity: to, why }
  if (!isEvidence(evidence)) return demote('note', 'no_evidence')
  if (!isInChange(input, file, line)) return demote('note', 'outside_the_change')
  if (criterion !== undefined && !criterion.enabled) return demote('note', 'criterion_off')
  if (criterion !== undefined && RANK[severity] > RANK[criterion.severity]) {
    return demote(criterion.severity, 'criterion_severity')
  }
  return { severity, why: null }
}

function isInChange(input: Pick<RoundFacts, 'changed' | 'unseen'>, file: string, line: number | undefined): boolean {
  return touches(input.changed, file, line) || input.unseen?.has(file) === true
}

/** "n/a", "see above" and the like are no evidence; the shortest honest one (`f(0) is NaN`) is longer. */
function isEvidence(evidence: string): boolean {
  return (
    evidence.replace(/[^\p{L}\p{N}]/gu, '').length >= 6 &&
    !/^(?:see above|not applicable|unknown|no evidence)\W*$/i.test(evidence)
  )
}

function placeAndClaim(finding: {
  readonly file?: string
  readonly line?: number | undefined
  readonly claim: string
}): string {
  return JSON.stringify([finding.file ?? '', finding.line ?? 0, finding.claim.trim().toLowerCase()])
}

/** Reviewers write `./a.ts`, `/workspace/a.ts` and `b/a.ts` for `a.ts`. */
function workspacePath(file: string): string {
  return file.replace(/^\/workspace\//, '').replace(/^(?:\.\/)+/, '')
}

/** What follows a round: the review ends with this status, or the work goes back to the coder. */
export function afterRound(
  verdict: RoundVerdict,
  fixRounds: number,
  maxFixRounds: number,
): { readonly next: 'fix' } | { readonly next: 'end'; readonly status: ReviewStatus } {
  switch (verdict) {
    case 'approved':
    case 'approved_with_notes':
    case 'inconclusive':
      return { next: 'end', status: verdict }
    case 'issues_found':
    case 'checks_failed':
      return fixRounds < maxFixRounds ? { next: 'fix' } : { next: 'end', status: 'issues_remaining' }
  }
}
