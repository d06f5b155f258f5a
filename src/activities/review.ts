import type { Lane } from '../agent/lane.ts'
import { runLane } from '../agent/loop.ts'
import { REVIEWER_PROMPT } from '../agent/prompts/reviewer.ts'
import { taskCriteria } from '../db/review/criteria.ts'
import {
  type FindingState,
  finishRound,
  hasRequestSince,
  listRounds,
  openRound,
  type ReviewRound,
  saveChecks,
  saveReviewState,
} from '../db/review/reviews.ts'
import { acquireLease } from '../db/task/attempt.ts'
import { requestsOf } from '../db/task/lifecycle.ts'
import { getTask } from '../db/task/tasks.ts'
import { addNotice } from '../db/turn/notices.ts'
import { type JournalTurn, type LaneName, readLane } from '../db/turn/turns.ts'
import type { NewEvent } from '../events/topics.ts'
import { isFailing, isUnknown, isWorse } from '../review/check-outcome.ts'
import { DEFAULT_CRITERIA } from '../review/criteria.ts'
import { changedLines } from '../review/diff-lines.ts'
import { gapsOf } from '../review/evidence-gaps.ts'
import { checksFailedPrompt, fixPrompt, parseDisputes, rolledBackPrompt } from '../review/fix-prompt.ts'
import { isOpen } from '../review/is-open.ts'
import { nextState } from '../review/next-state.ts'
import { readChange, type ShownChange } from '../review/read-change.ts'
import { resubmitPrompt, reviewPrompt } from '../review/review-prompt.ts'
import { judgeRound, type RoundResult } from '../review/verdict.ts'
import type { BudgetNeed } from '../shared/budget.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { evidenceOf } from '../shared/evidence.ts'
import { newId } from '../shared/ids.ts'
import type { CheckResult, Finding, ReviewState, TreeEvidence } from '../shared/review.ts'
import { reviewerTools } from '../tools/registry.ts'
import { SUBMIT_REVIEW, type Submission, submissionIn } from '../tools/submit-review.ts'
import type { Activities, RoundInput } from '../workflows/activities.ts'
import type { ActivityDeps } from './deps.ts'
import { assembleLane } from './open-lane.ts'
import { openSandbox } from './open-sandbox.ts'
import { rollBack } from './roll-back.ts'
import { type CheckedRound, runRoundChecks } from './round-checks.ts'
import { type ActivityRun, runActivity } from './run-activity.ts'
import { skippedEvent } from './skipped-review.ts'
import { changesOf } from './task-changes.ts'
import { withRetryNotice } from './turns.ts'

const MAX_REVIEWER_TURNS = 10
const UNUSABLE = 'It did not fit the tool, or one reply handed in several reviews that differ. Hand in exactly one.'

/** What the reviewer and the checks do to a task. */
export function createReviewActivities(
  deps: ActivityDeps,
): Pick<Activities, 'captureChanges' | 'runChecks' | 'reviewChanges' | 'skipReview'> {
  return {
    captureChanges: runActivity(async ({ taskId }) => changesOf(await getTask(deps.db, taskId))),
    runChecks: runActivity((input, run) => checkRound(deps, input, run)),
    reviewChanges: runActivity((input, run) => reviewRound(deps, input, run)),
    skipReview: runActivity(async ({ reason, ...ref }, run) => {
      const attempt = await acquireLease(deps.db, ref, run, 'finishing')
      const { task } = attempt
      const review: ReviewState = { ...task.review, status: 'skipped' }
      await saveReviewState(attempt, review, [skippedEvent(attempt, task.turn, reason)])
      return review
    }),
  }
}

/** What both halves of a round need. */
interface Round extends CheckedRound {
  /** All rounds so far, this one included once it is open. */
  readonly rounds: readonly ReviewRound[]
}

async function openRoundOf(
  deps: ActivityDeps,
  input: RoundInput,
  run: ActivityRun,
  phase: 'checking' | 'reviewing',
): Promise<Round> {
  const attempt = await acquireLease(deps.db, input, run, phase)
  const [sandbox, saved, rounds] = await Promise.all([
    openSandbox(deps, attempt),
    taskCriteria(deps.db, input.taskId),
    listRounds(deps.db, input.taskId),
  ])
  return { deps, input, run, attempt, sandbox, criteria: saved ?? DEFAULT_CRITERIA, rounds }
}

async function checkRound(
  deps: ActivityDeps,
  input: RoundInput,
  run: ActivityRun,
): Promise<{ failed: number; review: ReviewState }> {
  const at = await openRoundOf(deps, input, run, 'checking')
  const known = at.rounds.find((round) => round.round === input.round)
  if (known?.finishedAt) return { failed: failedOf(known.checks ?? []).length, review: at.attempt.task.review }
  const unchanged = known?.checks ? null : await unchangedSince(at)
  if (unchanged !== null) await openUnchangedRound(at, unchanged)
  const results = known?.checks ?? unchanged?.checks ?? (await runRoundChecks(at))
  const review: ReviewState = {
    ...at.attempt.task.review,
    status: 'reviewing',
    round: input.round,
    treeHash: input.treeHash,
  }
  if (failedOf(results).length === 0) {
    await saveChecks(at.attempt, input.round, { checks: results, review }, [])
    return { failed: 0, review }
  }
  const standing = await standingRound(at, results)
  const ending = { ...NOT_ASKED, standing }
  if (standing !== null) await rollBack(at, standing.treeHash)
  return { failed: failedOf(results).length, review: await endRound(at, results, ending) }
}

function failedOf(checks: readonly CheckResult[]): CheckResult[] {
  return checks.filter(isFailing)
}

/** The round that judged this very tree, when a fix was owed since and nothing was said or done: null, or the tree's round. */
async function stalledOn(at: Round): Promise<ReviewRound | null> {
  const { deps, input, rounds } = at
  const earlier = rounds.filter((round) => round.round < input.round)
  const last = earlier.at(-1)
  if (last === undefined || input.fixRounds === 0) return null
  if ((last.restoredTree ?? last.treeHash) !== input.treeHash) return null
  if (await hasRequestSince(deps.db, input.taskId, last.createdAt)) return null
  return earlier.findLast((round) => round.treeHash === input.treeHash && round.restoredTree === null) ?? null
}

/** The round whose findings nobody mended or disputed: asking a reviewer again would say the same for the same money. */
async function unchangedSince(at: Round): Promise<ReviewRound | null> {
  const stalled = await stalledOn(at)
  if (stalled?.verdict !== 'issues_found') return null
  const open = earlierFindings(at).filter(isOpen)
  // A person may have dismissed what was to be mended.
  if (!open.some((finding) => finding.severity === 'blocking')) return null
  return parseDisputes(await lastWords(at), open).size === 0 ? stalled : null
}

async function openUnchangedRound(at: Round, { plan }: ReviewRound): Promise<void> {
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
async function standingRound(at: Round, results: readonly CheckResult[]): Promise<ReviewRound | null> {
  const { deps, input, rounds } = at
  const standing = rounds.filter((round) => round.round < input.round && round.restoredTree === null).at(-1)
  if (standing === undefined || input.fixRounds === 0 || standing.treeHash === input.treeHash) return null
  if (!isWorse(standing.checks ?? [], results)) return null
  return (await hasRequestSince(deps.db, input.taskId, standing.createdAt)) ? null : standing
}

async function reviewRound(
  deps: ActivityDeps,
  input: RoundInput,
  run: ActivityRun,
): Promise<Awaited<ReturnType<Activities['reviewChanges']>>> {
  const at = await openRoundOf(deps, input, run, 'reviewing')
  const own = at.rounds.find((round) => round.round === input.round)
  if (own?.finishedAt && own.verdict) {
    const { review, turn, usage } = at.attempt.task
    return { verdict: own.verdict, review, turn, usage }
  }
  const isUnchanged = (await unchangedSince(at)) !== null
  const { need, ...answer } = isUnchanged ? NOT_ASKED : await askReviewer(at, own?.checks ?? [])
  if (need) {
    const { review, turn, usage } = await getTask(deps.db, input.taskId)
    return { verdict: 'inconclusive', review, turn, usage, need }
  }
  // What a person said about a finding while the reviewer looked counts.
  const rounds = await listRounds(deps.db, input.taskId)
  const review = await endRound({ ...at, rounds }, own?.checks ?? [], { ...answer, isUnchanged, standing: null })
  const { turn, usage } = await getTask(deps.db, input.taskId)
  return { verdict: review.verdict ?? 'inconclusive', review, turn, usage }
}

function earlierFindings(at: Round): Finding[] {
  return at.rounds.filter((round) => round.round < at.input.round).flatMap((round) => round.findings)
}

/** The tree that the round before judged: later rounds look only at what changed since. */
function baseTree(at: Round): string {
  const before = at.rounds.filter((round) => round.round < at.input.round && round.verdict !== 'checks_failed').at(-1)
  return before?.treeHash ?? at.attempt.task.startTree ?? at.input.treeHash
}

/** Asked for by the reviewer's first message and by the verdict: the same trees give the same answer. */
async function shownChange(at: Round): Promise<ShownChange> {
  const { input, run, sandbox } = at
  const execId = `ignored-${input.taskId}-${input.round}`
  const trees = { from: baseTree(at), to: input.treeHash }
  return await readChange(sandbox, trees, { taskId: input.taskId, execId, signal: run.signal })
}

/** Lets a reviewer look and answer; one that ends without a usable answer is asked once more. `need`: the budget is used up. */
async function askReviewer(
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
  const disputes = parseDisputes(await lastWords(at), open)
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

async function lastWords(at: Round): Promise<string> {
  const turns = await readLane(at.deps.db, at.input.taskId, 'coder')
  const texts = (turns.at(-1)?.reply ?? []).flatMap((block) => (block.type === 'text' ? [block.text] : []))
  return texts.join('\n')
}

const NOT_ASKED: Awaited<ReturnType<typeof askReviewer>> = { submission: null, disputes: new Map(), need: null }

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
async function endRound(
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
