/** `npm start`: gets what is missing, starts everything and keeps it running until Ctrl-C. */
import './lib/node-version.mjs'
import { homeOf, readSettings } from './lib/paths.mjs'
import { runScript } from './lib/run-script.mjs'
import { startInstance } from './lib/start-instance.mjs'

await runScript((signal) => {
  const settings = readSettings(process.env)
  return startInstance({ home: homeOf(settings), settings, json: process.argv.includes('--json'), signal })
})
