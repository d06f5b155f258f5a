import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { testBinaries } from './binaries.ts'
import { rowsNamed } from './stores/matrix.ts'
import { playStores } from './stores/play.ts'
import { renderStores } from './stores/report.ts'

/** The faults that are easiest to overlook, and the network; `npm run chaos -- --stores` plays all for a minute. */
const ROWS = [
  'postgres full',
  'redis full',
  'temporal full',
  'postgres + temporal stopped',
  'postgres + redis + temporal lossy',
]
const AWAY_MS = 6_000

const home = mkdtempSync(join(tmpdir(), 'keelson-stores-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

test('stores that go for a while, alone and two at once, end no process and cost no message, event or effect', async () => {
  const lines: string[] = []
  const report = await playStores({
    rows: rowsNamed(...ROWS),
    isProxied: true,
    awayMs: AWAY_MS,
    home,
    binaries: testBinaries(),
    say: (line) => lines.push(line),
  })
  process.stdout.write(`${renderStores(report)}\n`)
  expect(report.violations, lines.join('\n')).toEqual([])
  // A user who may not mount a small file system cannot fill Temporal's; Postgres's fullness then has another cause.
  const possible = ROWS.filter((name) => name !== 'temporal full' || report.fullness.temporal !== null)
  expect(report.results.map(({ name }) => name)).toEqual(possible)
})
