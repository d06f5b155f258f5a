/**
 * `npm run test:newest-node [-- ARGS]`: the tests of the parts, and those named by ARGS in their place, on the newest Node
 * that is supported, which is got when it is missing. Prints and ends as `npm test` does.
 */
import './lib/node-version.mjs'
import { delimiter, dirname, join } from 'node:path'
import { ensureDependencies } from './lib/dependencies.mjs'
import { createLog } from './lib/log.mjs'
import { ensureNewestNode } from './lib/other-node.mjs'
import { homeOf, ROOT, readSettings } from './lib/paths.mjs'
import { runForeground } from './lib/run-foreground.mjs'
import { orAborted, runScript } from './lib/run-script.mjs'

const PARTS = ['unit', 'workflow', 'integration']

await runScript(async (signal) => {
  const log = createLog()
  const settings = readSettings(process.env)
  await orAborted(signal, ensureDependencies(ROOT, settings, log))
  const node = await orAborted(signal, ensureNewestNode(join(homeOf(settings), 'bin'), settings, log))
  const given = process.argv.slice(2)
  const args = given.length > 0 ? given : PARTS.flatMap((part) => ['--project', part])
  const path = [dirname(node), process.env['PATH']].join(delimiter)
  return await runForeground(node, [join(ROOT, 'scripts', 'test.mjs'), ...args], {
    cwd: ROOT,
    env: { ...process.env, PATH: path },
    signal,
  })
})
