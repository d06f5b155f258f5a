/** A server over real sandboxes and the shared Redis: all that routes need which read or replace a project's files. */

import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { aDb, type TestDb } from '../../support/database.ts'
import { type Parts, partsOf } from '../restore/support.ts'
import { aServer, type TestServer } from './harness.ts'

export interface FilesServer {
  readonly db: TestDb
  /** A directory that goes with it; the sandboxes lie in it. */
  readonly dir: string
  readonly parts: Parts
  readonly server: TestServer
  close(): Promise<void>
}

export async function aFilesServer(): Promise<FilesServer> {
  const db = await aDb()
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'keelson-files-')))
  const parts = partsOf(db, dir)
  const { workspaces, restorer } = parts
  const redisUrl = process.env['KEELSON_TEST_REDIS_URL'] ?? ''
  const server = await aServer({ databaseUrl: db.url, redisUrl, deps: { workspaces, restorer } })
  return {
    db,
    dir,
    parts,
    server,
    close: async () => {
      await server.close()
      await parts.close()
      await db.close()
      await rm(dir, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
