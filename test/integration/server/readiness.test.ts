import pg from 'pg'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDb, type Db } from '../../../src/db/client.ts'
import { createHub } from '../../../src/events/hub.ts'
import { createReadiness } from '../../../src/server/readiness.ts'
import { RecentFailure } from '../../../src/shared/recent-failure.ts'
import { aProject, post } from '../../support/tasks.ts'
import { aDatabase, anOwnRedis, type OwnRedis, silent, until } from './harness.ts'

let database: Awaited<ReturnType<typeof aDatabase>> | undefined
let redis: OwnRedis | undefined
let db: Db

beforeAll(async () => {
  database = await aDatabase()
  redis = await anOwnRedis()
  db = createDb({
    url: database.url,
    applicationName: 'readiness-test',
    poolSize: 2,
    onEvents: () => undefined,
    onConnectionError: () => undefined,
  })
})
afterAll(async () => {
  await db?.close()
  await redis?.close()
  await database?.drop()
})

function aReadiness(overrides: Partial<Parameters<typeof createReadiness>[0]> = {}) {
  return createReadiness({
    db,
    hub: { status: { redis: 'up', feeds: 0, viewers: 0, backstopDelivered: 0, resyncs: 0 } },
    temporal: { isReachable: () => Promise.resolve(true) },
    dispatcher: { refusedSends: new RecentFailure({ forMs: 1_000 }) },
    isDraining: () => false,
    ...overrides,
  })
}

test('a database that answers and takes no writes is down until it takes one', async () => {
  const projectId = await aProject(db)
  await setReadOnly('on')
  const refused = await post(db, { projectId }).catch((error: unknown) => error)
  const during = await aReadiness()()
  await setReadOnly('off')
  await post(db, { projectId })
  expect({ refused, during, after: await aReadiness()() }).toMatchObject({
    refused: { code: 'store_unavailable', retryable: true },
    during: { isReady: false, parts: { postgres: 'down', redis: 'up', temporal: 'up' } },
    after: { isReady: true },
  })
})

test('a Redis that answers and has no room is down until it has', async () => {
  const own = createClient({ url: redis?.url ?? '' })
  await own.connect()
  const hub = createHub({
    redisUrl: redis?.url ?? '',
    source: {
      readEvents: () => Promise.resolve([]),
      latestSeqs: () => Promise.resolve(new Map()),
      prunedSeq: () => Promise.resolve(0),
    },
    log: silent,
  })
  try {
    await until(() => hub.status.redis === 'up', 'the hub has Redis')
    await own.configSet('maxmemory', '1')
    await until(() => hub.status.redis === 'down', 'the hub says that it is down')
    const during = await aReadiness({ hub })()
    await own.configSet('maxmemory', '0')
    await until(() => hub.status.redis === 'up', 'the hub has Redis again')
    expect(during).toEqual({ isReady: false, parts: { postgres: 'up', redis: 'down', temporal: 'up' } })
  } finally {
    hub.close()
    own.destroy()
  }
})

test('a Temporal that answers and takes nothing is down', async () => {
  const refusedSends = new RecentFailure({ forMs: 60_000 })
  refusedSends.failed()
  expect(await aReadiness({ dispatcher: { refusedSends } })()).toMatchObject({ parts: { temporal: 'down' } })
})

test('a clock that is set back does not keep an old look', async () => {
  const now = Date.now
  let isThere = true
  const readiness = aReadiness({ temporal: { isReachable: () => Promise.resolve(isThere) } })
  await readiness()
  try {
    Date.now = () => now() - 3_600_000
    isThere = false
    await until(async () => !(await readiness()).isReady, 'it is looked at anew')
  } finally {
    Date.now = now
  }
})

/** For the sessions to come; those that are open are ended. */
async function setReadOnly(value: 'on' | 'off'): Promise<void> {
  const client = new pg.Client({ connectionString: database?.url })
  await client.connect()
  await client.query('SET default_transaction_read_only = off')
  const name = new URL(database?.url ?? '').pathname.slice(1)
  await client.query(`ALTER DATABASE ${name} SET default_transaction_read_only = ${value}`)
  await client.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()',
    [name],
  )
  await client.end()
  await until(
    async () => (await db.pool.query('SELECT 1').catch(() => null)) !== null,
    'the pool has connections again',
  )
}
