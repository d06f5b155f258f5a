import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { makeClosedDirectory } from './child.mjs'
import { startPostgres } from './postgres.mjs'
import { openLedger, stopOrphans } from './process-ledger.mjs'
import { startRedis } from './redis.mjs'
import { StartError } from './start-error.mjs'
import { takeStartLock } from './start-lock.mjs'
import { startTemporal } from './temporal.mjs'

/**
 * A private set of stores, for tests and benchmarks.
 *
 * @typedef {object} Stores
 * @property {import('./postgres.mjs').RunningPostgres} postgres
 * @property {import('./redis.mjs').RunningRedis} redis
 * @property {import('./temporal.mjs').RunningTemporal} temporal
 * @property {() => Promise<void>} stop all of them; twice is safe
 */

/**
 * Starts Postgres, Redis and Temporal side by side under `home`, after stopping what a killed run left there. They are
 * not watched: who starts them this way may kill them. Rejects with a StartError, leaving nothing running.
 *
 * @param {{ home: string, env: NodeJS.ProcessEnv, binaries: { redis: string, temporal: string },
 *   log: import('./log.mjs').Log, signal?: AbortSignal }} options
 * @returns {Promise<Stores>}
 */
export async function startStores({ home, env, binaries, log, signal }) {
  mkdirSync(home, { recursive: true })
  makeClosedDirectory(join(home, 'logs'))
  const lock = takeStartLock(home)
  if ('heldBy' in lock) throw new StartError(`Another run (process ${lock.heldBy}) uses ${home} already.`)
  await stopOrphans(home, log)
  const shared = { home, env, log, ledger: openLedger(home), ...(signal === undefined ? {} : { signal }) }
  const started = await Promise.allSettled([
    startPostgres(shared),
    startRedis({ ...shared, binary: binaries.redis }),
    startTemporal({ ...shared, binary: binaries.temporal }),
  ])
  const stop = async () => {
    const running = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value.stop()] : []))
    await Promise.all(running)
    lock.release()
  }
  const [postgres, redis, temporal] = started
  if (postgres.status === 'fulfilled' && redis.status === 'fulfilled' && temporal.status === 'fulfilled') {
    return { postgres: postgres.value, redis: redis.value, temporal: temporal.value, stop }
  }
  await stop()
  throw started.find((one) => one.status === 'rejected')?.reason
}
