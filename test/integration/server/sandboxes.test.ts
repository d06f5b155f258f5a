import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSandboxLedger } from '../../../src/db/workspace/sandbox-ledger.ts'
import { saveSandboxRef, touchSandbox } from '../../../src/db/workspace/sandboxes.ts'
import { createSandboxProviders } from '../../../src/sandbox/create.ts'
import type { SandboxProviders } from '../../../src/sandbox/providers.ts'
import { aDatabase, anOwnRedis, aServer, type OwnRedis, silent, type TestServer, TOKEN } from './harness.ts'

let database: Awaited<ReturnType<typeof aDatabase>>
let redis: OwnRedis
let server: TestServer
let dir: string
let providers: SandboxProviders

beforeAll(async () => {
  database = await aDatabase()
  redis = await anOwnRedis()
  dir = await mkdtemp(join(tmpdir(), 'keelson-sandboxes-'))
  providers = createSandboxProviders({ kind: 'local-bwrap', dir, logger: silent })
  server = await aServer({ databaseUrl: database.url, redisUrl: redis.url, deps: { sandboxes: providers } })
})
afterAll(async () => {
  await server?.close()
  await providers?.close()
  await redis?.close()
  await database?.drop()
  await rm(dir, { recursive: true, force: true })
})

async function call(method: string, path: string, body?: object) {
  const headers = { authorization: `Bearer ${TOKEN}`, ...(body && { 'content-type': 'application/json' }) }
  const init = { method, headers, ...(body && { body: JSON.stringify(body) }) }
  const response = await fetch(`${server.url}${path}`, init)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

test('every sandbox is listed with owner, state, age and cost; those that no project has come last', async () => {
  const [made, gone, none] = [await server.aProject(), await server.aProject(), await server.aProject()]
  for (const projectId of [made, gone, none]) await touchSandbox(server.db, projectId, 'local-bwrap')
  for (const projectId of [made, gone]) {
    const ref = await providers.ensure({ projectId, generation: 1 })
    await saveSandboxRef(server.db, ref, true)
    if (projectId === gone) await providers.destroy(ref)
  }
  await providers.ensure({ projectId: 'prj_stranger', generation: 3 })
  const owner = await createSandboxLedger(server.db).deployment()
  const { status, body } = await call('GET', '/api/sandboxes')
  const items = body['items'] as Record<string, unknown>[]
  const cost = { usd: 0, usdPerHour: 0, basis: 'runs on this machine, nobody bills it' }
  const common = { provider: 'local-bwrap', owner, cost, createdAt: expect.any(String), ageSeconds: expect.any(Number) }
  const lastUsedAt = expect.any(String)
  expect([status, items]).toEqual([
    200,
    [
      { ...common, lastUsedAt, projectId: made, generation: 1, state: 'running' },
      { ...common, lastUsedAt, projectId: gone, generation: 1, state: 'gone' },
      { ...common, lastUsedAt, projectId: none, generation: 1, state: 'not_made' },
      { ...common, projectId: 'prj_stranger', generation: 3, state: 'stranger' },
    ],
  ])
})

test('a project chooses its provider; one that is not set up or unknown is refused with the way out, and nothing is stored', async () => {
  const count = async () =>
    (await server.db.pool.query('SELECT count(*)::int AS n FROM projects')).rows[0] as { n: number }
  const before = await count()
  const source = { kind: 'empty' }
  const chosen = await call('POST', '/api/projects', { name: 'a', source, sandboxProvider: 'local-bwrap' })
  const missing = await call('POST', '/api/projects', { name: 'a', source, sandboxProvider: 'e2b' })
  const unknown = await call('POST', '/api/projects', { name: 'a', source, sandboxProvider: 'docker' })
  expect({
    chosen: [chosen.status, chosen.body['sandboxProvider']],
    missing: [missing.status, missing.body['error']],
    unknown: [unknown.status, JSON.stringify(unknown.body['error']).includes('sandboxProvider')],
    stored: (await count()).n - before.n,
  }).toEqual({
    chosen: [201, 'local-bwrap'],
    missing: [
      400,
      {
        code: 'bad_request',
        message: 'sandboxProvider: e2b is not set up here; set E2B_API_KEY and restart the server and the worker',
        details: { sandboxProvider: 'set up here: local-bwrap' },
      },
    ],
    unknown: [400, true],
    stored: 1,
  })
})
