import type { CheckResult } from '../shared/review.ts'
import { fence } from '../shared/text/fence.ts'

/** The checks as the reviewer and the coder read them: one line each, the output of those that did not pass fenced. */
export function checkReport(checks: readonly CheckResult[]): string {
  return checks
    .map((check) => {
      const line = `- ${check.name} (${fence1(check.command)}): ${checkSentence(check)}`
      if (check.status === 'passed' || check.output === '') return line
      return `${line}\n${fence(check.output, 'output')}`
    })
    .join('\n')
}

/** A command on one line: data too, so its code span is made as safe as a fence. */
function fence1(command: string): string {
  const longest = (command.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 0)
  const marks = '`'.repeat(longest + 1)
  const space = longest > 0 ? ' ' : ''
  return `${marks}${space}${command.replaceAll('\n', ' ')}${space}${marks}`
}

/** What became of a check, as the end of a sentence that begins with its name. */
export function checkSentence(check: CheckResult): string {
  switch (check.status) {
    case 'passed':
      return 'passed'
    case 'failed':
      return check.exitCode === null ? 'failed' : `failed with exit code ${check.exitCode}`
    case 'timed_out':
      return `did not end within its time${check.asBefore === true ? ', and did not before the task began either' : ''}`
    case 'not_run':
      return `${check.exitCode === 0 ? 'proved nothing' : 'could not be run'}: ${check.reason ?? 'the reason is not known'}`
    case 'lost':
      return 'its outcome is unknown'
    case 'failed_before':
      return 'failed, as it did before the task began'
    case 'flaky':
      return 'failed, then passed when it was run again on the same files (flaky)'
  }
}
