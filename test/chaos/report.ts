import type { ChaosReport } from './run.ts'

const SHOWN_VIOLATIONS = 60

/** The report as lines for a person; ends with the verdict. */
export function renderReport(report: ChaosReport): string {
  const { figures, sizes } = report
  const shown = report.violations.slice(0, SHOWN_VIOLATIONS)
  return [
    `seed ${report.seed}: ${report.struck.length} faults in ${Math.round(report.durationMs / 1_000)} s, quiet after ${report.quietMs} ms`,
    `messages ${figures.messages}, tasks ${JSON.stringify(figures.tasks)}, ${JSON.stringify(report.counts)}`,
    `events ${figures.events}, seen ${figures.framesSeen} by ${JSON.stringify(report.viewers)}`,
    `commands ${figures.commands} (${figures.lostCommands} reported lost), edits ${figures.edits}`,
    `model calls ${figures.modelCalls}, repeated ${figures.repeatedModelCalls} (allowed ${figures.repeatsAllowed})`,
    `sizes before ${JSON.stringify(sizes.before)}, after ${JSON.stringify(sizes.after)}`,
    'recovery                      n    p50 ms    p95 ms    max ms',
    ...report.recoveries.map(({ fault, count, p50Ms, p95Ms, maxMs }) =>
      [fault.padEnd(24), ...[count].map(pad6), ...[p50Ms, p95Ms, maxMs].map(pad10)].join(''),
    ),
    ...shown.map((violation) => `VIOLATION ${violation}`),
    `${report.violations.length} violations`,
  ].join('\n')
}

const pad6 = (value: number): string => String(value).padStart(7)
const pad10 = (value: number): string => String(value).padStart(10)
