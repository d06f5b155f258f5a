/** A recorded home at a place of its own, as it lay there when its version had been killed. */

import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { startPostgres } from '../../../scripts/lib/postgres.mjs'
import { newSecret } from '../../../scripts/lib/secrets.mjs'
import { migrate } from '../../../src/db/migrate.ts'
import { type DatabaseRows, writeRows } from './database-rows.ts'
import type { HomeFacts } from './read-facts.ts'
import type { Story } from './story.ts'

export interface Recording {
  /** When everything was killed, ms. */
  readonly stoppedAt: number
  /** Modes of what a restore makes anew. */
  readonly modes: Readonly<Record<string, number>>
  /** Whether the database belonged to a role that is no superuser. */
  readonly hasAppRole: boolean
  readonly story: Story
  readonly latestSeq: Readonly<Record<string, number>>
  readonly facts: HomeFacts
}

export interface RestoredHome {
  readonly home: string
  readonly recording: Recording
  /** The secret of its API, which a start keeps. */
  readonly apiToken: string
  remove(): void
}

/** Restores `NAME.tar.gz`: secrets are new, times are moved to now, owners are as recorded when root does it. */
export async function restoreHome(name: string): Promise<RestoredHome> {
  const place = mkdtempSync(path.join(tmpdir(), 'keelson-home-'))
  // Services of other users pass through it, as through any place where a home lies.
  chmodSync(place, 0o711)
  const file = path.join(import.meta.dirname, `${name}.tar.gz`)
  execFileSync('tar', ['-xpzf', file, '--numeric-owner', '-C', place])
  const recording = JSON.parse(readFileSync(path.join(place, 'recording.json'), 'utf8')) as Recording
  const rows = JSON.parse(readFileSync(path.join(place, 'rows.json'), 'utf8')) as DatabaseRows
  const home = path.join(place, 'home')
  await restoreDatabase(home, rows, recording, pathToFileURL(`${place}/migrations/`))
  const apiToken = newSecret()
  const made: readonly (readonly [string, string])[] = [
    ['api-token', `${apiToken}\n`],
    ['logs/server.log', '{"msg":"what a task said"}\n'],
    ['redis/password', `${newSecret()}\n`],
    ['redis/appendonlydir/appendonly.aof.1.incr.aof', 'what a task said\n'],
    ['state.json', JSON.stringify({ url: 'http://127.0.0.1:9', apiToken, processes: {}, starts: {} })],
  ]
  for (const [at, text] of made) {
    mkdirSync(path.dirname(path.join(home, at)), { recursive: true, mode: 0o755 })
    writeFileSync(path.join(home, at), text, { mode: 0o644 })
  }
  for (const [at, mode] of Object.entries(recording.modes)) {
    if (made.some(([each]) => each === at || path.dirname(each) === at)) chmodSync(path.join(home, at), mode)
  }
  return { home, recording, apiToken, remove: () => rmSync(place, { recursive: true, force: true }) }
}

/** The database as that version had it: its migrations, its rows, its owner. */
async function restoreDatabase(home: string, rows: DatabaseRows, recording: Recording, migrations: URL): Promise<void> {
  const postgres = await startPostgres({ home, env: { PATH: process.env['PATH'] } })
  try {
    const admin = new URL(postgres.adminUrl)
    admin.pathname = new URL(postgres.url).pathname
    await migrate(recording.hasAppRole ? postgres.url : admin.href, migrations)
    await writeRows(admin.href, rows, Date.now() - recording.stoppedAt)
    if (!recording.hasAppRole) await withoutAppRole(admin.href, home)
  } finally {
    await postgres.stop()
  }
}

async function withoutAppRole(url: string, home: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('REASSIGN OWNED BY keelson_app TO keelson')
    await client.query('DROP OWNED BY keelson_app')
    await client.query('DROP ROLE keelson_app')
  } finally {
    await client.end()
  }
  rmSync(path.join(home, 'postgres/app-password'))
}
