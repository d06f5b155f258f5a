import type { RowResult, StoresReport } from './play.ts'

/** The report as lines for a person; ends with the verdict. */
export function renderStores({ results, fullness, violations }: StoresReport): string {
  return [
    'away                              ready again s   work goes on s   posts refused   accepted',
    ...results.map(lineOf),
    ...Object.entries(fullness).map(([store, how]) => `full, ${store}: ${how ?? 'not possible for this user'}`),
    ...violations.map((violation) => `VIOLATION ${violation}`),
    `${violations.length} violations`,
  ].join('\n')
}

function lineOf({ name, readyMs, workMs, refused, accepted }: RowResult): string {
  const cells = [seconds(readyMs).padStart(13), seconds(workMs).padStart(17), String(refused).padStart(16)]
  return `${name.padEnd(34)}${cells.join('')}${String(accepted).padStart(11)}`
}

const seconds = (ms: number | null): string => (ms === null ? '–' : (ms / 1_000).toFixed(1))
