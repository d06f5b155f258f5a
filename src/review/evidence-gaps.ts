import type { CheckResult, EvidenceGap, LeftOutCheck } from '../shared/review.ts'
import { checkSentence } from './check-report.ts'

const MAX_GAPS = 20

/**
 * What is missing for `verified`, at most 20 entries: the checks that did not pass, each with the reason; without any check,
 * why there is none. Pure.
 */
export function gapsOf(checks: readonly CheckResult[], leftOut: readonly LeftOutCheck[]): EvidenceGap[] {
  const gaps = checks
    .filter((check) => check.status !== 'passed')
    .map((check) => ({ name: check.name, reason: check.reason ?? checkSentence(check) }))
  if (checks.length > 0) return gaps.slice(0, MAX_GAPS)
  const why = leftOut.map(({ name, reason }) => ({ name, reason }))
  return why.length === 0 ? [{ name: 'checks', reason: 'no check is known for this project' }] : why.slice(0, MAX_GAPS)
}
