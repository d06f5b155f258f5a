import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makePrivateDirectory } from './child.mjs'
import { identify } from './process-identity.mjs'
import { stopOrphans } from './process-ledger.mjs'
import { readLockHolder } from './start-lock.mjs'

/**
 * A new, empty home directory for this process' own stores, so that several runs do not meet. Those of runs that have
 * ended are removed first, with whatever a killed one left running.
 *
 * @param {string} parent
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<string>}
 */
export async function makePrivateHome(parent, log) {
  makePrivateDirectory(parent)
  for (const name of readdirSync(parent)) {
    const home = join(parent, name)
    // Its process lives, but may not have taken its lock yet.
    const isBeingMade = identify(Number(name.replace('run-', ''))) !== undefined
    if (isBeingMade || readLockHolder(home) !== undefined) continue
    await stopOrphans(home, log)
    rmSync(home, { recursive: true, force: true })
  }
  const home = join(parent, `run-${process.pid}`)
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home)
  return home
}
