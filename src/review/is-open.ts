import type { Finding } from '../shared/review.ts'

/** Whether a finding still counts: nobody fixed, rejected or withdrew it, though the coder may dispute it. Pure. */
export function isOpen(finding: Pick<Finding, 'state'>): boolean {
  return finding.state === 'open' || finding.state === 'disputed'
}
