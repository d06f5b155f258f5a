/** `npm run chat -- "message"`: the terminal's client, against the instance of this home directory. */
import './lib/node-version.mjs'
import { build } from './lib/build.mjs'
import { runChat } from './lib/chat.mjs'
import { ensureDependencies } from './lib/dependencies.mjs'
import { createLog } from './lib/log.mjs'
import { homeOf, ROOT, readSettings } from './lib/paths.mjs'
import { orAborted, runScript } from './lib/run-script.mjs'

await runScript(async (signal) => {
  const log = createLog()
  const settings = readSettings(process.env)
  await orAborted(signal, ensureDependencies(ROOT, settings, log))
  await orAborted(signal, build({ root: ROOT, env: settings, log }))
  return runChat({ home: homeOf(settings), settings, args: process.argv.slice(2), signal })
})
