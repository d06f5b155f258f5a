import type { Recovery } from './recovery.ts'
import type { ChaosReport } from './run.ts'

const SHOWN_VIOLATIONS = 60

/** The report as lines for a person; ends with the verdict. */
export function renderReport(report: ChaosReport): string {
  const { figures, sizes } = report
  const shown = counted(report.violations).slice(0, SHOWN_VIOLATIONS)
  return [
    `seed ${report.seed}: ${report.struck.length} faults in ${Math.round(report.durationMs / 1_000)} s, quiet after ${report.quietMs} ms`,
    `messages ${figures.messages}, tasks ${JSON.stringify(figures.tasks)}, ${JSON.stringify(report.counts)}`,
    `events ${figures.events}, seen ${figures.framesSeen} by ${JSON.stringify(report.viewers)}`,
    `commands ${figures.commands} (${figures.lostCommands} reported lost), edits ${figures.edits}`,
    `model calls ${figures.modelCalls}, repeated ${figures.repeatedModelCalls} (allowed ${figures.repeatsAllowed})`,
    `sizes before ${JSON.stringify(sizes.before)}, after ${JSON.stringify(sizes.after)}`,
    ...renderRecoveries(report.recoveries),
    ...shown.map((violation) => `VIOLATION ${violation}`),
    `${report.violations.length} violations`,
  ].join('\n')
}

/** Each sentence once, with how often it was said, so that one that comes back all the time hides no other. */
function counted(sentences: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const sentence of sentences) counts.set(sentence, (counts.get(sentence) ?? 0) + 1)
  return [...counts].map(([sentence, count]) => (count === 1 ? sentence : `${sentence} (${count} times)`))
}

export function renderRecoveries(recoveries: readonly Recovery[]): string[] {
  return [
    'recovery                      n    p50 ms    p95 ms    max ms',
    ...recoveries.map(({ fault, count, p50Ms, p95Ms, maxMs }) =>
      [fault.padEnd(24), ...[count].map(pad6), ...[p50Ms, p95Ms, maxMs].map(pad10)].join(''),
    ),
  ]
}

const pad6 = (value: number): string => String(value).padStart(7)
const pad10 = (value: number): string => String(value).padStart(10)
