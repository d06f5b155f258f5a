/** Stores that no supervisor restarts, as in production: they stay away until they are given back. */

import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createClient } from 'redis'
import type { Child } from '../../../scripts/lib/child.mjs'
import { startPostgres } from '../../../scripts/lib/postgres.mjs'
import { startRedis } from '../../../scripts/lib/redis.mjs'
import { startTemporal } from '../../../scripts/lib/temporal.mjs'
import { listProcesses, sendTo } from '../processes.ts'
import type { Binaries } from '../stack.ts'
import { holdAllConnections } from './connections.ts'
import { takeLastRoom } from './last-room.ts'
import type { Hit, Row, Store } from './matrix.ts'
import { openProxy, type Weather } from './proxy.ts'
import { mountVolume } from './volume.ts'

export interface OutsideStores {
  /** What an instance must be told to use them. */
  readonly settings: NodeJS.ProcessEnv
  /** Takes a store away. The result gives it back and settles when the store itself works again. */
  take(hit: Hit): Promise<() => Promise<void>>
  /** How fullness is caused here, for the report; null when this user cannot cause it for that store. */
  fullnessOf(store: Store): string | null
  canPlay(row: Row): boolean
  stop(): Promise<void>
}

const NAMESPACE = 'keelson'

interface Kept {
  current: Child
  start(): Promise<Child>
}

/**
 * Starts the three under `home`, each on a volume of its own where that is possible. With `isProxied` the product reaches
 * them only through proxies. Whoever starts them stops them.
 */
export async function startOutsideStores(
  home: string,
  binaries: Binaries,
  { isProxied }: { readonly isProxied: boolean },
): Promise<OutsideStores> {
  const env = { PATH: process.env['PATH'], HOME: process.env['HOME'] }
  const volumes = { postgres: mountVolume(`${home}/postgres`), temporal: mountVolume(`${home}/temporal`) }
  const [postgres, redis, temporal] = await Promise.all([
    startPostgres({ home, env }),
    startRedis({ home, env, binary: binaries.redis }),
    startTemporal({ home, env, binary: binaries.temporal, namespace: NAMESPACE }),
  ])
  const { port: temporalPort, uiPort } = temporal
  const kept: Record<Store, Kept> = {
    postgres: { current: postgres, start: () => startPostgres({ home, env, port: postgres.port }) },
    redis: { current: redis, start: () => startRedis({ home, env, binary: binaries.redis, port: redis.port }) },
    temporal: {
      current: temporal,
      start: () =>
        startTemporal({ home, env, binary: binaries.temporal, namespace: NAMESPACE, port: temporalPort, uiPort }),
    },
  }

  const proxies = isProxied
    ? {
        postgres: await openProxy(postgres.port),
        redis: await openProxy(redis.port),
        temporal: await openProxy(temporal.port),
      }
    : undefined
  const setWeather = (store: Store, weather: Weather): void => {
    if (proxies === undefined) throw new Error('the network can only be made worse through proxies')
    proxies[store].set(weather)
  }
  const urlOf = (url: string, store: Store): string => {
    const own = new URL(url)
    if (proxies !== undefined) own.port = String(proxies[store].port)
    return own.href
  }

  const restart = async (store: Store): Promise<void> => {
    kept[store].current = await kept[store].start()
  }
  const ensureRuns = async (store: Store): Promise<void> => {
    if (kept[store].current.ended() !== undefined) await restart(store)
  }

  const fill = async (store: Store): Promise<() => Promise<void>> => {
    if (store === 'redis') return await configureRedis(redis.url, () => ({ maxmemory: '1' }))
    const volume = volumes[store]
    if (volume === null) return await refuseInserts(postgres.url)
    volume.fill()
    if (store === 'temporal') await takeLastRoom(temporal.address)
    return async () => {
      volume.empty()
      // A store whose log has no room may end itself; who runs it starts it again.
      await ensureRuns(store)
    }
  }

  const take = async ({ store, fault }: Hit): Promise<() => Promise<void>> => {
    switch (fault) {
      case 'stopped':
        await kept[store].current.stop()
        return () => restart(store)
      case 'frozen':
        return freeze(kept[store].current.pid)
      case 'full':
        return await fill(store)
      case 'read-only':
        return await closeForWrites(postgres.url)
      case 'out of connections':
        return await holdAllConnections(postgres.url)
      case 'slow':
      case 'lossy':
      case 'stalled':
        setWeather(store, fault)
        return async () => setWeather(store, 'clear')
      case 'evicting':
        return await configureRedis(redis.url, (usedBytes) => ({
          maxmemory: String(usedBytes + 64 * 1024),
          'maxmemory-policy': 'allkeys-lru',
        }))
    }
  }

  const fullnessOf = (store: Store): string | null => {
    if (store === 'redis') return 'maxmemory reached, noeviction'
    if (volumes[store] !== null) return 'its file system (tmpfs) has no free page'
    return store === 'postgres' ? 'each insert of an event fails with 53100' : null
  }

  return {
    settings: {
      DATABASE_URL: urlOf(postgres.url, 'postgres'),
      REDIS_URL: urlOf(redis.url, 'redis'),
      TEMPORAL_ADDRESS: proxies === undefined ? temporal.address : `127.0.0.1:${proxies.temporal.port}`,
      TEMPORAL_NAMESPACE: NAMESPACE,
    },
    take,
    fullnessOf,
    canPlay: (row) => row.every(({ store, fault }) => fault !== 'full' || fullnessOf(store) !== null),
    async stop() {
      for (const proxy of Object.values(proxies ?? {})) proxy.close()
      await Promise.all(Object.values(kept).map(({ current }) => current.stop()))
      for (const volume of Object.values(volumes)) volume?.remove()
    },
  }
}

/** With all its children: a frozen postmaster alone would leave its sessions working. */
function freeze(pid: number): () => Promise<void> {
  // The parent first, so that it makes no further child.
  sendTo(pid, 'SIGSTOP')
  const group = [pid, ...listProcesses().flatMap((found) => (found.parent === pid ? [found.pid] : []))]
  for (const one of group) sendTo(one, 'SIGSTOP')
  return async () => {
    for (const one of group.toReversed()) sendTo(one, 'SIGCONT')
    await sleep(0)
  }
}

async function configureRedis(
  url: string,
  make: (usedBytes: number) => Record<string, string>,
): Promise<() => Promise<void>> {
  const client = createClient({ url })
  client.on('error', () => undefined)
  await client.connect()
  const used = /used_memory:(\d+)/.exec(await client.info('memory'))?.[1] ?? '0'
  await client.configSet(make(Number(used)))
  return async () => {
    await client.configSet({ maxmemory: '0', 'maxmemory-policy': 'noeviction' })
    client.destroy()
  }
}

async function inPostgres(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, query_timeout: 10_000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}

/** What a full disk answers, for users who cannot mount a small one. */
async function refuseInserts(url: string): Promise<() => Promise<void>> {
  await inPostgres(
    url,
    `CREATE OR REPLACE FUNCTION chaos_full() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
     CREATE TRIGGER chaos_full BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION chaos_full()`,
  )
  return () => inPostgres(url, 'DROP TRIGGER chaos_full ON events; DROP FUNCTION chaos_full()')
}

/** For all sessions, those that are open too. */
async function closeForWrites(url: string): Promise<() => Promise<void>> {
  const set = (value: string): Promise<void> =>
    inPostgresEach(url, [`ALTER SYSTEM SET default_transaction_read_only = ${value}`, 'SELECT pg_reload_conf()'])
  await set('on')
  return () => set('off')
}

async function inPostgresEach(url: string, statements: readonly string[]): Promise<void> {
  for (const sql of statements) await inPostgres(url, sql)
}
