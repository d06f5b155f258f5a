/**
 * What a failing check counts for. Pure. A check is held against a change only when it ran on the task's first tree
 * without failing there (or was not to be had there) and fails twice in a row on the tree that is judged.
 */

import type { BaselineEntry, Check, CheckResult } from '../shared/review.ts'
import { missingIn } from './missing.ts'

/** Whether the check keeps the change from approval. */
export function isFailing(check: CheckResult): boolean {
  if (check.status === 'timed_out') return check.asBefore !== true
  return check.status === 'failed' || check.status === 'lost'
}

/** Whether the check says nothing of the change, though nobody is to blame: no approval rests on it. */
export function isUnknown(check: CheckResult): boolean {
  return check.status === 'timed_out' && check.asBefore === true
}

/** Whether the check failed and is not held against the change. */
export function isExcused(check: CheckResult): boolean {
  return check.status === 'failed_before' || check.status === 'flaky'
}

/** Whether a check did begin: one for which no time was left has no outcome that could be compared. */
export function hasRun(check: CheckResult): boolean {
  return check.status !== 'not_run' && (check.status !== 'timed_out' || check.durationMs > 0)
}

/**
 * What this very check, by name and command, did on the task's first tree; undefined when it was not asked for there.
 * Pure.
 */
export function baselineOf(baseline: readonly BaselineEntry[], check: Check): BaselineEntry | undefined {
  return baseline.find((entry) => entry.name === check.name && entry.command === check.command)
}

/**
 * A check's final result from its first run on the judged tree, its second one there and what it did on the task's first
 * tree; each of the last two only where it was asked for. One whose first outcome was lost counts by its second run. One
 * that failed for want of a program, a dependency or the network did not fail because of the change, unless the first tree
 * had what it needs; `declares` says whether the project's manifests name a dependency.
 */
export function settleCheck(
  first: CheckResult,
  again: CheckResult | undefined,
  baseline: BaselineEntry | undefined,
  declares: (dependency: string) => boolean = () => false,
): CheckResult {
  if (!isFailing(first)) return first
  if (first.status === 'lost' && again?.status === 'passed') return again
  if (again?.status === 'passed') return { ...first, status: 'flaky' }
  const result = first.status === 'lost' && again !== undefined ? again : first
  const missing = missingIn(result)
  const wasMissing =
    baseline === undefined || baseline.state === 'absent'
      ? missing !== null && (missing.dependency === undefined || declares(missing.dependency))
      : baseline.state === 'cannot_run'
  if (missing !== null && wasMissing) return { ...result, status: 'not_run', reason: missing.reason }
  if (baseline?.state === 'timed_out' && result.status === 'timed_out') return { ...result, asBefore: true }
  return baseline?.failed === true && isFailing(result) && hasRun(result)
    ? { ...result, status: 'failed_before' }
    : result
}

/** Exit codes of a shell that found no program to run: nothing is known of the check itself. */
const CANNOT_RUN: ReadonlySet<number | null> = new Set([126, 127])

/** What a run on the first tree says. A check that could not be run there did not fail there. */
export function baselineEntry(result: CheckResult): BaselineEntry {
  const { name, command } = result
  const hasTimedOut = result.status === 'timed_out' && hasRun(result)
  const failed = (result.status === 'failed' || hasTimedOut) && !CANNOT_RUN.has(result.exitCode)
  if (hasTimedOut) return { name, command, failed, state: 'timed_out' }
  return { name, command, failed, ...(missingIn(result) === null ? {} : { state: 'cannot_run' as const }) }
}

/**
 * Whether a fix left more checks failing than there were before it, by name. A check that was not there before has
 * nothing to be compared with: a fix that adds tests is not worse for it.
 */
export function isWorse(before: readonly CheckResult[], after: readonly CheckResult[]): boolean {
  const known = new Set(before.map((check) => check.name))
  const failing = after.filter((check) => isFailing(check) && known.has(check.name))
  return failing.length > before.filter(isFailing).length
}
