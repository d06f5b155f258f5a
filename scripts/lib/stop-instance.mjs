import { createLog } from './log.mjs'
import { sendSignal } from './process-identity.mjs'
import { stopOrphans } from './process-ledger.mjs'
import { StartError } from './start-error.mjs'
import { readLockHolder } from './start-lock.mjs'
import { removeState } from './state.mjs'
import { isGoneWithin } from './stop-process.mjs'

const TIME_LIMIT_MS = 90_000

/**
 * Stops the instance of a home directory, and what a killed one left running. Twice is safe. With `json` the outcome is
 * one object on standard output. Rejects with a StartError when it does not end in time.
 *
 * @param {{ home: string, json: boolean }} options
 * @returns {Promise<number>} exit code
 */
export async function stopInstance({ home, json }) {
  const log = createLog()
  /** @param {boolean} stopped whether something ran */
  const done = (stopped) => {
    log.info(stopped ? 'Stopped.' : 'Nothing is running.')
    if (json) process.stdout.write(`${JSON.stringify({ stopped })}\n`)
    return 0
  }
  const holder = readLockHolder(home)
  if (holder === undefined) {
    const stopped = await stopOrphans(home, log)
    removeState(home)
    return done(stopped.length > 0)
  }
  log.info(`Stopping Keelson (process ${holder.pid}) …`)
  sendSignal(holder, 'SIGTERM')
  if (!(await isGoneWithin(holder, TIME_LIMIT_MS))) {
    throw new StartError(`Process ${holder.pid} did not end within ${TIME_LIMIT_MS / 1000} s.`)
  }
  return done(true)
}
