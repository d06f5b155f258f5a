import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { identify, isAlive } from './process-identity.mjs'
import { stopProcess } from './stop-process.mjs'
import { writeAtomically } from './write-atomically.mjs'

/**
 * Which processes a supervisor has started, written down the moment each exists. `state.json` tells what runs once all
 * of it runs; this file also knows the parts of a start that was killed half-way, so that the next start finds them.
 *
 * @typedef {object} ProcessLedger
 * @property {(name: string, pid: number) => void} record
 * @property {(name: string) => void} forget
 */

/** @typedef {Record<string, import('./process-identity.mjs').ProcessIdentity>} Entries */

/** @param {string} home */
const fileOf = (home) => join(home, 'processes.json')

/**
 * @param {string} home
 * @returns {ProcessLedger}
 */
export function openLedger(home) {
  /** @type {Entries} */
  const entries = {}
  const save = () => writeAtomically(fileOf(home), `${JSON.stringify(entries, null, 2)}\n`)
  return {
    record(name, pid) {
      const identity = identify(pid)
      if (identity === undefined) return
      entries[name] = identity
      save()
    },
    forget(name) {
      if (!(name in entries)) return
      delete entries[name]
      if (Object.keys(entries).length > 0) save()
      else rmSync(fileOf(home), { force: true })
    },
  }
}

// Who uses a store ends before it.
const STOP_ORDER = ['worker', 'server', 'model', 'temporal', 'redis', 'postgres']

/**
 * Stops what a supervisor that is gone has left running, cleanly and in order. Safe to repeat.
 *
 * @param {string} home
 * @param {import('./log.mjs').Log} log
 * @returns {Promise<string[]>} the names of what was stopped
 */
export async function stopOrphans(home, log) {
  const entries = readEntries(home)
  const left = Object.keys(entries)
    .filter((name) => entries[name] !== undefined && isAlive(entries[name]))
    .sort((a, b) => STOP_ORDER.indexOf(a) - STOP_ORDER.indexOf(b))
  if (left.length > 0) log.warn(`An earlier run ended without stopping ${left.join(', ')}; stopping them now.`)
  for (const name of left) {
    const identity = entries[name]
    if (identity !== undefined) await stopProcess(identity, name)
  }
  rmSync(fileOf(home), { force: true })
  return left
}

/**
 * @param {string} home
 * @returns {Entries}
 */
function readEntries(home) {
  try {
    return JSON.parse(readFileSync(fileOf(home), 'utf8'))
  } catch {
    return {}
  }
}
