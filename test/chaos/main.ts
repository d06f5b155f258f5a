/**
 * `npm run chaos`: one long run on a private instance, `--kills N --seed N --tasks M --projects P`; or, with `--stores`,
 * the rows of the stores' matrix, `--away-seconds N --rows "redis full,temporal stopped"` (all); or, with `--figures`, how
 * long a cancel and a reader's return take, `--samples N`.
 */

import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { testBinaries } from './binaries.ts'
import { measureFigures } from './figures.ts'
import { renderRecoveries, renderReport } from './report.ts'
import { runChaos } from './run.ts'
import { MATRIX, NETWORK_MATRIX, nameOf, rowsNamed } from './stores/matrix.ts'
import { playStores } from './stores/play.ts'
import { renderStores } from './stores/report.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string' },
    tasks: { type: 'string', default: '30' },
    projects: { type: 'string', default: '6' },
    'extra-workers': { type: 'string', default: '1' },
    stores: { type: 'boolean', default: false },
    'away-seconds': { type: 'string', default: '60' },
    rows: { type: 'string' },
    figures: { type: 'boolean', default: false },
    samples: { type: 'string', default: '50' },
  },
})
const home = process.env['KEELSON_CHAOS_HOME'] ?? ''
const binaries = testBinaries()
const say = (line: string): void => void process.stdout.write(`${new Date().toISOString().slice(11, 23)} ${line}\n`)

const violations = values.figures ? await measure() : values.stores ? await strikeStores() : await strikeEverything()
process.exitCode = violations.length === 0 ? 0 : 1

/** Throws when something was left behind. */
async function measure(): Promise<readonly string[]> {
  const figures = await measureFigures({ samples: Number(values.samples), home, binaries, say })
  process.stdout.write(`${renderRecoveries(figures).join('\n')}\n`)
  return []
}

async function strikeStores(): Promise<readonly string[]> {
  const chosen = values.rows === undefined ? undefined : new Set(rowsNamed(...values.rows.split(',')).map(nameOf))
  const awayMs = Number(values['away-seconds']) * 1_000
  const violations: string[] = []
  for (const [folder, matrix] of Object.entries({ stores: MATRIX, network: NETWORK_MATRIX })) {
    const rows = matrix.filter((row) => chosen === undefined || chosen.has(nameOf(row)))
    if (rows.length === 0) continue
    const isProxied = matrix === NETWORK_MATRIX
    const report = await playStores({ rows, isProxied, awayMs, home: join(home, folder), binaries, say })
    process.stdout.write(`${renderStores(report)}\n`)
    violations.push(...report.violations)
  }
  return violations
}

async function strikeEverything(): Promise<readonly string[]> {
  const report = await runChaos({
    seed: Number(values.seed ?? Math.floor(Math.random() * 1_000_000)),
    kills: Number(values.kills),
    tasks: Number(values.tasks),
    projects: Number(values.projects),
    extraWorkers: Number(values['extra-workers']),
    pace: { minMs: 500, maxMs: 4_000 },
    quietMs: 180_000,
    ...{ home, binaries, say },
  })
  process.stdout.write(`${renderReport(report)}\n`)
  return report.violations
}
