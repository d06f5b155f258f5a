import pg from 'pg'
import { createClient } from 'redis'
import { createTemporal } from '../../server/temporal.ts'
import type { Config } from '../../settings/config-groups.ts'
import { type Diagnosis, fail, lineOf, ok } from './diagnosis.ts'

const TIMEOUT_MS = 5_000
const OLDEST_POSTGRES = 15

/** Asks the Postgres that a setting names. The address, which may hold a password, stands in no answer. */
export async function checkPostgres(url: string): Promise<Diagnosis> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: TIMEOUT_MS,
    query_timeout: TIMEOUT_MS,
  })
  // A lost connection fails the query under way, which reports it; unheard, the event would end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<{ version: string }>('SHOW server_version')
    const version = rows[0]?.version ?? ''
    if (Number.parseInt(version, 10) < OLDEST_POSTGRES) {
      return fail('postgres', `DATABASE_URL leads to version ${version}`, `Keelson needs ${OLDEST_POSTGRES} or newer`)
    }
    return ok('postgres', `version ${version} at DATABASE_URL`)
  } catch (error) {
    return fail(
      'postgres',
      `DATABASE_URL does not work (${lineOf(error)})`,
      'mend it, or leave it out for an embedded one',
    )
  } finally {
    await client.end()
  }
}

/** Asks the Redis that a setting names. */
export async function checkRedis(url: string): Promise<Diagnosis> {
  const client = createClient({ url, socket: { connectTimeout: TIMEOUT_MS, reconnectStrategy: false } })
  client.on('error', () => undefined) // the call fails with the same
  try {
    await client.connect()
    await client.ping()
    return ok('redis', 'answers at REDIS_URL')
  } catch (error) {
    return fail('redis', `REDIS_URL does not work (${lineOf(error)})`, 'mend it, or leave it out for one of our own')
  } finally {
    if (client.isOpen) client.destroy()
  }
}

/** Asks the Temporal that settings name. */
export async function checkTemporal(config: Config['temporal']): Promise<Diagnosis> {
  const temporal = createTemporal(config)
  try {
    const where = `${config.address}, namespace ${config.namespace}`
    return (await temporal.isReachable())
      ? ok('temporal', `answers at ${where}`)
      : fail('temporal', `does not answer at ${where}`, 'look at TEMPORAL_ADDRESS, or leave it out for one of our own')
  } finally {
    await temporal.close()
  }
}
