/**
 * `npm test`: gets what is missing, starts private stores, runs Vitest against them with the arguments given here, and
 * stops the stores whatever happens. Its last line is `N passed, N failed, N skipped`. With CI=true on Linux, a test that
 * was skipped without a reason that lies in the machine fails the run.
 */
import './lib/node-version.mjs'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { bootstrap } from './lib/bootstrap.mjs'
import { ensureBrowser, ensureFirefox } from './lib/browser.mjs'
import { createLog } from './lib/log.mjs'
import { homeOf, ROOT, readSettings } from './lib/paths.mjs'
import { makePrivateHome } from './lib/private-home.mjs'
import { runForeground } from './lib/run-foreground.mjs'
import { orAborted, runScript } from './lib/run-script.mjs'
import { startStores } from './lib/stores.mjs'
import { testEnv, withoutStores } from './lib/test-env.mjs'
import { closingLine, readTestResult, unexcusedSkips } from './lib/test-result.mjs'

await runScript(async (signal) => {
  const log = createLog()
  const home = homeOf(readSettings(process.env))
  const settings = withoutStores(process.env)
  const args = process.argv.slice(2)
  const binaries = await orAborted(signal, bootstrap({ root: ROOT, home, settings, log }))
  const browser = await orAborted(signal, ensureBrowser(settings, log))
  const firefox = await orAborted(signal, ensureFirefox(settings, log))
  const { redis = '', temporal = '' } = binaries
  const privateHome = await makePrivateHome(join(home, 'test'), log)
  const stores = await startStores({ home: privateHome, env: settings, binaries: { redis, temporal }, log, signal })
  const resultFile = join(privateHome, 'result.json')
  rmSync(resultFile, { force: true })
  /** @type {number} */
  let code
  try {
    log.info('Postgres, Redis and Temporal run for the tests')
    code = await runForeground(
      process.execPath,
      [
        join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'),
        'run',
        '--reporter=default',
        `--reporter=${join(ROOT, 'scripts', 'lib', 'test-reporter.mjs')}`,
        ...args,
      ],
      { cwd: ROOT, env: testEnv(settings, stores, { ...binaries, browser, firefox }, resultFile), signal },
    )
  } finally {
    await stores.stop()
  }
  const result = readTestResult(resultFile)
  const isWhole = !args.some((arg) => arg === '-t' || arg.startsWith('--testNamePattern'))
  const isStrict = process.platform === 'linux' && process.env['CI'] === 'true' && isWhole
  const skips = isStrict ? unexcusedSkips(result) : []
  for (const test of skips)
    process.stderr.write(`Skipped without leave: ${test.file} > ${test.name} (${test.note ?? 'no reason'})\n`)
  process.stdout.write(`${closingLine(result)}\n`)
  return code === 0 && skips.length > 0 ? 1 : code
})
