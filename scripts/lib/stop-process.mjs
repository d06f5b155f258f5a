import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, sendSignal } from './process-identity.mjs'

/** @typedef {readonly (readonly [signal: NodeJS.Signals, waitMs: number])[]} StopPlan */

/** @type {StopPlan} */
const POLITE = [
  ['SIGTERM', 10_000],
  ['SIGKILL', 5_000],
]

/** @type {Record<string, StopPlan>} */
const PLANS = {
  // Postgres takes SIGTERM as "when all clients have left"; SIGINT ends their sessions and stops cleanly.
  postgres: [
    ['SIGINT', 15_000],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ],
  // The worker hands its tasks over before it ends.
  worker: [
    ['SIGTERM', 15_000],
    ['SIGKILL', 5_000],
  ],
}

/**
 * Stops one process the way its kind wants it, sharper after each time limit, and returns when it is gone.
 * A stopped (SIGSTOP) process is woken first. Twice is safe.
 *
 * @param {import('./process-identity.mjs').ProcessIdentity} identity
 * @param {string} name the part's name, which chooses the signals
 * @returns {Promise<NodeJS.Signals | undefined>} the signal that ended it; undefined when it was gone already
 */
export async function stopProcess(identity, name) {
  for (const [signal, waitMs] of PLANS[name] ?? POLITE) {
    if (!sendSignal(identity, signal)) return undefined
    sendSignal(identity, 'SIGCONT')
    if (await isGoneWithin(identity, waitMs)) return signal
  }
  throw new Error(`${name} (process ${identity.pid}) could not be stopped.`)
}

/**
 * @param {import('./process-identity.mjs').ProcessIdentity} identity
 * @param {number} waitMs
 * @returns {Promise<boolean>}
 */
export async function isGoneWithin(identity, waitMs) {
  const deadline = Date.now() + waitMs
  while (isAlive(identity)) {
    if (Date.now() >= deadline) return false
    await sleep(20)
  }
  return true
}
