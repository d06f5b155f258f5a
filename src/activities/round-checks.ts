/** One round's checks: run, run again where they failed, and compared with the tree that the task started from. */

import { listRounds, openRound, readBaseline, saveBaseline, saveChecks } from '../db/review/reviews.ts'
import type { Attempt } from '../db/task/attempt.ts'
import type { EventScope, NewEvent } from '../events/topics.ts'
import { detectChecks } from '../project/detect-checks.ts'
import { mergeChecks } from '../project/project-checks.ts'
import { readProjectFiles } from '../project/project-files.ts'
import { baselineEntry, baselineOf, isFailing, settleCheck } from '../review/check-outcome.ts'
import { gapsOf } from '../review/evidence-gaps.ts'
import { detectProjectChecks, notRun, runChecks } from '../review/run-checks.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { evidenceOf } from '../shared/evidence.ts'
import type { BaselineEntry, CheckPlan, CheckResult, Criteria } from '../shared/review.ts'
import type { RoundInput } from '../workflows/activities.ts'
import { BASELINE_RUN, isLent, returnWorkspace, withBorrowedWorkspace } from './borrowed-workspace.ts'
import type { ActivityDeps } from './deps.ts'
import { type ActivityRun, endsTask } from './run-activity.ts'

const PROGRESS_MS = 10_000
/** For the first tree's run and the one on the judged tree together; the former gets at least a minute. */
const BOTH_RUNS_MS = 660_000
const MIN_BASELINE_MS = 60_000
/** Changed files that are looked at to find the packages that a change touches. */
const MAX_TOUCHED = 2_000

/** One round of the review while its checks run. */
export interface CheckedRound {
  readonly deps: ActivityDeps
  readonly input: RoundInput
  readonly run: ActivityRun
  readonly attempt: Attempt
  readonly sandbox: Sandbox
  readonly criteria: Criteria
}

type PlannedCheck = CheckPlan['checks'][number]

/**
 * Runs the round's checks on the tree that is judged and stores what came of them; what could not be run is among the
 * results with its reason. The judged tree is in the workspace afterwards. Safe to repeat: the checks are decided once, a
 * command that was started before is attached to, not started again.
 */
export async function runRoundChecks(at: CheckedRound): Promise<CheckResult[]> {
  const { input, attempt } = at
  const { round, taskId } = input
  const scope: EventScope = { projectId: attempt.scope.projectId, conversationId: attempt.scope.conversationId, taskId }
  const { plan, touched } = await planOf(at, scope)
  const results = await settleAll(at, plan.checks, touched, await firstRun(at, plan.checks))
  const all = [...results, ...notRunOf(plan)]
  hitCrashPoint('checks.before_record')
  const events = all.map(
    (check): NewEvent => ({
      type: 'review.check',
      key: `review.check:${taskId}:${round}:${check.name}`,
      scope,
      payload: { round, check },
    }),
  )
  const evidence = { treeHash: input.treeHash, evidence: evidenceOf(all), gaps: gapsOf(all, plan.leftOut) }
  await saveChecks(attempt, round, { checks: all, review: attempt.task.review, evidence }, events)
  return all
}

/** What is run: as an earlier attempt decided it, else as the files of the judged tree say now. */
async function planOf(at: CheckedRound, scope: EventScope): Promise<{ plan: CheckPlan; touched: readonly string[] }> {
  const { deps, input, attempt, sandbox } = at
  const { task } = attempt
  const { round, treeHash, taskId } = input
  const known = (await listRounds(deps.db, taskId)).find((entry) => entry.round === round)
  const isOurLoan = known?.plan != null && (await isLent(deps.db, attempt.scope.projectId, treeHash))
  if (at.run.attempt > 1 && !isOurLoan) await returnWorkspace(attempt, sandbox)
  const changes = task.startTree === null ? [] : await sandbox.changes(task.startTree, treeHash)
  const touched = changes.slice(0, MAX_TOUCHED).map((change) => change.path)
  if (known?.plan != null) return { plan: known.plan, touched }
  const plan = await decidePlan(at, touched)
  await openRound(attempt, { round, treeHash, plan }, [
    {
      type: 'review.started',
      key: `review.started:${taskId}:${round}`,
      scope,
      payload: { round, treeHash, checks: plan.checks.map((check) => check.name) },
    },
  ])
  return { plan, touched }
}

async function decidePlan(
  { criteria, input, run, sandbox }: CheckedRound,
  touched: readonly string[],
): Promise<CheckPlan> {
  const { taskId, round } = input
  const execId = `detect-${taskId}-${round}`
  const detected = await detectProjectChecks(sandbox, { taskId, execId, signal: run.signal, touched })
  const merged = mergeChecks(detected.checks, criteria.checks).filter((check) => check.enabled)
  // What a person switched off, or gave another command, is theirs to decide.
  const set = new Set(criteria.checks.map((setting) => setting.name))
  return {
    checks: merged.map(({ name, command, source }) => ({ name, command, source })),
    leftOut: detected.leftOut.filter((entry) => !set.has(entry.name)),
  }
}

/** A check that the files name and that cannot be run is a result like the others: nobody may take it for passed. */
function notRunOf({ leftOut }: CheckPlan): CheckResult[] {
  return leftOut.flatMap(({ name, command, reason }) =>
    command === undefined
      ? []
      : [{ name, command, status: 'not_run' as const, exitCode: null, durationMs: 0, output: '', reason }],
  )
}

/** What did not end before, with and without the change, is not waited for again. */
async function firstRun(at: CheckedRound, checks: readonly PlannedCheck[]): Promise<CheckResult[]> {
  const known = await readBaseline(at.deps.db, at.input.taskId)
  const isEndless = (check: PlannedCheck) => baselineOf(known, check)?.state === 'timed_out'
  const ran = await runOnTree(
    at,
    checks.filter((check) => !isEndless(check)),
    'check',
  )
  const byName = new Map(ran.map((result) => [result.name, result]))
  return checks.map(
    (check) =>
      byName.get(check.name) ?? {
        ...notRun(check, 'Not run again: it ended neither with nor without the change.'),
        asBefore: true,
      },
  )
}

async function runOnTree(at: CheckedRound, checks: readonly PlannedCheck[], name: string): Promise<CheckResult[]> {
  const { deps, input, attempt, run, sandbox } = at
  const results = await whileAlive(run, () =>
    runChecks(sandbox, checks, {
      taskId: input.taskId,
      round: input.round,
      run: name,
      signal: run.signal,
      shouldKill: endsTask,
    }),
  )
  // An attempt that is taken over has these results already, and the first tree stands in the workspace.
  if (run.attempt > 1 && (await isLent(deps.db, attempt.scope.projectId, input.treeHash))) return results
  // A check may leave files behind; what is delivered must be the tree that is judged.
  if ((await sandbox.checkpoint()) !== input.treeHash) await sandbox.restore(input.treeHash)
  return results
}

/** Failing checks only: a second run on the same files, then the task's first tree, each where it can still matter. */
async function settleAll(
  at: CheckedRound,
  checks: readonly PlannedCheck[],
  touched: readonly string[],
  first: readonly CheckResult[],
): Promise<CheckResult[]> {
  if (!first.some(isFailing)) return [...first]
  const known = await readBaseline(at.deps.db, at.input.taskId)
  // What takes minutes to time out is not worth them twice.
  const suspects = first.filter((check) => check.status === 'failed' || check.status === 'lost')
  const unexcused = suspects.filter((check) => baselineOf(known, check)?.failed !== true)
  const again = await runOnTree(at, pick(checks, unexcused), 'recheck')
  const againBy = new Map(again.map((result) => [result.name, result]))
  const open = first.filter(
    (check) =>
      isFailing(check) && againBy.get(check.name)?.status !== 'passed' && baselineOf(known, check) === undefined,
  )
  const baseline =
    open.length === 0 ? known : [...known, ...(await runBaseline(at, pick(checks, open), touched, first))]
  if (baseline !== known) await saveBaseline(at.attempt, baseline)
  const declares = first.some(isFailing) ? await declaredBy(at, touched) : () => false
  return first.map((check) => settleCheck(check, againBy.get(check.name), baselineOf(baseline, check), declares))
}

/** Whether a manifest of the judged tree names a dependency. */
async function declaredBy({ sandbox }: CheckedRound, touched: readonly string[]): Promise<(name: string) => boolean> {
  const { texts, packages } = await readProjectFiles(sandbox, touched)
  const manifests = [texts, ...packages.map((own) => own.texts)].flatMap((own) =>
    [...own].filter(([name]) => !name.endsWith('.md')).map(([, text]) => text.toLowerCase()),
  )
  return (name) => manifests.some((text) => text.includes(name.toLowerCase()))
}

/**
 * A test run may say nothing for minutes, which is no reason to replace the attempt: each command has its own limit, and
 * one whose end is not reported is given up.
 */
async function whileAlive<T>(run: ActivityRun, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(run.onProgress, PROGRESS_MS)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

function pick(checks: readonly PlannedCheck[], results: readonly CheckResult[]): PlannedCheck[] {
  const names = new Set(results.map((result) => result.name))
  return checks.filter((check) => names.has(check.name))
}

/**
 * What these checks do on the task's first tree. One that is detected, but was not to be found there, did not fail there:
 * else the tests of a new project would fail "before" for want of a package.json. One that ended there in less time than
 * it had on the judged tree says nothing.
 */
async function runBaseline(
  at: CheckedRound,
  checks: readonly PlannedCheck[],
  touched: readonly string[],
  first: readonly CheckResult[],
): Promise<BaselineEntry[]> {
  const { input, attempt, sandbox, run } = at
  const { task } = attempt
  if (task.startTree === null || task.startTree === input.treeHash) return []
  const spentMs = first.reduce((sum, check) => sum + check.durationMs, 0)
  const totalTimeoutMs = Math.max(MIN_BASELINE_MS, BOTH_RUNS_MS - spentMs)
  return await withBorrowedWorkspace(
    { attempt, sandbox, signal: run.signal },
    { own: input.treeHash, other: task.startTree },
    () =>
      whileAlive(run, async () => {
        const detected = detectChecks(await readProjectFiles(sandbox, touched)).checks
        const wasThere = (check: PlannedCheck) =>
          check.source === 'custom' ||
          detected.some(
            ({ name, command, fallbacks }) =>
              name === check.name && [command, ...fallbacks.map((way) => way.command)].includes(check.command),
          )
        const results = await runChecks(sandbox, checks.filter(wasThere), {
          taskId: input.taskId,
          round: input.round,
          run: BASELINE_RUN,
          signal: run.signal,
          shouldKill: endsTask,
          totalTimeoutMs,
        })
        const limits = new Map(first.map((check) => [check.name, check.durationMs]))
        const comparable = results.filter(
          (result) => result.status !== 'timed_out' || result.durationMs * 1.1 >= (limits.get(result.name) ?? 0),
        )
        const absent = checks.filter((check) => !wasThere(check))
        return [
          ...comparable.map(baselineEntry),
          ...absent.map(({ name, command }) => ({ name, command, failed: false, state: 'absent' as const })),
        ]
      }),
  )
}
