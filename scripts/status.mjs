/** `npm run status`: what runs and how each part is; `--json` for programs. Exit code 0 when all is well, 1 otherwise. */
import './lib/node-version.mjs'
import { homeOf, readSettings } from './lib/paths.mjs'
import { runScript } from './lib/run-script.mjs'
import { showStatus } from './lib/show-status.mjs'

await runScript(() => showStatus({ home: homeOf(readSettings(process.env)), json: process.argv.includes('--json') }))
