import { clean } from '../clean-text.ts'
import { examine } from '../doctor/examine.ts'
import type { Finding } from '../doctor/finding.ts'
import { EXIT } from '../exit-codes.ts'
import { defineCommand } from './command.ts'
import { atMost, JSON_OPTION } from './shared-options.ts'

const NAME_WIDTH = 24
const COLOR = { ok: 'green', warn: 'yellow', fail: 'red' } as const

/** `keelson doctor`. */
export const doctorCommand = defineCommand({
  name: 'doctor',
  what: 'looks at everything that Keelson needs here and says what to type',
  options: JSON_OPTION,
  notes: 'Changes nothing. Ends with 1 when something that matters is missing.',
  run: async ({ values, positionals }, { home, host, printer, write }) => {
    atMost(positionals, 0)
    const findings = await examine(home, host.facts)
    const isWell = findings.every(({ state }) => state !== 'fail')
    if (values.json) {
      write(`${JSON.stringify({ ok: isWell, home, checks: findings })}\n`)
      return isWell ? EXIT.good : EXIT.bad
    }
    for (const { name, state, detail, fix } of findings) {
      printer.note(`${state.padEnd(5)} ${name.padEnd(NAME_WIDTH)} ${clean(detail)}`, COLOR[state])
      if (fix !== undefined) printer.note(`${' '.repeat(NAME_WIDTH + 7)}→ ${clean(fix)}`)
    }
    printer.note(summaryOf(findings), 'bold')
    return isWell ? EXIT.good : EXIT.bad
  },
})

function summaryOf(findings: readonly Finding[]): string {
  const count = (state: Finding['state']) => findings.filter((finding) => finding.state === state).length
  const missing = count('fail')
  return missing === 0
    ? `Nothing that matters is missing; ${count('warn')} to know.`
    : `${missing} of ${findings.length} must be mended.`
}
