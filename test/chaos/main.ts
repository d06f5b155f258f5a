/** `npm run chaos`: one long run on a private instance. Arguments: `--kills N --seed N --tasks M --projects P`. */

import { parseArgs } from 'node:util'
import { testBinaries } from './binaries.ts'
import { renderReport } from './report.ts'
import { runChaos } from './run.ts'

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string' },
    tasks: { type: 'string', default: '30' },
    projects: { type: 'string', default: '6' },
    'extra-workers': { type: 'string', default: '1' },
  },
})
const home = process.env['KEELSON_CHAOS_HOME'] ?? ''

const report = await runChaos({
  seed: Number(values.seed ?? Math.floor(Math.random() * 1_000_000)),
  kills: Number(values.kills),
  tasks: Number(values.tasks),
  projects: Number(values.projects),
  extraWorkers: Number(values['extra-workers']),
  pace: { minMs: 500, maxMs: 4_000 },
  quietMs: 180_000,
  home,
  binaries: testBinaries(),
  say: (line) => process.stdout.write(`${new Date().toISOString().slice(11, 23)} ${line}\n`),
})
process.stdout.write(`${renderReport(report)}\n`)
process.exitCode = report.violations.length === 0 ? 0 : 1
