import { request } from 'node:http'
import { readLog, waitUntilReady } from './child.mjs'
import { startNode } from './node-part.mjs'
import { canConnect, freePort } from './ports.mjs'
import { startPostgres } from './postgres.mjs'
import { startRedis } from './redis.mjs'
import { startTemporal } from './temporal.mjs'

/**
 * What all parts of one instance share.
 *
 * @typedef {object} PartContext
 * @property {string} home
 * @property {NodeJS.ProcessEnv} env the settings
 * @property {import('./log.mjs').Log} log
 * @property {import('./process-ledger.mjs').ProcessLedger} ledger
 */

/**
 * How to start a part, again and again at the same address.
 *
 * @template {import('./child.mjs').Child} T
 * @typedef {object} Part
 * @property {import('./state.mjs').PartName} name
 * @property {(signal: AbortSignal) => Promise<T>} start returns when it is ready; leaves nothing behind on failure
 */

const MODEL_TIMEOUT_MS = 30_000
const SERVER_TIMEOUT_MS = 60_000
const WORKER_TIMEOUT_MS = 120_000

/**
 * @param {PartContext} context
 * @returns {Promise<Part<import('./postgres.mjs').RunningPostgres>>}
 */
export async function postgresPart(context) {
  const port = await freePort()
  return { name: 'postgres', start: (signal) => startPostgres({ ...context, port, signal }) }
}

/**
 * @param {PartContext} context
 * @param {string} binary
 * @returns {Promise<Part<import('./redis.mjs').RunningRedis>>}
 */
export async function redisPart(context, binary) {
  const port = await freePort()
  return { name: 'redis', start: (signal) => startRedis({ ...context, binary, port, signal }) }
}

/**
 * @param {PartContext} context
 * @param {string} binary
 * @param {string} namespace
 * @returns {Promise<Part<import('./temporal.mjs').RunningTemporal>>}
 */
export async function temporalPart(context, binary, namespace) {
  const [port, uiPort] = [await freePort(), await freePort()]
  return {
    name: 'temporal',
    start: (signal) => startTemporal({ ...context, binary, namespace, port, uiPort, signal }),
  }
}

/** @typedef {import('./child.mjs').Child & { baseUrl: string }} RunningModel */

/**
 * The scripted server that stands in for the model when there is no key.
 *
 * @param {PartContext} context
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<Part<RunningModel>>}
 */
export async function modelPart(context, args, env) {
  const port = await freePort()
  return {
    name: 'model',
    async start(signal) {
      const child = await startNode(context, 'model', [...args, '--port', String(port), '--host', '127.0.0.1'], env)
      await waitUntilReady(child, () => canConnect(port), { timeoutMs: MODEL_TIMEOUT_MS, signal })
      return { ...child, baseUrl: `http://127.0.0.1:${port}` }
    },
  }
}

/**
 * @param {PartContext} context
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @param {string} url where it will answer
 * @returns {Part<import('./child.mjs').Child>}
 */
export function serverPart(context, args, env, url) {
  return {
    name: 'server',
    async start(signal) {
      const child = await startNode(context, 'server', args, env)
      // Its own word comes first: another instance's server may have taken the port a moment earlier, and would answer.
      const isReady = async () => readLog(child).includes('server ready') && (await answersOk(`${url}/healthz`))
      await waitUntilReady(child, isReady, { timeoutMs: SERVER_TIMEOUT_MS, signal })
      return child
    },
  }
}

/**
 * @param {PartContext} context
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Part<import('./child.mjs').Child>}
 */
export function workerPart(context, args, env) {
  return {
    name: 'worker',
    async start(signal) {
      const child = await startNode(context, 'worker', args, env)
      await waitUntilReady(child, () => readLog(child).includes('worker ready'), {
        timeoutMs: WORKER_TIMEOUT_MS,
        signal,
      })
      return child
    },
  }
}

/**
 * @param {string} url
 * @returns {Promise<boolean>}
 */
function answersOk(url) {
  return new Promise((resolve) => {
    const call = request(url, { timeout: 2_000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    call.once('timeout', () => call.destroy())
    call.once('error', () => resolve(false))
    call.end()
  })
}
