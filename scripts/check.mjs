/** `npm run check`: format, lint, types, import arrows, dead code. All of them run; exit code 1 when any complains. */
import './lib/node-version.mjs'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { generateDatabaseClient } from './lib/build.mjs'
import { toolEnv } from './lib/child-env.mjs'
import { ensureDependencies } from './lib/dependencies.mjs'
import { createLog } from './lib/log.mjs'
import { ROOT, readSettings } from './lib/paths.mjs'
import { runForeground } from './lib/run-foreground.mjs'
import { orAborted, runScript } from './lib/run-script.mjs'

/** @type {readonly { title: string, program: string, args: readonly string[], needs?: string }[]} */
const CHECKS = [
  { title: 'format', program: '@biomejs/biome/bin/biome', args: ['check', '.'] },
  { title: 'lint', program: 'oxlint/bin/oxlint', args: ['--type-aware', '--deny-warnings'] },
  { title: 'types', program: 'typescript/bin/tsc', args: ['--noEmit', '-p', 'tsconfig.json'] },
  {
    title: 'types of the page',
    program: 'typescript/bin/tsc',
    args: ['--noEmit', '-p', 'src/web/tsconfig.json'],
    needs: 'src/web/tsconfig.json',
  },
  { title: 'import arrows', program: 'dependency-cruiser/bin/dependency-cruise.mjs', args: ['src'] },
  {
    title: 'circles of types',
    program: 'dependency-cruiser/bin/dependency-cruise.mjs',
    args: ['src', '--config', '.dependency-cruiser.types.cjs'],
  },
  { title: 'dead code', program: 'knip/bin/knip.js', args: [] },
]

await runScript(async (signal) => {
  const log = createLog()
  const settings = readSettings(process.env)
  await orAborted(signal, ensureDependencies(ROOT, settings, log))
  await orAborted(signal, generateDatabaseClient({ root: ROOT, env: settings, log }))
  /** @type {string[]} */
  const failed = []
  for (const { title, program, args, needs } of CHECKS) {
    if (needs !== undefined && !existsSync(join(ROOT, needs))) continue
    log.info(title)
    const command = [join(ROOT, 'node_modules', program), ...args]
    const code = await runForeground(process.execPath, command, { cwd: ROOT, env: toolEnv(settings), signal })
    if (code !== 0) failed.push(title)
    if (signal.aborted) return 130
  }
  log.info(failed.length === 0 ? 'All checks passed.' : `Failed: ${failed.join(', ')}.`)
  return failed.length === 0 ? 0 : 1
})
