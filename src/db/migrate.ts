/**
 * Applies what prisma/migrations/ holds to a database. Keeps the same `_prisma_migrations` table as `prisma migrate deploy`,
 * so that either can be used; this one needs no schema engine.
 */

import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import pg from 'pg'

const MIGRATIONS = new URL('../../prisma/migrations/', import.meta.url)
/** Any fixed number: only one process may migrate at a time. */
const LOCK_KEY = 7_262_419

const CREATE_TABLE = `
  CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum" VARCHAR(64) NOT NULL,
    "finished_at" TIMESTAMPTZ,
    "migration_name" VARCHAR(255) NOT NULL,
    "logs" TEXT,
    "rolled_back_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count" INTEGER NOT NULL DEFAULT 0
  )`

/**
 * Brings a database up to date and returns the names of the migrations it applied, oldest first. Each runs in a
 * transaction of its own, under an advisory lock; doing it twice, or from two processes at once, is safe. Throws when
 * an applied migration was edited afterwards.
 */
export async function migrate(databaseUrl: string, directory: URL = MIGRATIONS): Promise<string[]> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 })
  // A lost connection fails the query under way, which reports it; unheard, the event would end the process.
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query('SELECT pg_advisory_lock($1)', [LOCK_KEY])
    await client.query(CREATE_TABLE)
    const applied: string[] = []
    for (const name of await migrationNames(directory)) {
      const sql = await readFile(new URL(`${name}/migration.sql`, directory), 'utf8')
      if (await applyOne(client, name, sql)) applied.push(name)
    }
    return applied
  } finally {
    await client.end()
  }
}

async function migrationNames(directory: URL): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
}

async function applyOne(client: pg.Client, name: string, sql: string): Promise<boolean> {
  const checksum = createHash('sha256').update(sql).digest('hex')
  const { rows } = await client.query<{ checksum: string }>(
    `SELECT checksum FROM "_prisma_migrations"
     WHERE migration_name = $1 AND finished_at IS NOT NULL AND rolled_back_at IS NULL`,
    [name],
  )
  if (rows[0]) {
    if (rows[0].checksum !== checksum) throw new Error(`migration ${name} was edited after it had been applied`)
    return false
  }
  await client.query('BEGIN')
  try {
    await client.query(sql)
    await client.query(
      `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, now(), 1)`,
      [randomUUID(), checksum, name],
    )
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw new Error(`migration ${name} failed and was rolled back`, { cause: error })
  }
  return true
}
