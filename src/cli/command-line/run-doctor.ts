import { clean } from '../clean-text.ts'
import type { Diagnosis } from '../doctor/diagnosis.ts'
import { examine } from '../doctor/examine.ts'
import { EXIT } from '../exit-codes.ts'
import { defineCommand } from './command.ts'
import { atMost, JSON_OPTION } from './shared-options.ts'

const NAME_WIDTH = 24
const COLOR = { ok: 'green', warn: 'yellow', fail: 'red' } as const

/** `keelson doctor`: looks at the host and changes nothing. Ends with 1 when something that matters is missing. */
export const doctorCommand = defineCommand({
  name: 'doctor',
  what: 'looks at everything that Keelson needs here and says what to type',
  options: JSON_OPTION,
  notes: 'Changes nothing. Ends with 1 when something that matters is missing.',
  run: async ({ values, positionals }, { home, host, printer, write }) => {
    atMost(positionals, 0)
    const diagnoses = await examine(home, host.facts)
    const isWell = diagnoses.every(({ state }) => state !== 'fail')
    if (values.json) {
      write(`${JSON.stringify({ ok: isWell, home, checks: diagnoses })}\n`)
      return isWell ? EXIT.good : EXIT.bad
    }
    for (const { name, state, detail, fix } of diagnoses) {
      printer.note(`${state.padEnd(5)} ${name.padEnd(NAME_WIDTH)} ${clean(detail)}`, COLOR[state])
      if (fix !== undefined) printer.note(`${' '.repeat(NAME_WIDTH + 7)}→ ${clean(fix)}`)
    }
    printer.note(summaryOf(diagnoses), 'bold')
    return isWell ? EXIT.good : EXIT.bad
  },
})

function summaryOf(diagnoses: readonly Diagnosis[]): string {
  const count = (state: Diagnosis['state']) => diagnoses.filter((diagnosis) => diagnosis.state === state).length
  const missing = count('fail')
  return missing === 0
    ? `Nothing that matters is missing; ${count('warn')} to know.`
    : `${missing} of ${diagnoses.length} must be mended.`
}
