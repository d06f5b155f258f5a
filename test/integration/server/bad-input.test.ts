import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAuth } from '../../../src/server/auth.ts'
import { createOriginReader } from '../../../src/server/forwarded.ts'
import { AppError } from '../../../src/shared/errors.ts'
import {
  aDatabase,
  anOwnRedis,
  aServer,
  type OwnRedis,
  SETUP,
  silent,
  type TestServer,
  TOKEN,
  until,
} from './harness.ts'
import { sendRaw } from './sse-client.ts'

let database: Awaited<ReturnType<typeof aDatabase>> | undefined
let redis: OwnRedis | undefined
let server: TestServer
let projectId: string
let foreignConversation: string

beforeAll(async () => {
  database = await aDatabase()
  redis = await anOwnRedis()
  server = await aServer({ databaseUrl: database.url, redisUrl: redis.url })
  projectId = await server.aProject()
  const other = await server.aProject()
  const made = await call('POST', `/api/workspace/${other}/conversations`, {})
  foreignConversation = String(made.body['id'])
})
afterAll(async () => {
  await server?.close()
  await redis?.close()
  await database?.drop()
})

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
  readonly headers: Headers
}

async function send(path: string, init: RequestInit, target: Pick<TestServer, 'url'> = server): Promise<Answer> {
  const headers = new Headers({ authorization: `Bearer ${TOKEN}`, ...(init.headers as Record<string, string>) })
  const response = await fetch(`${target.url}${path}`, { ...init, headers })
  const text = await response.text()
  const isJson = (response.headers.get('content-type') ?? '').startsWith('application/json')
  return {
    status: response.status,
    body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
    headers: response.headers,
  }
}

async function call(method: string, path: string, body?: object): Promise<Answer> {
  const content =
    body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  return await send(path, { method, ...content })
}

/** Status, code and the field that is named; every error has the contract's shape. */
function outline(answer: Answer): (string | number | undefined)[] {
  const error = answer.body['error'] as { code: string; message: string; details?: object }
  expect(answer.body['requestId']).toMatch(/^req_/)
  expect(error.message).not.toMatch(/ at .*\.ts|node_modules|SELECT/)
  return [answer.status, error.code, Object.keys(error.details ?? {})[0]]
}

const chat = (): string => `/api/workspace/${projectId}/claude/chat`

describe('bad input', () => {
  test.each([
    ['an empty message', { message: '' }, 'message'],
    ['only white space', { message: ' \n\t ' }, 'message'],
    ['100,001 characters', { message: 'x'.repeat(100_001) }, 'message'],
    ['a NUL', { message: 'a\0b' }, 'message'],
    ['half a surrogate pair', { message: 'a\ud83d' }, 'message'],
    ['no message', {}, 'message'],
    ['a number for a message', { message: 5 }, 'message'],
    ['an unknown field', { message: 'x', colour: 'red' }, 'colour'],
    ['an unknown field in the budget', { message: 'x', budget: { maxEuro: 1 } }, 'budget.maxEuro'],
    ['a budget below nothing', { message: 'x', budget: { maxUsd: -1 } }, 'budget.maxUsd'],
    ['an unknown delivery', { message: 'x', delivery: 'now' }, 'delivery'],
    ['an unknown model', { message: 'x', model: 'gpt-9' }, 'model'],
    ['an empty clientMessageId', { message: 'x', clientMessageId: '' }, 'clientMessageId'],
    ['a clientMessageId of 129 characters', { message: 'x', clientMessageId: 'c'.repeat(129) }, 'clientMessageId'],
    ['a list for a body', [], 'body'],
  ])('a chat call with %s is 400 and names the field', async (_, body, field) => {
    expect(outline(await call('POST', chat(), body))).toEqual([400, 'bad_request', field])
  })

  test('100,000 characters are taken, also when each of them is a pair', async () => {
    const body = JSON.stringify({ message: '😀'.repeat(100_000) })
    const headers = { 'content-type': 'application/json', accept: 'application/json' }
    expect((await send(chat(), { method: 'POST', headers, body })).status).toBe(202)
  })

  test.each([
    ['no JSON', '{"message":', 'application/json', [400, 'invalid_json', 'body']],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'application/json', [400, 'invalid_json', 'body']],
    [
      '10,000 levels of lists',
      `${'['.repeat(10_000)}${']'.repeat(10_000)}`,
      'application/json',
      [400, 'bad_request', 'body'],
    ],
    [
      'another content type',
      'message=x',
      'application/x-www-form-urlencoded',
      [415, 'unsupported_media_type', undefined],
    ],
    [
      'another character set',
      '{"message":"x"}',
      'application/json; charset=latin1',
      [415, 'unsupported_media_type', undefined],
    ],
    ['2 MiB', `{"message":"${'x'.repeat(2 * 1024 * 1024)}"}`, 'application/json', [413, 'body_too_large', 'maxBytes']],
  ])('a body that is %s is refused', async (_, body, type, expected) => {
    const answer = await send(chat(), { method: 'POST', headers: { 'content-type': type }, body })
    expect(outline(answer)).toEqual(expected)
  })

  test('2 MiB in chunks, without a length, are refused as well', async () => {
    const head = `POST ${chat()} HTTP/1.1\r\ncontent-type: application/json\r\ntransfer-encoding: chunked`
    const client = await sendRaw(server.port, head)
    const chunk = 'x'.repeat(64 * 1024)
    for (let i = 0; i < 32; i++) client.socket.write(`${chunk.length.toString(16)}\r\n${chunk}\r\n`)
    await until(() => client.received().includes('body_too_large'), 'the refusal arrives')
    expect(client.received()).toMatch(/^HTTP\/1\.1 413 /)
    client.socket.destroy()
  })

  test.each([
    ['POST', '/api/workspace/prj_none/claude/chat', { message: 'x' }],
    ['GET', '/api/projects/prj_none', undefined],
    ['GET', '/api/projects/a%00b', undefined],
    ['GET', '/api/tasks/tsk_none', undefined],
    ['GET', '/api/tasks/tsk_none/events', undefined],
    ['GET', '/api/tasks/tsk_none/review', undefined],
    ['GET', '/api/tasks/tsk_none/review/first/messages', undefined],
    ['GET', '/api/tasks/tsk_none/diff', undefined],
    ['GET', '/api/tasks/tsk_none/checkpoints', undefined],
    ['POST', '/api/tasks/tsk_none/cancel', {}],
    ['POST', '/api/tasks/tsk_none/budget', { maxUsd: 1 }],
    ['GET', '/api/conversations/cnv_none/messages', undefined],
    ['GET', '/api/workspace/prj_none/events', undefined],
    ['GET', '/api/workspace/prj_none/conversations', undefined],
    ['GET', '/api/workspace/prj_none/context', undefined],
    ['GET', '/api/workspace/prj_none/review-criteria', undefined],
    ['GET', '/api/workspace/prj_none/files', undefined],
    ['GET', '/api/nothing', undefined],
  ])('%s %s is 404', async (method, path, body) => {
    expect(outline(await call(method, path, body)).slice(0, 2)).toEqual([404, 'not_found'])
  })

  test('a conversation of another project is 404', async () => {
    const answer = await call('POST', chat(), { message: 'x', conversationId: foreignConversation })
    expect(outline(answer).slice(0, 2)).toEqual([404, 'not_found'])
  })

  test.each([
    ['a git URL that is not https', { kind: 'git', url: 'http://example.com/a.git' }, 'source.url'],
    ['a git URL of ssh', { kind: 'git', url: 'git@example.com:a.git' }, 'source.url'],
    ['a git URL like an option', { kind: 'git', url: '--upload-pack=touch /tmp/x' }, 'source.url'],
    ['a git transport helper', { kind: 'git', url: 'ext::sh -c id' }, 'source.url'],
    ['a git URL with a password', { kind: 'git', url: 'https://me:secret@example.com/a.git' }, 'source.url'],
    ['a git ref like an option', { kind: 'git', url: 'https://example.com/a.git', ref: '--exec=x' }, 'source.ref'],
    ['a git host on loopback', { kind: 'git', url: 'https://127.0.0.1:1/a.git' }, 'source.url'],
    ['a git host by a number', { kind: 'git', url: 'https://2130706433/a.git' }, 'source.url'],
    ['a git host of this machine', { kind: 'git', url: 'https://localhost/a.git' }, 'source.url'],
    ['a metadata service', { kind: 'git', url: 'https://169.254.169.254/a.git' }, 'source.url'],
    ['no history at all', { kind: 'git', url: 'https://example.com/a.git', depth: 0 }, 'source.depth'],
    ['a path outside the roots', { kind: 'path', path: '/etc' }, 'source.path'],
    ['a relative path', { kind: 'path', path: 'here' }, 'source.path'],
    ['a file that leaves the project', { kind: 'files', files: { '../x': 'x' } }, 'source.files.../x'],
    ['an absolute file', { kind: 'files', files: { '/etc/x': 'x' } }, 'source.files./etc/x'],
    ['a file below a file', { kind: 'files', files: { a: '', 'a/b/c': '' } }, 'source.files.a/b/c'],
    ['the project itself as a file', { kind: 'files', files: { '.': '' } }, 'source.files..'],
    [
      'a name that no file system holds',
      { kind: 'files', files: { ['x'.repeat(256)]: '' } },
      `source.files.${'x'.repeat(256)}`,
    ],
    ['half of a character in a name', { kind: 'files', files: { 'l\ud800': '' } }, 'source.files.l\ud800'],
    ['file content with a NUL', { kind: 'files', files: { x: 'a\0' } }, 'source.files.x'],
    ['an unknown kind', { kind: 'zip' }, 'source.kind'],
  ])('a project from %s is 400 and names the field', async (_, source, field) => {
    expect(outline(await call('POST', '/api/projects', { name: 'x', source }))).toEqual([400, 'bad_request', field])
  })

  test('a path below a root is taken, a symlink out of it is not', async () => {
    const root = await mkdtemp(join(tmpdir(), 'keelson-root-'))
    await mkdir(join(root, 'inside'))
    await symlink('/etc', join(root, 'outside'))
    await mkdir(join(root, 'worktree'))
    await writeFile(join(root, 'worktree/.git'), 'gitdir: /elsewhere\n')
    const own = await aServer({
      databaseUrl: database?.url ?? '',
      redisUrl: redis?.url ?? '',
      settings: { projectRoots: [root] },
    })
    const from = async (name: string): Promise<number> => {
      const body = JSON.stringify({ name, source: { kind: 'path', path: join(root, name) } })
      return (
        await send('/api/projects', { method: 'POST', headers: { 'content-type': 'application/json' }, body }, own)
      ).status
    }
    expect([await from('inside'), await from('outside'), await from('missing'), await from('worktree')]).toEqual([
      201, 400, 400, 400,
    ])
    await own.close()
    await rm(root, { recursive: true })
  })

  test.each([
    [`/api/projects?limit=0`, 'limit'],
    [`/api/projects?limit=many`, 'limit'],
    [`/api/projects?limit=100000`, 'limit'],
    [`/api/tasks/tsk_1/diff?context=many`, 'context'],
    [`/api/tasks/tsk_1/diff?context=100001`, 'context'],
  ])('GET %s is 400', async (path, field) => {
    expect(outline(await call('GET', path))).toEqual([400, 'bad_request', field])
  })

  test('an unknown topic is 400', async () => {
    const answer = await call('GET', `/api/workspace/${projectId}/events?topics=status,gossip`)
    expect(outline(answer)).toEqual([400, 'bad_request', 'topics'])
  })

  test('a wrong method is 405 and names the right ones', async () => {
    const answer = await call('PUT', '/api/projects', {})
    expect([...outline(answer).slice(0, 2), answer.headers.get('allow')]).toEqual([
      405,
      'method_not_allowed',
      'POST, GET, HEAD',
    ])
  })

  test('an empty budget is 400, and a cancel without a body is taken', async () => {
    const accepted = await send(chat(), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
      },
      body: JSON.stringify({ message: 'x' }),
    })
    const path = `/api/tasks/${String(accepted.body['taskId'])}`
    expect(outline(await call('POST', `${path}/budget`, {})).slice(0, 2)).toEqual([400, 'bad_request'])
    const raised = await call('POST', `${path}/budget`, { maxUsd: 9 })
    expect([raised.status, raised.body['budget']]).toEqual([200, { maxUsd: 9, maxTurns: 200, maxMinutes: 120 }])
    const cancels = [await call('POST', `${path}/cancel`), await call('POST', `${path}/cancel`, {})]
    expect(cancels.map(({ status, body }) => [status, body['status']])).toEqual([
      [202, 'cancel_requested'],
      [202, 'cancel_requested'],
    ])
  })
})

describe('who may ask', () => {
  const ask = (path: string, headers: Record<string, string>, method = 'GET') =>
    fetch(`${server.url}${path}`, { method, headers, redirect: 'manual' })

  test('without a token only health, the page and the documentation answer', async () => {
    const paths = ['/healthz', '/readyz', '/', '/openapi.json', '/docs', '/api/projects', '/metrics', '/anything']
    const statuses = await Promise.all(paths.map(async (path) => (await ask(path, {})).status))
    expect(statuses).toEqual([200, 200, 200, 200, 200, 401, 401, 401])
  })

  test('21 wrong tokens in a minute get 429 with Retry-After, and the right one still passes', async () => {
    const statuses: number[] = []
    let last: Response | undefined
    for (let i = 0; i < 21; i++) {
      last = await ask('/api/projects', { authorization: `Bearer wrong${i}` })
      statuses.push(last.status)
    }
    expect(statuses).toEqual([...Array<number>(20).fill(401), 429])
    expect(Number(last?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await ask('/api/projects', { authorization: `Bearer ${TOKEN}` })).status).toBe(200)
  })

  test('a foreign Host and a foreign Origin are refused, our own and none are not', async () => {
    const raw = async (host: string, origin?: string): Promise<string> => {
      const lines = [
        `POST /api/projects/x HTTP/1.1`,
        `host: ${host}`,
        `authorization: Bearer ${TOKEN}`,
        'connection: close',
      ]
      if (origin !== undefined) lines.push(`origin: ${origin}`)
      const { connect } = await import('node:net')
      const socket = connect(server.port, '127.0.0.1')
      socket.end(`${lines.join('\r\n')}\r\n\r\n`)
      let text = ''
      for await (const chunk of socket) text += String(chunk)
      return /"code":"(\w+)"/.exec(text)?.[1] ?? text.slice(0, 40)
    }
    const own = `127.0.0.1:${server.port}`
    expect([
      await raw('evil.example'),
      await raw(`evil.example:${server.port}`),
      await raw('127.0.0.1.evil.example'),
      await raw(own, 'http://evil.example'),
      await raw(own, 'null'),
      await raw(own, `http://${own}`),
      await raw(`localhost:${server.port}`),
    ]).toEqual([
      'forbidden_host',
      'forbidden_host',
      'forbidden_host',
      'forbidden_origin',
      'forbidden_origin',
      'method_not_allowed',
      'method_not_allowed',
    ])
  })

  test('the setup token is exchanged once for a cookie that works', async () => {
    const exchange = () =>
      fetch(`${server.url}/api/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ setupToken: SETUP }),
      })
    const first = await exchange()
    const cookie = first.headers.get('set-cookie') ?? ''
    const again = await exchange()
    const [pair = ''] = cookie.split(';')
    expect({
      statuses: [first.status, again.status === 401 || again.status === 429],
      flags: ['HttpOnly', 'SameSite=Strict'].every((flag) => cookie.includes(flag)),
      works: (await ask('/api/projects', { cookie: pair })).status,
      forged: (await ask('/api/projects', { cookie: `${pair}x` })).status >= 400,
      leaks: pair.includes(TOKEN),
    }).toEqual({ statuses: [204, true], flags: true, works: 200, forged: true, leaks: false })
  })

  test('the setup token stays used when the server is started again, and only its hash is kept', async () => {
    const exchangeAt = async (at: TestServer): Promise<number> => {
      const body = JSON.stringify({ setupToken: `${SETUP}-other` })
      const answer = await fetch(`${at.url}/api/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      })
      return answer.status
    }
    const start = () =>
      aServer({ databaseUrl: database?.url ?? '', redisUrl: redis?.url ?? '', setupToken: `${SETUP}-other` })
    const first = await start()
    const statuses = [await exchangeAt(first), await exchangeAt(first)]
    await first.close()
    const second = await start()
    statuses.push(await exchangeAt(second))
    const { rows } = await second.db.pool.query('SELECT * FROM used_setup_tokens')
    await second.close()
    expect({ statuses, kept: JSON.stringify(rows).includes(SETUP) }).toEqual({ statuses: [204, 401, 401], kept: false })
  })

  test('bytes that are no HTTP get a 400 in the same shape', async () => {
    const { connect } = await import('node:net')
    const socket = connect(server.port, '127.0.0.1')
    socket.end('HELO there\r\n\r\n')
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    expect(text).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"bad_request"/)
  })
})

describe('when a store is away', () => {
  test('calls answer 503 with Retry-After, and the process goes on', async () => {
    const own = await aServer({
      databaseUrl: 'postgres://nobody@127.0.0.1:1/none',
      redisUrl: redis?.url ?? '',
      deps: {
        auth: createAuth({
          apiToken: TOKEN,
          readOrigin: createOriginReader([]),
          sessions: { isEnded: () => Promise.resolve(false), end: () => Promise.resolve() },
          claimSetupToken: () => Promise.resolve(false),
        }),
        log: silent,
      },
    })
    const body = JSON.stringify({ message: 'x' })
    const headers = { 'content-type': 'application/json' }
    const answers = [
      await send(chat(), { method: 'POST', headers, body }, own),
      await send('/api/projects', {}, own),
      await send(`/api/workspace/${projectId}/events`, {}, own),
    ]
    for (const answer of answers) {
      expect(outline(answer).slice(0, 2)).toEqual([503, 'store_unavailable'])
      expect(answer.body['error']).toMatchObject({ retryable: true })
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    }
    expect((await send('/healthz', {}, own)).status).toBe(200)
    await own.close()
  })

  test('an unknown defect says nothing about itself', async () => {
    const own = await aServer({
      databaseUrl: database?.url ?? '',
      redisUrl: redis?.url ?? '',
      deps: {
        workspaces: {
          open: () => Promise.reject(new Error('secret at /home/me/file.ts')),
          openExisting: () => Promise.resolve(null),
        },
      },
    })
    const broken = await send(`/api/workspace/${projectId}/files`, {}, own)
    expect(outline(broken)).toEqual([500, 'internal', undefined])
    expect(JSON.stringify(broken.body)).not.toContain('secret')
    expect(new AppError('internal', 'x').retryable).toBe(false)
    await own.close()
  })
})
