import type { CheckResult, Evidence } from './review.ts'

/** Statuses of a check that ran to its end, whatever came of it. */
const ENDED: ReadonlySet<CheckResult['status']> = new Set(['passed', 'failed', 'failed_before', 'flaky'])

/**
 * What the checks of a tree prove of it, computed from their results alone: `verified` when at least one ran to its end and
 * every one passed, `unverified` when none ran to its end, else `partly`. Pure.
 */
export function evidenceOf(checks: readonly Pick<CheckResult, 'status'>[]): Evidence {
  if (!checks.some((check) => ENDED.has(check.status))) return 'unverified'
  return checks.every((check) => check.status === 'passed') ? 'verified' : 'partly'
}

/** The words that stand beside a verdict. */
export const EVIDENCE_WORDS: Readonly<Record<Evidence, string>> = {
  verified: 'verified',
  partly: 'partly verified',
  unverified: 'unverified',
}
