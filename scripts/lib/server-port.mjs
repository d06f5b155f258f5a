import { isPortFree, nextFreePort } from './ports.mjs'
import { StartError } from './start-error.mjs'

const DEFAULT_PORT = 3000

/**
 * The port for the server: the one the user set, which must be free, or else 3000 or the next free one.
 *
 * @param {NodeJS.ProcessEnv} settings
 * @param {string} host
 * @returns {Promise<number>}
 */
export async function chooseServerPort(settings, host) {
  const wanted = settings['PORT']
  if (wanted === undefined) return nextFreePort(DEFAULT_PORT, host)
  const port = Number(wanted)
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new StartError(`PORT is not a port number: ${wanted}.`)
  if (port === 0) return nextFreePort(DEFAULT_PORT, host)
  if (await isPortFree(port, host)) return port
  throw new StartError(`PORT ${port} cannot be listened on at ${host}; is something else using it?`)
}

/**
 * @param {string} host where the server listens
 * @param {number} port
 * @returns {string} where this machine reaches it
 */
export function serverUrl(host, port) {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`
}
