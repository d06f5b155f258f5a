/** Tokens go in once over HTTP, are listed by host and date, and never come out. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { createCredentials } from '../../../src/credentials/credentials.ts'
import { aServerWithStores, type TestServer, TOKEN } from './harness.ts'

const CANARY = 'glpat-canary-0123456789'
let server: TestServer
beforeAll(async () => {
  server = await aServerWithStores()
})
afterAll(() => server?.close())

async function call(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, text: await answer.text() }
}

test('a token is stored, listed without its value, opened for its host alone, and deleted', async () => {
  const made = await call('POST', '/api/credentials', { kind: 'git', host: 'Git.Example.com:443', value: CANARY })
  const newer = await call('POST', '/api/credentials', {
    kind: 'git',
    host: 'git.example.com',
    username: 'bot',
    token: `${CANARY}-2`,
  })
  const listed = await call('GET', '/api/credentials')
  const { id, createdAt } = JSON.parse(made.text) as { id: string; createdAt: string }
  const second = JSON.parse(newer.text) as { id: string; createdAt: string }
  expect({ made: made.status, items: JSON.parse(listed.text) as unknown }).toEqual({
    made: 201,
    items: {
      items: [
        { id, kind: 'git', host: 'git.example.com', createdAt, lastUsedAt: null },
        { ...second, kind: 'git', host: 'git.example.com', username: 'bot', lastUsedAt: null },
      ],
      nextAfter: null,
    },
  })
  const credentials = createCredentials({ db: server.db, key: () => new Uint8Array(32).fill(7) })
  await credentials.markUsed(id)
  expect({
    newest: await credentials.find('git', { host: 'git.example.com' }),
    named: (await credentials.find('git', { id }))?.secret,
    otherHost: await credentials.find('git', { host: 'example.com' }),
    otherKind: await credentials.find('registry', { host: 'git.example.com' }),
    used: (await credentials.list()).map(({ lastUsedAt }) => lastUsedAt !== null),
  }).toEqual({
    newest: {
      id: second.id,
      host: 'git.example.com',
      username: 'bot',
      secret: `${CANARY}-2`,
      createdAt: new Date(second.createdAt),
    },
    named: CANARY,
    otherHost: null,
    otherKind: null,
    used: [true, false],
  })
  const otherKey = createCredentials({ db: server.db, key: () => new Uint8Array(32).fill(8) })
  await expect(otherKey.find('git', { id })).rejects.toMatchObject({ code: 'credential_unreadable' })
  const { rows } = await server.db.pool.query<{ row: string }>('SELECT c::text AS row FROM credentials c')
  const stored = rows.map(({ row }) => row).join('\n')
  expect({
    clear: [made, newer, listed].some(({ text }) => text.includes(CANARY)),
    inDatabase: stored.includes(CANARY) || stored.includes(Buffer.from(CANARY).toString('hex')),
    deleted: (await call('DELETE', `/api/credentials/${id}`)).status,
    again: (await call('DELETE', `/api/credentials/${id}`)).status,
    malformed: (await call('DELETE', '/api/credentials/%00')).status,
  }).toEqual({ clear: false, inDatabase: false, deleted: 204, again: 404, malformed: 404 })
})

test('what is no host, no kind or no value is refused by the field’s name, and the value is not repeated', async () => {
  const good = { kind: 'git', host: 'git.example.com', value: CANARY }
  const told = []
  for (const [field, change] of [
    ['host', { host: 'https://git.example.com' }],
    ['host', { host: 'git.example.com/group' }],
    ['host', { host: 'git.example.com:70000' }],
    ['host', { host: 'git.example.com:0' }],
    ['host', { host: '10.0.0.1' }],
    ['host', { host: 'a\0b.example.com' }],
    ['host', { host: '' }],
    ['host', { host: 7 }],
    ['kind', { kind: 'ssh' }],
    ['value', { value: '' }],
    ['value', { value: ' ' }],
    ['value', { value: `${CANARY}\n` }],
    ['value', { value: `${CANARY}\0` }],
    ['value', { value: `${CANARY}${'x'.repeat(10_000)}` }],
    ['value', { value: undefined }],
    ['username', { username: 'a:b' }],
    ['username', { username: 'a\r\nb' }],
    ['scope', { scope: 'all' }],
  ] as const) {
    const { status, text } = await call('POST', '/api/credentials', { ...good, ...change })
    const { details = {} } = (JSON.parse(text) as { error: { details?: object } }).error
    told.push({ status, named: Object.keys(details).includes(field) || { field, text }, clear: text.includes(CANARY) })
  }
  expect(told).toEqual(Array(18).fill({ status: 400, named: true, clear: false }))
})

test('a project that names a credential of another host, or none that is there, is refused before anything is sent', async () => {
  const made = await call('POST', '/api/credentials', { kind: 'git', host: 'git.example.com', value: CANARY })
  const { id } = JSON.parse(made.text) as { id: string }
  const source = { kind: 'git', url: 'https://git.example.com/a/b.git' }
  const post = (change: object) => call('POST', '/api/projects', { name: 'p', source: { ...source, ...change } })
  const other = await post({ url: 'https://git.example.org/a/b.git', credentialId: id })
  const gone = await post({ credentialId: 'crd_none' })
  const fits = await post({ credentialId: id })
  expect({
    other: [other.status, other.text.includes('source.credentialId')],
    gone: [gone.status, gone.text.includes('source.credentialId')],
    fits: [fits.status, (JSON.parse(fits.text) as { source: unknown }).source],
  }).toEqual({
    other: [400, true],
    gone: [400, true],
    fits: [201, { ...source, credentialId: id }],
  })
})
