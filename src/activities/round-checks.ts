/** One round's checks: run, run again where they failed, and compared with the tree that the task started from. */

import { readProjectFiles } from '../context/project-files.ts'
import { openRound, readBaseline, saveBaseline, saveChecks } from '../db/reviews.ts'
import type { Task } from '../db/tasks.ts'
import type { Lease } from '../db/transaction.ts'
import type { EventScope, NewEvent } from '../events/topics.ts'
import { baselineEntry, baselineOf, isFailing, settleCheck } from '../review/check-outcome.ts'
import { detectChecks } from '../review/checks.ts'
import { mergeChecks, type ShownCheck } from '../review/project-checks.ts'
import { detectProjectChecks, runChecks } from '../review/run-checks.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import type { BaselineEntry, CheckResult, Criteria } from '../shared/review.ts'
import type { RoundInput } from '../workflows/activities.ts'
import { BASELINE_RUN, returnWorkspace, withBorrowedWorkspace } from './borrowed-workspace.ts'
import type { ActivityDeps } from './deps.ts'
import { type ActivityRun, endsTask } from './run-activity.ts'

const PROGRESS_MS = 10_000

export interface CheckedRound {
  readonly deps: ActivityDeps
  readonly input: RoundInput
  readonly run: ActivityRun
  readonly task: Task
  readonly lease: Lease
  readonly sandbox: Sandbox
  readonly criteria: Criteria
}

/**
 * Runs the round's checks on the tree that is judged and stores what came of them. That tree is in the workspace
 * afterwards. Safe to repeat: a command that was started before is attached to, not started again.
 */
export async function runRoundChecks(at: CheckedRound): Promise<CheckResult[]> {
  const { deps, input, lease } = at
  const { round, treeHash, taskId } = input
  if (at.run.attempt > 1) await returnWorkspace(deps.db, lease, at.sandbox)
  const checks = await checksOf(at)
  const scope: EventScope = { projectId: lease.projectId, conversationId: lease.conversationId, taskId }
  await openRound(deps.db, lease, { round, treeHash }, [
    {
      type: 'review.started',
      key: `review.started:${taskId}:${round}`,
      scope,
      payload: { round, treeHash, checks: checks.map((check) => check.name) },
    },
  ])
  const results = await settleAll(at, checks, await runOnTree(at, checks, 'check'))
  hitCrashPoint('checks.before_record')
  const events = results.map(
    (check): NewEvent => ({
      type: 'review.check',
      key: `review.check:${taskId}:${round}:${check.name}`,
      scope,
      payload: { round, check },
    }),
  )
  await saveChecks(deps.db, lease, round, { checks: results, review: at.task.review }, events)
  return results
}

async function checksOf({ criteria, input, run, sandbox }: CheckedRound): Promise<ShownCheck[]> {
  const { taskId, round } = input
  const execId = `detect-${taskId}-${round}`
  const detected = await detectProjectChecks(sandbox, { taskId, execId, signal: run.signal })
  return mergeChecks(detected, criteria.checks).filter((check) => check.enabled)
}

async function runOnTree(at: CheckedRound, checks: readonly ShownCheck[], name: string): Promise<CheckResult[]> {
  const { input, run, sandbox } = at
  const results = await whileAlive(run, () =>
    runChecks(sandbox, checks, {
      taskId: input.taskId,
      round: input.round,
      run: name,
      signal: run.signal,
      shouldKill: endsTask,
    }),
  )
  // A check may leave files behind; what is delivered must be the tree that is judged.
  if ((await sandbox.checkpoint()) !== input.treeHash) await sandbox.restore(input.treeHash)
  return results
}

/** Failing checks only: a second run on the same files, then the task's first tree, each where it can still matter. */
async function settleAll(
  at: CheckedRound,
  checks: readonly ShownCheck[],
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
  const baseline = open.length === 0 ? known : [...known, ...(await runBaseline(at, pick(checks, open)))]
  if (baseline !== known) await saveBaseline(at.deps.db, at.lease, baseline)
  return first.map((check) => settleCheck(check, againBy.get(check.name), baselineOf(baseline, check)))
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

function pick(checks: readonly ShownCheck[], results: readonly CheckResult[]): ShownCheck[] {
  const names = new Set(results.map((result) => result.name))
  return checks.filter((check) => names.has(check.name))
}

/**
 * What these checks do on the task's first tree. One that is detected, but was not to be found there, did not fail there:
 * else the tests of a new project would fail "before" for want of a package.json.
 */
async function runBaseline(at: CheckedRound, checks: readonly ShownCheck[]): Promise<BaselineEntry[]> {
  const { deps, input, task, lease, sandbox, run } = at
  if (task.startTree === null || task.startTree === input.treeHash) return []
  return await withBorrowedWorkspace(
    { db: deps.db, lease, sandbox },
    { own: input.treeHash, other: task.startTree },
    () =>
      whileAlive(run, async () => {
        const detected = detectChecks(await readProjectFiles(sandbox))
        const wasThere = (check: ShownCheck) =>
          check.source === 'custom' ||
          detected.some(({ name, command }) => name === check.name && command === check.command)
        const results = await runChecks(sandbox, checks.filter(wasThere), {
          taskId: input.taskId,
          round: input.round,
          // Of this attempt alone: what an earlier one left was ended with its loan.
          run: `${BASELINE_RUN}-${lease.lease}`,
          signal: run.signal,
          shouldKill: () => true,
        })
        const absent = checks.filter((check) => !wasThere(check))
        return [...results.map(baselineEntry), ...absent.map(({ name, command }) => ({ name, command, failed: false }))]
      }),
  )
}
