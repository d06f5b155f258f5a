import { mkdirSync, statSync, utimesSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Below the ports that systems hand to outgoing connections (32768 and up on Linux), so that a store that is restarted
// on its port does not find an unrelated connection sitting there.
const LOWEST = 20_000
const HIGHEST = 32_000

/** Longer than any part takes from the choice of its port to listening on it. */
const RESERVED_FOR_MS = 120_000

/**
 * Whether a server could listen there now. An answer for this moment only: callers must cope when it changes.
 *
 * @param {number} port
 * @param {string} [host]
 * @returns {Promise<boolean>}
 */
export function isPortFree(port, host = '127.0.0.1') {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/**
 * A port on the loopback interface where nothing listens, and which no other start on this machine was given within the
 * last two minutes.
 *
 * @returns {Promise<number>}
 */
export async function freePort() {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))
    if (reservePort(port) && (await isPortFree(port))) return port
  }
  throw new Error(`No free port was found between ${LOWEST} and ${HIGHEST}.`)
}

/**
 * Takes a port among the starts of one user, by a directory whose making is atomic.
 *
 * @param {number} port
 * @returns {boolean} false when another start has it
 */
function reservePort(port) {
  const directory = join(tmpdir(), `keelson-ports-${process.getuid?.() ?? 0}`)
  const file = join(directory, String(port))
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  try {
    mkdirSync(file)
    return true
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error
    if (Date.now() - statSync(file).mtimeMs < RESERVED_FOR_MS) return false
    utimesSync(file, new Date(), new Date())
    return true
  }
}

/**
 * The first free port from `first` on, at most 100 further.
 *
 * @param {number} first
 * @param {string} host
 * @returns {Promise<number>}
 */
export async function nextFreePort(first, host) {
  for (let port = first; port < first + 100; port++) if (await isPortFree(port, host)) return port
  throw new Error(`No free port was found between ${first} and ${first + 99}.`)
}

/**
 * Whether something accepts connections there.
 *
 * @param {number} port
 * @param {string} [host]
 * @param {number} [timeoutMs]
 * @returns {Promise<boolean>}
 */
export function canConnect(port, host = '127.0.0.1', timeoutMs = 1_000) {
  return new Promise((resolve) => {
    const socket = connect({ port, host })
    /** @param {boolean} answer */
    const end = (answer) => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(timeoutMs, () => end(false))
    socket.once('error', () => end(false))
    socket.once('connect', () => end(true))
  })
}
