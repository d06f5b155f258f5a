/** `npm run stop`: stops the instance of this home directory, and what a killed one left running. */
import './lib/node-version.mjs'
import { homeOf, readSettings } from './lib/paths.mjs'
import { runScript } from './lib/run-script.mjs'
import { stopInstance } from './lib/stop-instance.mjs'

await runScript(() => stopInstance({ home: homeOf(readSettings(process.env)), json: process.argv.includes('--json') }))
