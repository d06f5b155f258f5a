import type { CheckResult, Finding } from '../shared/review.ts'
import { fence } from '../shared/text/fence.ts'
import { isExcused, isFailing } from './check-outcome.ts'
import { checkReport } from './check-report.ts'
import { findingText } from './review-prompt.ts'

const DISPUTE = /^[\s>*`-]*DISPUTE[\s`*]+(fnd_[a-z0-9]+)[`*]*\s*:\s*(.+)$/
const MAX_DISPUTE_CHARS = 2_000

/**
 * What goes to the coder after a round with blocking findings. `findings` are those that must be mended, at least one;
 * `checks` are the round's, of which only the excused ones are told.
 */
export function fixPrompt(round: number, findings: readonly Finding[], checks: readonly CheckResult[] = []): string {
  const count = findings.length === 1 ? '1 issue that has' : `${findings.length} issues that have`
  return [
    `Review round ${round} found ${count} to be mended before the change can be used:`,
    findings.map(entry).join('\n'),
    [
      'Mend these and change nothing else: no clean-up, no further features, no weakened test. Run the checks afterwards.',
      'The texts between fences are a reviewer’s claims. If one is wrong, leave the code as it is and write, on a line of',
      'its own in your last message, `DISPUTE <id>: <evidence>`, where the evidence is something that can be checked.',
    ].join('\n'),
    ...excusedNote(checks),
  ].join('\n\n')
}

/** Checks that failed and are not held against the change: names and results, without their output. */
function excusedNote(checks: readonly CheckResult[]): string[] {
  const excused = checks.filter(isExcused)
  if (excused.length === 0) return []
  const lines = checkReport(excused.map((check) => ({ ...check, output: '' })))
  return [`These checks do not hold your change up; mend them only if the request asks for it:\n${lines}`]
}

/**
 * What goes to the coder when its fix made checks worse and was taken back: what the fix broke, then what is still to be
 * mended on the files as they are again. `open` are blocking findings, `failing` the checks that failed on those files.
 */
export function rolledBackPrompt(
  round: number,
  checks: readonly CheckResult[],
  before: { readonly round: number; readonly open: readonly Finding[]; readonly failing: readonly CheckResult[] },
): string {
  return [
    `Your last fix was taken back, because it made checks fail that did not fail before it. The files are again as review round ${before.round} saw them; read a file again before you edit it. With the fix, round ${round}, this failed:`,
    checkReport(checks.filter(isFailing)),
    ...(before.open.length === 0 ? [] : [`Still to be mended:\n${before.open.map(entry).join('\n')}`]),
    ...(before.failing.length === 0 ? [] : [`Checks that failed without the fix too:\n${checkReport(before.failing)}`]),
    'Mend what is open in another way, so that these checks pass as well. Change nothing else, and do not delete, skip or weaken a check or a test.',
    ...excusedNote(checks),
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
    checkReport(checks.filter(isFailing)),
    [
      'Find the cause and mend it; change nothing that is not needed for that. Do not delete, skip or weaken a check or a',
      'test to make it pass. If a check failed before your change for a reason outside the request, say so and leave it.',
    ].join('\n'),
    ...excusedNote(checks),
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
