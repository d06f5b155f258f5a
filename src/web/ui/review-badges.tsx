import type { Finding, RoundVerdict } from '../../shared/review.ts'
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

/** The colour of a round's verdict; a newer server may know others. */
export function verdictTone(verdict: string): Tone {
  return Object.hasOwn(VERDICTS, verdict) ? VERDICTS[verdict as RoundVerdict] : 'neutral'
}
