import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import pg from 'pg'
import { createDb, type Db, type DbOptions } from '../../src/db/client.ts'
import { migrate } from '../../src/db/migrate.ts'
import type { StoredEvent } from '../../src/events/topics.ts'

const MIGRATIONS = new URL('../../prisma/migrations/', import.meta.url)
/** Any fixed number: one process at a time makes the template or copies it. */
const LOCK_KEY = 4_417_203

/** The Postgres that the test run started: its address with all rights. */
export function postgresUrl(): string {
  const url = process.env['KEELSON_TEST_DATABASE_URL']
  if (url === undefined) throw new Error('KEELSON_TEST_DATABASE_URL is not set: run the tests with npm test')
  return url
}

export interface TestDatabase {
  readonly url: string
  drop(): Promise<void>
}

/** An empty database of its own. */
export async function anEmptyDatabase(): Promise<TestDatabase> {
  return await createDatabase('')
}

/** A migrated database of its own, copied from a template that the first caller makes. */
export async function aDatabase(): Promise<TestDatabase> {
  const template = `keelson_template_${await migrationsHash()}`
  await onServer(async (client) => {
    const { rows } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [template])
    if (rows.length > 0) return
    const half = `${template}_half`
    await client.query(`DROP DATABASE IF EXISTS ${half} WITH (FORCE)`)
    await client.query(`CREATE DATABASE ${half}`)
    await migrate(urlOf(half))
    await client.query(`ALTER DATABASE ${half} RENAME TO ${template}`)
  })
  return await createDatabase(` TEMPLATE ${template}`)
}

async function createDatabase(from: string): Promise<TestDatabase> {
  const name = `t_${randomBytes(6).toString('hex')}`
  await onServer(async (client) => {
    await client.query(`CREATE DATABASE ${name}${from}`)
  })
  return {
    url: urlOf(name),
    drop: () =>
      onServer(async (client) => {
        await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      }),
  }
}

function urlOf(name: string): string {
  const url = new URL(postgresUrl())
  url.pathname = `/${name}`
  return url.href
}

async function onServer(work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: postgresUrl() })
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK_KEY])
    await work(client)
  } finally {
    await client.end()
  }
}

async function migrationsHash(): Promise<string> {
  const hash = createHash('sha256')
  for (const name of (await readdir(MIGRATIONS)).sort()) {
    if (name.endsWith('.toml')) continue
    hash.update(name).update(await readFile(new URL(`${name}/migration.sql`, MIGRATIONS)))
  }
  return hash.digest('hex').slice(0, 12)
}

export interface TestDb extends Db {
  readonly url: string
  /** What was published, in order: durable events after their commit. */
  readonly published: StoredEvent[]
  /** Idle connections that were lost. */
  readonly lost: Error[]
}

/** A migrated database with a pool on it; `close` ends both. */
export async function aDb(options: Partial<DbOptions> = {}): Promise<TestDb> {
  const database = await aDatabase()
  const published: StoredEvent[] = []
  const lost: Error[] = []
  const db = createDb({
    url: database.url,
    applicationName: 'keelson-test',
    poolSize: 10,
    onEvents: (_, events) => published.push(...events),
    onConnectionError: (error) => lost.push(error),
    ...options,
  })
  return {
    ...db,
    url: database.url,
    published,
    lost,
    async close() {
      await db.close()
      await database.drop()
    },
  }
}
