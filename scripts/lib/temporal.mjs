import { join } from 'node:path'
import { makePrivateDirectory, startChild, waitUntilReady } from './child.mjs'
import { plainEnv } from './child-env.mjs'
import { servesNamespace } from './grpc-call.mjs'
import { ROOT } from './paths.mjs'
import { freePort } from './ports.mjs'

const READY_TIMEOUT_MS = 90_000

/**
 * @typedef {import('./child.mjs').Child & { address: string, namespace: string, webUrl: string, port: number,
 *   uiPort: number }} RunningTemporal
 */

/**
 * Starts Temporal's development server by `temporal-dev.sh`, with its data in `<home>/temporal`, and returns when it
 * serves the namespace. Rejects with a StartError, leaving nothing running.
 *
 * @param {import('./postgres.mjs').StoreOptions & { binary: string, uiPort?: number, namespace?: string }} options
 * @returns {Promise<RunningTemporal>}
 */
export async function startTemporal(options) {
  const directory = join(options.home, 'temporal')
  makePrivateDirectory(options.home)
  makePrivateDirectory(directory)
  const namespace = options.namespace ?? 'keelson'
  const port = options.port ?? (await freePort())
  const uiPort = options.uiPort ?? (await freePort())
  const values = { port, 'ui-port': uiPort, db: join(directory, 'temporal.db'), namespace, bin: options.binary }
  const child = await startChild({
    name: 'temporal',
    command: '/bin/sh',
    args: [
      join(ROOT, 'temporal-dev.sh'),
      ...Object.entries(values).flatMap(([name, value]) => [`--${name}`, `${value}`]),
    ],
    env: plainEnv(options.env),
    cwd: directory,
    logFile: join(options.home, 'logs', 'temporal.log'),
    ledger: options.ledger,
  })
  const address = `127.0.0.1:${port}`
  await waitUntilReady(child, () => servesNamespace(address, namespace), {
    timeoutMs: READY_TIMEOUT_MS,
    signal: options.signal,
  })
  return { ...child, address, namespace, webUrl: `http://127.0.0.1:${uiPort}`, port, uiPort }
}
