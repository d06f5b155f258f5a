import { spawn } from 'node:child_process'
import { chmodSync, closeSync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { withoutDescriptors } from './close-descriptors.mjs'
import { identify, isAlive } from './process-identity.mjs'
import { lastLines } from './run-command.mjs'
import { StartError } from './start-error.mjs'
import { stopProcess } from './stop-process.mjs'

/** Files of ours are read and written by their owner alone. */
const PRIVATE_UMASK = 0o077

/**
 * A process that we started and watch.
 *
 * @typedef {object} Child
 * @property {string} name
 * @property {number} pid
 * @property {string} logFile
 * @property {number} logOffset where this run's lines begin in the log
 * @property {Promise<string>} exited resolves, never rejects, with how it ended: "exit code 1", "signal SIGKILL"
 * @property {() => string | undefined} ended how it ended, undefined while it runs
 * @property {() => Promise<void>} stop cleanly; twice is safe
 */

/**
 * @typedef {object} ChildSpec
 * @property {string} name
 * @property {string} command
 * @property {readonly string[]} args
 * @property {NodeJS.ProcessEnv} env
 * @property {string} cwd
 * @property {string} logFile
 * @property {{ uid: number, gid: number } | undefined} [user]
 * @property {import('./process-ledger.mjs').ProcessLedger | undefined} [ledger]
 */

/**
 * Starts a process in a session of its own, so that a Ctrl-C in the terminal reaches only the supervisor, with its
 * output going straight to its log, so that it does not depend on the supervisor's life. What it creates is closed to
 * other users of the machine, and of our own descriptors it is given none but those.
 *
 * @param {ChildSpec} spec
 * @returns {Promise<Child>} rejects with a StartError when the program cannot be run at all
 */
export async function startChild(spec) {
  mkdirSync(dirname(spec.logFile), { recursive: true })
  const log = openSync(spec.logFile, 'a', 0o600)
  const logOffset = fstatSync(log).size
  const { command, args } = withoutDescriptors(spec.command, spec.args)
  const child = withUmask(PRIVATE_UMASK, () =>
    spawn(command, args, {
      cwd: spec.cwd,
      env: spec.env,
      detached: true,
      stdio: ['ignore', log, log],
      ...(spec.user === undefined ? {} : { uid: spec.user.uid, gid: spec.user.gid }),
    }),
  )
  /** @type {string | undefined} */
  let ending
  /** @type {Promise<string>} */
  const exited = new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      ending = signal === null ? `exit code ${code}` : `signal ${signal}`
      resolve(ending)
    })
  })
  /** @type {Promise<void>} */
  const spawned = new Promise((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
  try {
    await spawned
  } catch (error) {
    throw new StartError(`${spec.name} could not be started: ${/** @type {Error} */ (error).message}.`, {
      cause: error,
    })
  } finally {
    closeSync(log)
  }
  const pid = /** @type {number} */ (child.pid)
  spec.ledger?.record(spec.name, pid)
  const identity = identify(pid)
  return {
    name: spec.name,
    pid,
    logFile: spec.logFile,
    logOffset,
    exited,
    ended: () => ending,
    async stop() {
      if (identity !== undefined && isAlive(identity)) await stopProcess(identity, spec.name)
      spec.ledger?.forget(spec.name)
    },
  }
}

/**
 * Runs `work` with another umask, which the processes that it starts inherit. `work` must not wait for anything.
 *
 * @template T
 * @param {number} umask
 * @param {() => T} work
 * @returns {T}
 */
function withUmask(umask, work) {
  const before = process.umask(umask)
  try {
    return work()
  } finally {
    process.umask(before)
  }
}

/**
 * Waits until a child is ready. If it ends first, takes too long, or the wait is aborted, the child is stopped and the
 * promise rejects with a StartError that holds the last lines of its log.
 *
 * @param {Child} child
 * @param {() => Promise<boolean> | boolean} isReady asked every 25 ms; must have a time limit of its own
 * @param {{ timeoutMs: number, signal?: AbortSignal | undefined }} options
 */
export async function waitUntilReady(child, isReady, options) {
  const deadline = Date.now() + options.timeoutMs
  let problem = `was not ready within ${options.timeoutMs / 1000} s`
  while (Date.now() < deadline) {
    if (options.signal?.aborted === true) {
      problem = 'was stopped while it started'
      break
    }
    const ending = child.ended()
    if (ending !== undefined) {
      problem = `ended while it started (${ending})`
      break
    }
    if (await isReady()) return
    await sleep(25)
  }
  await child.stop()
  throw new StartError(`${child.name} ${problem}. Its log is ${child.logFile}.`, { detail: lastLines(readLog(child)) })
}

/**
 * What this run of a child has written, its last 256 KiB.
 *
 * @param {{ logFile: string, logOffset: number }} child
 * @returns {string}
 */
export function readLog(child) {
  const file = openSync(child.logFile, 'r')
  try {
    const size = fstatSync(file).size
    const from = Math.max(child.logOffset > size ? 0 : child.logOffset, size - 256 * 1024)
    const buffer = Buffer.alloc(size - from)
    return buffer.toString('utf8', 0, readSync(file, buffer, 0, buffer.length, from))
  } finally {
    closeSync(file)
  }
}

/**
 * A directory that nobody else may list, read or pass.
 *
 * @param {string} path
 */
export function makeClosedDirectory(path) {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  chmodSync(path, 0o700)
}

/**
 * A directory closed to others except for passing through, which Postgres and the sandboxes need when root starts them as
 * another user.
 *
 * @param {string} path
 */
export function makePrivateDirectory(path) {
  mkdirSync(path, { recursive: true })
  chmodSync(path, process.getuid?.() === 0 ? 0o711 : 0o700)
}
