/**
 * @typedef {object} Log
 * @property {(line: string) => void} info One line about something that is being done or is done.
 * @property {(line: string) => void} warn One line that a person should notice.
 */

/**
 * Lines for a person who watches a start: each carries the seconds since the log was made. Never secrets.
 *
 * @param {{ write(text: string): unknown }} [stream] where the lines go, standard error by default, so that a script's
 * own output stays clean
 * @returns {Log}
 */
export function createLog(stream = process.stderr) {
  const startedAt = Date.now()
  /** @param {string} line */
  const write = (line) => {
    const seconds = ((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)
    stream.write(`${seconds}s  ${line}\n`)
  }
  return { info: write, warn: (line) => write(`! ${line}`) }
}

/** @type {Log} A log that says nothing. */
export const SILENT = { info: () => undefined, warn: () => undefined }

/**
 * Runs `work`, announcing it before, every ten seconds while it lasts, and its duration after.
 *
 * @template T
 * @param {Log} log
 * @param {string} title what is being done, such as "Installing the dependencies (npm ci)"
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function announced(log, title, work) {
  const startedAt = Date.now()
  const seconds = () => `${((Date.now() - startedAt) / 1000).toFixed(1)} s`
  log.info(`${title} …`)
  const timer = setInterval(() => log.info(`${title} … still working after ${seconds()}`), 10_000)
  timer.unref()
  try {
    const result = await work()
    log.info(`${title}: done in ${seconds()}`)
    return result
  } finally {
    clearInterval(timer)
  }
}
