import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive } from './process-identity.mjs'
import { writeAtomically } from './write-atomically.mjs'

/**
 * What runs, for scripts and people. A store that is not ours (set by the user) has no process here.
 *
 * @typedef {object} State
 * @property {string} url
 * @property {string} apiToken
 * @property {Partial<Record<PartName, number>>} processes process numbers
 * @property {Partial<Record<PartName, string>>} starts when each process started, see process-identity.mjs
 * @property {{ address?: string | undefined, namespace: string, webUrl?: string | undefined }} temporal
 * @property {string} databaseUrl
 * @property {string} redisUrl
 * @property {{ kind: 'anthropic' | 'scripted', name: string, baseUrl: string }} model
 * @property {string} startedAt ISO 8601
 */

/** @typedef {'supervisor' | 'server' | 'worker' | 'model' | 'temporal' | 'redis' | 'postgres'} PartName */

/** @param {string} home */
const fileOf = (home) => join(home, 'state.json')

/**
 * @param {string} home
 * @returns {State | undefined} undefined when there is no readable state; says nothing about whether it still runs
 */
export function readState(home) {
  try {
    return JSON.parse(readFileSync(fileOf(home), 'utf8'))
  } catch {
    return undefined
  }
}

/**
 * @param {string} home
 * @param {State} state
 */
export function writeState(home, state) {
  writeAtomically(fileOf(home), `${JSON.stringify(state, null, 2)}\n`)
}

/** @param {string} home */
export function removeState(home) {
  rmSync(fileOf(home), { force: true })
}

/**
 * Whether a part of a state is the process it was when the state was written.
 *
 * @param {State} state
 * @param {PartName} part
 * @returns {boolean}
 */
export function isPartAlive(state, part) {
  const pid = state.processes[part]
  const start = state.starts[part]
  return pid !== undefined && start !== undefined && isAlive({ pid, start })
}

/**
 * The state of the instance that runs now, or undefined.
 *
 * @param {string} home
 * @returns {State | undefined}
 */
export function readRunningState(home) {
  const state = readState(home)
  return state !== undefined && isPartAlive(state, 'supervisor') ? state : undefined
}
