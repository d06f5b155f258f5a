import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { makeClosedDirectory, makePrivateDirectory, startChild, waitUntilReady } from './child.mjs'
import { plainEnv } from './child-env.mjs'
import { servesNamespace } from './grpc-call.mjs'
import { ROOT } from './paths.mjs'
import { freePort } from './ports.mjs'
import { openTemporalUi } from './temporal-ui.mjs'

const READY_TIMEOUT_MS = 90_000

/**
 * `webUrl` is absent where the Web UI cannot be had safely.
 *
 * @typedef {import('./child.mjs').Child & { address: string, namespace: string, webUrl: string | undefined, port: number,
 *   uiPort: number }} RunningTemporal
 */

/**
 * Starts Temporal's development server by `temporal-dev.sh`, with its data in `<home>/temporal`, and returns when it
 * serves the namespace. Its Web UI stands behind a front that asks who is meant; see temporal-ui.mjs. Rejects with a
 * StartError, leaving nothing running.
 *
 * @param {import('./postgres.mjs').StoreOptions & { binary: string, uiPort?: number, namespace?: string }} options
 * @returns {Promise<RunningTemporal>}
 */
export async function startTemporal(options) {
  const directory = join(options.home, 'temporal')
  makePrivateDirectory(options.home)
  makeClosedDirectory(directory)
  const namespace = options.namespace ?? 'keelson'
  const port = options.port ?? (await freePort())
  const uiPort = options.uiPort ?? (await freePort())
  // Only Linux has all of 127.0.0.0/8 on its loopback interface.
  const upstream = process.platform === 'linux' ? { host: hiddenLoopbackAddress(), port: await freePort() } : undefined
  const values = { port, db: join(directory, 'temporal.db'), namespace, bin: options.binary }
  const ui = upstream === undefined ? ['--headless'] : ['--ui-ip', upstream.host, '--ui-port', `${upstream.port}`]
  const child = await startChild({
    name: 'temporal',
    command: '/bin/sh',
    args: [
      join(ROOT, 'temporal-dev.sh'),
      ...Object.entries(values).flatMap(([name, value]) => [`--${name}`, `${value}`]),
      ...ui,
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
  const front = upstream === undefined ? undefined : await openFront(child, { port: uiPort, upstream })
  return { ...child, address, namespace, webUrl: front?.url, port, uiPort }
}

/**
 * @param {import('./child.mjs').Child} child
 * @param {Parameters<typeof openTemporalUi>[0]} options
 */
async function openFront(child, options) {
  try {
    const front = await openTemporalUi(options)
    void child.exited.then(front.close)
    return front
  } catch (error) {
    await child.stop()
    throw error
  }
}

/** An address of this machine that a page of a web site cannot guess, so that it cannot rebind its name to it. */
function hiddenLoopbackAddress() {
  return `127.${randomInt(16, 240)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
}
