import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * A process that can be told from a later one with the same number.
 *
 * @typedef {object} ProcessIdentity
 * @property {number} pid
 * @property {string} start when it started: boot id and clock ticks on Linux, the date that `ps` prints elsewhere
 */

/**
 * @param {number} pid
 * @returns {string | undefined} when the process started; undefined when there is none, or only its unreaped remains
 */
export function startOf(pid) {
  return process.platform === 'linux' ? startOnLinux(pid) : startByPs(pid)
}

/**
 * @param {number} pid
 * @returns {ProcessIdentity | undefined}
 */
export function identify(pid) {
  const start = startOf(pid)
  return start === undefined ? undefined : { pid, start }
}

/**
 * Whether exactly this process still lives. A zombie does not.
 *
 * @param {ProcessIdentity} identity
 * @returns {boolean}
 */
export function isAlive(identity) {
  return startOf(identity.pid) === identity.start
}

/**
 * Sends a signal to exactly this process.
 *
 * @param {ProcessIdentity} identity
 * @param {NodeJS.Signals} signal
 * @returns {boolean} false when it is gone
 */
export function sendSignal(identity, signal) {
  if (!isAlive(identity)) return false
  try {
    process.kill(identity.pid, signal)
    return true
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ESRCH') return false
    throw error
  }
}

/**
 * @param {number} pid
 * @returns {string | undefined}
 */
function startOnLinux(pid) {
  let stat
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The program's name, in parentheses, may itself hold blanks and parentheses: fields count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const state = fields[0]
  const startTicks = fields[19]
  if (startTicks === undefined || state === 'Z' || state === 'X') return undefined
  return `${bootId()}/${startTicks}`
}

/** @returns {string} */
function bootId() {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return 'unknown'
  }
}

/**
 * @param {number} pid
 * @returns {string | undefined}
 */
function startByPs(pid) {
  const result = spawnSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    timeout: 5_000,
  })
  const line = (result.stdout ?? '').trim()
  if (result.status !== 0 || line === '' || line.startsWith('Z')) return undefined
  return line.replace(/^\S+\s+/, '')
}
