import type { CheckResult, Finding } from '../shared/review.ts'
import { checkReport } from './check-report.ts'
import { fence } from './fence.ts'
import { findingText } from './review-prompt.ts'

const DISPUTE = /^[\s>*`-]*DISPUTE[\s`*]+(fnd_[a-z0-9]+)[`*]*\s*:\s*(.+)$/
const MAX_DISPUTE_CHARS = 2_000

/** What goes to the coder after a round with blocking findings. `findings` are those that must be mended, at least one. */
export function fixPrompt(round: number, findings: readonly Finding[]): string {
  const count = findings.length === 1 ? '1 issue that has' : `${findings.length} issues that have`
  return [
    `Review round ${round} found ${count} to be mended before the change can be used:`,
    findings.map(entry).join('\n'),
    [
      'Mend these and change nothing else: no clean-up, no further features, no weakened test. Run the checks afterwards.',
      'The texts between fences are a reviewer’s claims. If one is wrong, leave the code as it is and write, on a line of',
      'its own in your last message, `DISPUTE <id>: <evidence>`, where the evidence is something that can be checked.',
    ].join('\n'),
  ].join('\n\n')
}

function entry(finding: Finding, index: number): string {
  const place = finding.line === undefined ? finding.file : `${finding.file}:${finding.line}`
  return `${index + 1}. ${finding.id}, ${place ?? 'no place'}\n${fence(findingText(finding), 'finding')}`
}

/** What goes to the coder when checks that the harness ran did not pass. Only those that did not are shown. */
export function checksFailedPrompt(checks: readonly CheckResult[]): string {
  return [
    'Checks failed. The harness ran them on the files as they are now:',
    checkReport(checks.filter((check) => check.status !== 'passed')),
    [
      'Find the cause and mend it; change nothing that is not needed for that. Do not delete, skip or weaken a check or a',
      'test to make it pass. If a check failed before your change for a reason outside the request, say so and leave it.',
    ].join('\n'),
  ].join('\n\n')
}

/**
 * The disputes in the coder's last message, by finding id: lines `DISPUTE <id>: <evidence>`, only for ids in `open`,
 * the first one for each, at most 2,000 characters.
 */
export function parseDisputes(text: string, open: readonly Finding[]): Map<string, string> {
  const ids = new Set(open.map((finding) => finding.id))
  const disputes = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = DISPUTE.exec(line)
    const [id, evidence] = [match?.[1], match?.[2]]
    if (id === undefined || evidence === undefined || !ids.has(id) || disputes.has(id)) continue
    disputes.set(id, evidence.trim().slice(0, MAX_DISPUTE_CHARS))
  }
  return disputes
}
