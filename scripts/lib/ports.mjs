import { connect, createServer } from 'node:net'

// Below the ports that systems hand to outgoing connections (32768 and up on Linux), so that a store that is restarted
// on its port does not find an unrelated connection sitting there.
const LOWEST = 20_000
const HIGHEST = 32_000

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
 * A port on the loopback interface where nothing listens, picked by chance so that two starts rarely meet.
 *
 * @returns {Promise<number>}
 */
export async function freePort() {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))
    if (await isPortFree(port)) return port
  }
  throw new Error(`No free port was found between ${LOWEST} and ${HIGHEST}.`)
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
