/**
 * What `npm pack` calls: `before` builds everything and writes `npm-shrinkwrap.json`, by which an installation gets the
 * very packages of package-lock.json; `after` removes it, since in a checkout it would stand in for that file.
 */
import './lib/node-version.mjs'
import { build } from './lib/build.mjs'
import { ensureDependencies } from './lib/dependencies.mjs'
import { createLog } from './lib/log.mjs'
import { ROOT, readSettings } from './lib/paths.mjs'
import { orAborted, runScript } from './lib/run-script.mjs'
import { removeShrinkwrap, writeShrinkwrap } from './lib/shrinkwrap.mjs'
import { StartError } from './lib/start-error.mjs'

await runScript(async (signal) => {
  const [when] = process.argv.slice(2)
  if (when === 'after') {
    removeShrinkwrap(ROOT)
    return 0
  }
  if (when !== 'before') throw new StartError('node scripts/pack.mjs takes one word: before or after.')
  const log = createLog()
  const settings = readSettings(process.env)
  await orAborted(signal, ensureDependencies(ROOT, settings, log))
  await orAborted(signal, build({ root: ROOT, env: settings, log }))
  writeShrinkwrap(ROOT)
  return 0
})
