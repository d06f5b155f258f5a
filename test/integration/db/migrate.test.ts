import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { diffSchema } from '../../../prisma/diff.mjs'
import { migrate } from '../../../src/db/migrate.ts'
import { anEmptyDatabase, type TestDatabase } from '../../support/database.ts'

const databases: TestDatabase[] = []
async function aDatabase(): Promise<string> {
  const database = await anEmptyDatabase()
  databases.push(database)
  return database.url
}

let directory: string
let copies: URL
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keelson-migrations-'))
  await cp(new URL('../../../prisma/migrations/', import.meta.url), directory, { recursive: true })
  copies = pathToFileURL(`${directory}/`)
})
afterAll(async () => {
  for (const database of databases) await database.drop()
  await rm(directory, { recursive: true, force: true })
})

async function aMigration(name: string, sql: string): Promise<() => Promise<void>> {
  const path = join(directory, name)
  await cp(join(directory, '20261122000000_initial'), path, { recursive: true })
  await writeFile(join(path, 'migration.sql'), sql)
  return () => rm(path, { recursive: true })
}

/** The SQL that would bring the database to schema.prisma, without comments and empty lines. */
async function differenceOf(url: string): Promise<string> {
  const lines = (await diffSchema(url, 'database')).split('\n')
  return lines.filter((line) => line !== '' && !line.startsWith('--')).join('\n')
}

async function run(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(sql)
  await client.end()
}

async function tablesOf(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`,
  )
  await client.end()
  return rows.map((row) => row.name)
}

describe('migrate', () => {
  test('brings an empty database to what schema.prisma says, and a second time does nothing', async () => {
    const url = await aDatabase()
    const applied = await migrate(url)
    expect(applied[0]).toBe('20261122000000_initial')
    expect(await differenceOf(url)).toBe('')
    expect(await migrate(url)).toEqual([])
  })

  test('a database that lacks something is seen to differ, so the comparison above means something', async () => {
    const url = await aDatabase()
    await migrate(url)
    await run(url, 'ALTER TABLE tasks DROP COLUMN lease; DROP INDEX events_project_id_key_key')
    expect(await differenceOf(url)).toBe(
      [
        'ALTER TABLE "tasks" ADD COLUMN     "lease" INTEGER NOT NULL DEFAULT 0;',
        'CREATE UNIQUE INDEX "events_project_id_key_key" ON "events"("project_id", "key");',
      ].join('\n'),
    )
  })

  test('from four processes at once applies each migration once', async () => {
    const url = await aDatabase()
    const applied = await Promise.all(Array.from({ length: 4 }, () => migrate(url)))
    expect(applied.flat()).toEqual(await migrationNames(url))
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1)
  })

  test('refuses a migration that was edited after it had been applied, and changes nothing', async () => {
    const url = await aDatabase()
    const undo = await aMigration('20270101000000_more', 'CREATE TABLE more (id INT);')
    await migrate(url, copies)
    await writeFile(join(directory, '20270101000000_more', 'migration.sql'), 'CREATE TABLE other (id INT);')
    await expect(migrate(url, copies)).rejects.toThrow('20270101000000_more was edited after it had been applied')
    expect(await tablesOf(url)).toContain('more')
    expect(await tablesOf(url)).not.toContain('other')
    await undo()
  })

  test('one that fails is rolled back whole and can be tried again', async () => {
    const url = await aDatabase()
    const undo = await aMigration('20270101000000_more', 'CREATE TABLE more (id INT); SELECT no_such_column FROM more;')
    await expect(migrate(url, copies)).rejects.toThrow('20270101000000_more failed and was rolled back')
    expect(await tablesOf(url)).not.toContain('more')
    await writeFile(join(directory, '20270101000000_more', 'migration.sql'), 'CREATE TABLE more (id INT);')
    expect(await migrate(url, copies)).toEqual(['20270101000000_more'])
    await undo()
  })
})

async function migrationNames(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ name: string }>(
    'SELECT migration_name AS name FROM _prisma_migrations ORDER BY started_at, migration_name',
  )
  await client.end()
  return rows.map((row) => row.name)
}
