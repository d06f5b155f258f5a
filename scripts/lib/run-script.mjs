import { StartError } from './start-error.mjs'

const SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])
const EXIT_AFTER_SIGNAL = 130
const SIGNALS_TO_GIVE_UP = 3
const WRITE_TIMEOUT_MS = 5_000

/**
 * Runs a script's main function and ends the process with the exit code it returns. A StartError is shown as its
 * sentence and detail, anything else with its stack, both with exit code 1. The first SIGINT, SIGTERM or SIGHUP aborts
 * the signal given to `main`, which then has to end; the exit code of an aborted run that fails is 130. The third one
 * ends the process at once; what it leaves running, the next start stops.
 *
 * @param {(signal: AbortSignal) => Promise<number>} main
 */
export async function runScript(main) {
  const abort = new AbortController()
  let signals = 0
  for (const name of SIGNALS) {
    process.on(name, () => {
      abort.abort(name)
      if (++signals === SIGNALS_TO_GIVE_UP) process.exit(EXIT_AFTER_SIGNAL)
    })
  }
  // A terminal that was closed must not end the process half-way through its clean stop.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  let code = 1
  try {
    code = await main(abort.signal)
  } catch (error) {
    if (abort.signal.aborted) code = EXIT_AFTER_SIGNAL
    else show(error)
  }
  await written(process.stdout)
  process.exit(code)
}

/**
 * Waits until a pipe has taken what was written to it, at most five seconds: a long answer would be cut off by the exit.
 *
 * @param {NodeJS.WriteStream} stream
 * @returns {Promise<void>}
 */
function written(stream) {
  return new Promise((resolve) => {
    if (stream.writableLength === 0) return resolve()
    const timer = setTimeout(resolve, WRITE_TIMEOUT_MS)
    stream.write('', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** @param {unknown} error */
function show(error) {
  if (!(error instanceof StartError)) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    return
  }
  process.stderr.write(`\n${error.message}\n`)
  if (error.detail !== undefined && error.detail !== '') process.stderr.write(`${error.detail}\n`)
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<void>} resolves when the signal is aborted
 */
export function aborted(signal) {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/**
 * Rejects as soon as the signal is aborted, so that a script need not wait for work that cannot be interrupted.
 *
 * @template T
 * @param {AbortSignal} signal
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
export function orAborted(signal, work) {
  return Promise.race([work, aborted(signal).then(() => Promise.reject(new StartError('Stopped.')))])
}
