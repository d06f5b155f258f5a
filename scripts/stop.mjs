/** `npm run stop`: stops the instance of this home directory, and what a killed one left running. */
import './lib/node-version.mjs'
import { createLog } from './lib/log.mjs'
import { homeOf, readSettings } from './lib/paths.mjs'
import { sendSignal } from './lib/process-identity.mjs'
import { stopOrphans } from './lib/process-ledger.mjs'
import { runScript } from './lib/run-script.mjs'
import { StartError } from './lib/start-error.mjs'
import { readLockHolder } from './lib/start-lock.mjs'
import { removeState } from './lib/state.mjs'
import { isGoneWithin } from './lib/stop-process.mjs'

const TIME_LIMIT_MS = 90_000

await runScript(async () => {
  const log = createLog()
  const home = homeOf(readSettings(process.env))
  const holder = readLockHolder(home)
  if (holder === undefined) {
    const stopped = await stopOrphans(home, log)
    removeState(home)
    log.info(stopped.length === 0 ? 'Nothing is running.' : 'Stopped.')
    return 0
  }
  log.info(`Stopping Keelson (process ${holder.pid}) …`)
  sendSignal(holder, 'SIGTERM')
  if (!(await isGoneWithin(holder, TIME_LIMIT_MS))) {
    throw new StartError(`Process ${holder.pid} did not end within ${TIME_LIMIT_MS / 1000} s.`)
  }
  log.info('Stopped.')
  return 0
})
