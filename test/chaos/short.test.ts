import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { testBinaries } from './binaries.ts'
import { renderReport } from './report.ts'
import { runChaos } from './run.ts'

const FIXED_SEED = 20
const KILLS = 20

let home: string

afterEach(() => rmSync(home, { recursive: true, force: true }))

test.each([
  ['the fixed', FIXED_SEED],
  ['a random', Math.floor(Math.random() * 1_000_000)],
])('nothing is lost or done twice while every part is killed: %s seed (%i)', async (_, seed) => {
  home = mkdtempSync(join(tmpdir(), 'keelson-chaos-'))
  const lines: string[] = []
  const report = await runChaos({
    seed,
    kills: KILLS,
    tasks: 12,
    projects: 4,
    extraWorkers: 1,
    pace: { minMs: 300, maxMs: 3_000 },
    quietMs: 60_000,
    home,
    binaries: testBinaries(),
    say: (line) => lines.push(line),
  })
  process.stdout.write(`${renderReport(report)}\n`)
  expect(report.violations, lines.join('\n')).toEqual([])
  expect(report.struck.length).toBe(KILLS)
})
