import { EVIDENCE_WORDS, evidenceOf } from '../../shared/evidence.ts'
import type { CheckResult, Finding, RoundVerdict } from '../../shared/review.ts'
import { Badge, type Tone } from './badge.tsx'

const SEVERITIES: Readonly<Record<Finding['severity'], Tone>> = { blocking: 'bad', important: 'warn', note: 'neutral' }
const STATES: Readonly<Record<Finding['state'], Tone>> = {
  open: 'warn',
  fixed: 'good',
  disputed: 'info',
  dismissed: 'neutral',
}
const VERDICTS: Readonly<Record<RoundVerdict, Tone>> = {
  approved: 'good',
  approved_with_notes: 'good',
  issues_found: 'warn',
  checks_failed: 'bad',
  inconclusive: 'warn',
}

/** How bad a finding is and where it stands: the same words and colours in thread, diff and review. */
export function FindingBadges({ finding }: { finding: Pick<Finding, 'severity' | 'state'> }) {
  return (
    <>
      <Badge tone={SEVERITIES[finding.severity]}>{finding.severity}</Badge>{' '}
      <Badge tone={STATES[finding.state]}>{finding.state}</Badge>
    </>
  )
}

/** A round's verdict with what its checks proved: an approval that they do not back is never plain green. */
export function VerdictBadge({ verdict, checks }: { verdict: string; checks: readonly Pick<CheckResult, 'status'>[] }) {
  const words = verdict.replaceAll('_', ' ')
  // A newer server may know others.
  const tone = Object.hasOwn(VERDICTS, verdict) ? VERDICTS[verdict as RoundVerdict] : 'neutral'
  const evidence = evidenceOf(checks)
  const isBacked = tone !== 'good' || evidence === 'verified'
  return (
    <>
      <Badge tone={isBacked ? tone : 'warn'}>{`${words.slice(0, 1).toUpperCase()}${words.slice(1)}`}</Badge>{' '}
      {!isBacked && <Badge tone="warn">{EVIDENCE_WORDS[evidence]}</Badge>}
    </>
  )
}
