/** `npm run build`: installs the dependencies if needed and makes everything that is generated. */
import './lib/node-version.mjs'
import { build } from './lib/build.mjs'
import { ensureDependencies } from './lib/dependencies.mjs'
import { createLog } from './lib/log.mjs'
import { ROOT, readSettings } from './lib/paths.mjs'
import { orAborted, runScript } from './lib/run-script.mjs'

await runScript(async (signal) => {
  const log = createLog()
  const settings = readSettings(process.env)
  await orAborted(signal, ensureDependencies(ROOT, settings, log))
  await orAborted(signal, build({ root: ROOT, env: settings, log }))
  log.info('Built.')
  return 0
})
