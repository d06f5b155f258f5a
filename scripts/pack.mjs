/**
 * What `npm pack` calls: `before` builds everything and locks the package to the versions of package-lock.json, `after`
 * makes the directory a checkout again.
 */
import './lib/node-version.mjs'
import { build } from './lib/build.mjs'
import { ensureDependencies } from './lib/dependencies.mjs'
import { lockPackage, unlockPackage } from './lib/lock-package.mjs'
import { createLog } from './lib/log.mjs'
import { ROOT, readSettings } from './lib/paths.mjs'
import { orAborted, runScript } from './lib/run-script.mjs'
import { StartError } from './lib/start-error.mjs'

await runScript(async (signal) => {
  const [when] = process.argv.slice(2)
  if (when === 'after') {
    unlockPackage(ROOT)
    return 0
  }
  if (when !== 'before') throw new StartError('node scripts/pack.mjs takes one word: before or after.')
  const log = createLog()
  const settings = readSettings(process.env)
  await orAborted(signal, ensureDependencies(ROOT, settings, log))
  await orAborted(signal, build({ root: ROOT, env: settings, log }))
  lockPackage(ROOT)
  return 0
})
