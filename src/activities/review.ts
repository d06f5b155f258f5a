import type { Lane } from '../agent/lane.ts'
import { runLane } from '../agent/loop.ts'
import { REVIEWER_PROMPT } from '../agent/prompts/reviewer.ts'
import { reviewerTools } from '../agent/tools/registry.ts'
import { savedCriteria } from '../db/criteria.ts'
import { addNotice, type JournalTurn, type Lane as LaneName, readLane } from '../db/journal.ts'
import { acquireLease, requestsOf } from '../db/lifecycle.ts'
import { finishRound, listRounds, openRound, type ReviewRound, saveChecks, saveReviewState } from '../db/reviews.ts'
import { getTask, type Task } from '../db/tasks.ts'
import type { Lease } from '../db/transaction.ts'
import type { EventScope, NewEvent } from '../events/topics.ts'
import { DEFAULT_CRITERIA } from '../review/criteria.ts'
import { changedLines } from '../review/diff-lines.ts'
import { checksFailedPrompt, fixPrompt, parseDisputes } from '../review/fix-prompt.ts'
import { resubmitPrompt, reviewPrompt } from '../review/review-prompt.ts'
import { detectProjectChecks, runChecks } from '../review/run-checks.ts'
import { parseSubmission, SUBMIT_REVIEW, type Submission } from '../review/submit-review.ts'
import { afterRound, judgeRound, type RoundResult } from '../review/verdict.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { newId } from '../shared/ids.ts'
import type { Check, CheckResult, Criteria, Finding, ReviewState } from '../shared/review.ts'
import type { Activities, RoundInput } from '../workflows/activities.ts'
import type { ActivityDeps } from './deps.ts'
import { assembleLane } from './open-lane.ts'
import { type ActivityRun, endsTask, runActivity } from './run-activity.ts'
import { withRetryNotice } from './turns.ts'

const MAX_DIFF_BYTES = 200_000
const MAX_REVIEWER_TURNS = 10

/** What the reviewer and the checks do to a task. */
export function createReviewActivities(
  deps: ActivityDeps,
): Pick<Activities, 'captureChanges' | 'runChecks' | 'reviewChanges' | 'skipReview'> {
  return {
    // Every slice ends with a checkpoint, so what changed is known already.
    captureChanges: runActivity(async ({ taskId }) => {
      const { startTree, latestTree, diffStat } = await getTask(deps.db, taskId)
      const treeHash = latestTree ?? startTree ?? ''
      return { changed: treeHash !== startTree, treeHash, stat: diffStat }
    }),
    runChecks: runActivity((input, run) => checkRound(deps, input, run)),
    reviewChanges: runActivity((input, run) => reviewRound(deps, input, run)),
    skipReview: runActivity(async ({ taskId, projectId, reason }, { activity, attempt }) => {
      const { task, lease } = await acquireLease(deps.db, { taskId, projectId, activity, attempt, phase: 'finishing' })
      const review: ReviewState = { ...task.review, status: 'skipped' }
      await saveReviewState(deps.db, lease, review, [
        {
          type: 'review.skipped',
          key: `review.skipped:${taskId}:${task.turn}`,
          scope: scopeOf(lease),
          payload: { reason },
        },
      ])
      return review
    }),
  }
}

function scopeOf(lease: Lease): EventScope {
  return { projectId: lease.projectId, conversationId: lease.conversationId, taskId: lease.taskId }
}

/** What both halves of a round need. */
interface Round {
  readonly deps: ActivityDeps
  readonly input: RoundInput
  readonly run: ActivityRun
  readonly task: Task
  readonly lease: Lease
  readonly sandbox: Sandbox
  readonly criteria: Criteria
  /** All rounds so far, this one included once it is open. */
  readonly rounds: readonly ReviewRound[]
}

async function openRoundOf(
  deps: ActivityDeps,
  input: RoundInput,
  run: ActivityRun,
  phase: 'checking' | 'reviewing',
): Promise<Round> {
  const { taskId, projectId } = input
  const { activity, attempt } = run
  const { task, lease } = await acquireLease(deps.db, { taskId, projectId, activity, attempt, phase })
  const [sandbox, saved, rounds] = await Promise.all([
    deps.workspaces.open(projectId),
    savedCriteria(deps.db, projectId),
    listRounds(deps.db, taskId),
  ])
  return { deps, input, run, task, lease, sandbox, criteria: saved ?? DEFAULT_CRITERIA, rounds }
}

async function checkRound(
  deps: ActivityDeps,
  input: RoundInput,
  run: ActivityRun,
): Promise<{ failed: number; review: ReviewState }> {
  const at = await openRoundOf(deps, input, run, 'checking')
  const known = at.rounds.find((round) => round.round === input.round)
  if (known?.finishedAt) return { failed: failedOf(known.checks ?? []).length, review: at.task.review }
  const results = known?.checks ?? (await runRoundChecks(at))
  const review: ReviewState = { ...at.task.review, status: 'reviewing', round: input.round, treeHash: input.treeHash }
  if (failedOf(results).length === 0) {
    await saveChecks(deps.db, at.lease, input.round, { checks: results, review }, [])
    return { failed: 0, review }
  }
  return { failed: failedOf(results).length, review: await endRound(at, results, null, new Map()) }
}

function failedOf(checks: readonly CheckResult[]): CheckResult[] {
  return checks.filter((check) => check.status !== 'passed')
}

async function runRoundChecks(at: Round): Promise<CheckResult[]> {
  const { deps, input, run, lease, sandbox } = at
  const checks = await checksFor(at)
  const { round, treeHash, taskId } = input
  await openRound(deps.db, lease, { round, treeHash }, [
    {
      type: 'review.started',
      key: `review.started:${taskId}:${round}`,
      scope: scopeOf(lease),
      payload: { round, treeHash, checks: checks.map((check) => check.name) },
    },
  ])
  const results = await runChecks(sandbox, checks, {
    taskId,
    round,
    signal: run.signal,
    shouldKill: endsTask,
    onOutput: run.onProgress,
  })
  // A check may leave files behind; what is delivered must be the tree that is judged.
  if ((await sandbox.checkpoint()) !== treeHash) await sandbox.restore(treeHash)
  hitCrashPoint('checks.before_record')
  const events = results.map(
    (check): NewEvent => ({
      type: 'review.check',
      key: `review.check:${taskId}:${round}:${check.name}`,
      scope: scopeOf(lease),
      payload: { round, check },
    }),
  )
  await saveChecks(deps.db, lease, round, { checks: results, review: at.task.review }, events)
  return results
}

async function checksFor({ criteria, input, run, sandbox }: Round): Promise<readonly Check[]> {
  if (criteria.checks.length > 0) return criteria.checks
  const { taskId, round } = input
  return await detectProjectChecks(sandbox, { taskId, execId: `detect-${taskId}-${round}`, signal: run.signal })
}

async function reviewRound(
  deps: ActivityDeps,
  input: RoundInput,
  run: ActivityRun,
): Promise<Awaited<ReturnType<Activities['reviewChanges']>>> {
  const at = await openRoundOf(deps, input, run, 'reviewing')
  const own = at.rounds.find((round) => round.round === input.round)
  if (own?.finishedAt && own.verdict) {
    const { review, turn, usage } = at.task
    return { verdict: own.verdict, review, turn, usage }
  }
  const { submission, disputes } = await askReviewer(at, own?.checks ?? [])
  const review = await endRound(at, own?.checks ?? [], submission, disputes)
  const { turn, usage } = await getTask(deps.db, input.taskId)
  return { verdict: review.verdict ?? 'inconclusive', review, turn, usage }
}

function earlierFindings(at: Round): Finding[] {
  return at.rounds.filter((round) => round.round < at.input.round).flatMap((round) => round.findings)
}

function isOpen(finding: Finding): boolean {
  return finding.state === 'open' || finding.state === 'disputed'
}

/** The tree that the round before judged: later rounds look only at what changed since. */
function baseTree(at: Round): string {
  const before = at.rounds.filter((round) => round.round < at.input.round && round.verdict !== 'checks_failed').at(-1)
  return before?.treeHash ?? at.task.startTree ?? at.input.treeHash
}

async function patchOf(at: Round): Promise<{ patch: string; truncated: boolean }> {
  return await at.sandbox.diff(baseTree(at), at.input.treeHash, { maxBytes: MAX_DIFF_BYTES })
}

/** Lets a reviewer look and answer; one that ends without a usable answer is asked once more. */
async function askReviewer(
  at: Round,
  checks: readonly CheckResult[],
): Promise<{ submission: Submission | null; disputes: ReadonlyMap<string, string> }> {
  const { deps, input, lease } = at
  const name: LaneName = `reviewer/${input.round}`
  const open = earlierFindings(at).filter(isOpen)
  const disputes = parseDisputes(await lastWords(at), open)
  const turns = await readLane(deps.db, input.taskId, name)
  if (turns.length === 0) {
    const { patch, truncated } = await patchOf(at)
    const requests = await requestsOf(deps.db, input.taskId)
    const reviewed = { round: input.round, requests, criteria: at.criteria.criteria, checks, open, disputes }
    // Without an open finding to settle, a round after failing checks judges the whole change, as a first one does.
    const text = reviewPrompt({ ...reviewed, patch, patchTruncated: truncated })
    await addNotice(deps.db, lease, { id: newId('req'), lane: name, key: `review:${input.round}`, text })
  }
  const lane = reviewerLane(at, name, turns)
  await withRetryNotice(deps, lease, at.run, () => runLane(lane, () => false))
  if (!submissionIn(lane.turns)) {
    const text = resubmitPrompt(null)
    await addNotice(deps.db, lease, { id: newId('req'), lane: name, key: `resubmit:${input.round}`, text })
    await withRetryNotice(deps, lease, at.run, () => runLane(lane, () => false))
  }
  return { submission: submissionIn(lane.turns), disputes }
}

function reviewerLane(at: Round, name: LaneName, turns: JournalTurn[]): Lane {
  const { task, lease, sandbox, run } = at
  return assembleLane(
    at.deps,
    { name, task, lease, sandbox, run },
    {
      system: [REVIEWER_PROMPT],
      tools: reviewerTools,
      earlier: [],
      turns,
      firstNotes: [],
      limits: { maxUsd: null, maxTurns: MAX_REVIEWER_TURNS, maxMinutes: null },
      isAnswered: (turn) => submissionIn([turn]) !== null,
    },
  )
}

function submissionIn(turns: readonly JournalTurn[]): Submission | null {
  for (const turn of turns) {
    for (const call of turn.toolCalls) {
      if (call.name !== SUBMIT_REVIEW || call.status !== 'finished') continue
      const parsed = parseSubmission(JSON.parse(call.input))
      if (parsed.ok) return parsed.submission
    }
  }
  return null
}

async function lastWords(at: Round): Promise<string> {
  const turns = await readLane(at.deps.db, at.input.taskId, 'coder')
  const texts = (turns.at(-1)?.reply ?? []).flatMap((block) => (block.type === 'text' ? [block.text] : []))
  return texts.join('\n')
}

/** Derives the verdict and stores all of the round's end at once. */
async function endRound(
  at: Round,
  checks: readonly CheckResult[],
  submission: Submission | null,
  disputes: ReadonlyMap<string, string>,
): Promise<ReviewState> {
  const { deps, input, lease, task } = at
  const earlier = earlierFindings(at).map((finding) =>
    disputes.has(finding.id) && finding.state === 'open' ? { ...finding, state: 'disputed' as const } : finding,
  )
  const { patch, truncated } = await patchOf(at)
  const result = judgeRound({
    checks,
    submission,
    earlier,
    changed: changedLines(patch),
    diffTruncated: truncated,
    criteria: at.criteria.criteria,
    newId: () => newId('fnd'),
  })
  const review = nextState(task.review, input, result, failedOf(checks).length)
  const known = new Set(earlier.map((finding) => finding.id))
  const findings = result.findings.filter((finding) => !known.has(finding.id))
  const settled = result.findings.filter((finding) => known.has(finding.id))
  const mends = review.status === 'fixing'
  const fixText =
    result.verdict === 'checks_failed' ? checksFailedPrompt(checks) : fixPrompt(input.round, result.blocking)
  hitCrashPoint('verdict.before_record')
  await finishRound(
    deps.db,
    lease,
    {
      round: input.round,
      verdict: result.verdict,
      summary: submission?.summary ?? summaryOf(checks),
      review,
      findings,
      settled: settled.map(({ id, state }) => ({ id, state })),
      fixNotice: mends ? { id: newId('req'), text: fixText } : null,
    },
    verdictEvents(at, findings, submission?.summary ?? summaryOf(checks), review),
  )
  return review
}

function summaryOf(checks: readonly CheckResult[]): string {
  const failed = failedOf(checks).map((check) => check.name)
  return failed.length > 0 ? `Failing: ${failed.join(', ')}.` : 'The reviewer gave no usable answer.'
}

/** The review's state after a round: pure, so that the query, the event and the database say the same. */
export function nextState(
  before: ReviewState,
  input: Pick<RoundInput, 'round' | 'treeHash' | 'fixRounds' | 'maxFixRounds'>,
  result: Pick<RoundResult, 'verdict' | 'open' | 'resolved'>,
  checksFailed: number,
): ReviewState {
  const { round, treeHash } = input
  const after = afterRound(result.verdict, input.fixRounds, input.maxFixRounds)
  const summary = {
    round,
    verdict: result.verdict,
    treeHash,
    checksFailed,
    findingsOpen: result.open,
    findingsResolved: result.resolved,
  }
  return {
    status: after.next === 'fix' ? 'fixing' : after.status,
    round,
    fixRounds: input.fixRounds + (after.next === 'fix' ? 1 : 0),
    maxFixRounds: input.maxFixRounds,
    verdict: result.verdict,
    treeHash,
    findings: { open: result.open, resolved: result.resolved },
    history: [...before.history.filter((entry) => entry.round < round), summary],
  }
}

function verdictEvents(at: Round, findings: readonly Finding[], summary: string, review: ReviewState): NewEvent[] {
  const { round, taskId, treeHash } = at.input
  const scope = scopeOf(at.lease)
  const verdict = review.verdict ?? 'inconclusive'
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
      payload: { round, verdict, summary, treeHash, review },
    },
  ]
}
