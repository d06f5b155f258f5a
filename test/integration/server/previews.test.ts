import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { type IncomingHttpHeaders, request } from 'node:http'
import type { Socket } from 'node:net'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findService } from '../../../src/db/workspace/services.ts'
import { pathToken } from '../../../src/server/preview/preview-access.ts'
import { TOKEN, until } from './harness.ts'
import { aServiceHost, at, type ServiceHost } from './service-host.ts'

/** A project's own server, hostile where it can be. */
const SITE = `
const { createHash } = require('node:crypto')
const server = require('node:http').createServer((asked, answer) => {
  const url = new URL(asked.url, 'http://x')
  const to = url.searchParams.get('to')
  if (url.pathname === '/') return answer.end('<h1>the page</h1>')
  if (url.pathname === '/echo') {
    let body = ''
    asked.on('data', (chunk) => { body += chunk })
    asked.on('end', () => answer.end(JSON.stringify({ method: asked.method, url: asked.url, headers: asked.headers, body })))
    return
  }
  if (url.pathname === '/cookies') {
    answer.setHeader('Set-Cookie', ['sid=1; Domain=preview.localhost; Path=/; HttpOnly', 'keelson_session=stolen; Path=/',
      'keelson_preview=forged; Domain=localhost', '__Host-keelson_session=stolen; Secure; Path=/', 'theme=dark'])
    return answer.end()
  }
  if (url.pathname === '/redirect') { answer.writeHead(302, { Location: to }); return answer.end() }
  if (url.pathname === '/refresh') { answer.writeHead(200, { Refresh: '0; url=' + to }); return answer.end() }
  if (url.pathname === '/words') {
    answer.writeHead(200, { 'X-Frame-Options': 'DENY', 'Strict-Transport-Security': 'max-age=1', 'Clear-Site-Data': '"*"',
      'Content-Security-Policy': "default-src 'self'; frame-ancestors 'none'", 'Access-Control-Allow-Origin': '*', 'X-Own': 'kept' })
    return answer.end()
  }
  if (url.pathname === '/slow') return
  if (url.pathname === '/garbage') return asked.socket.end('this is not HTTP\\r\\n\\r\\n')
  if (url.pathname === '/huge') { answer.setHeader('X-Huge', 'x'.repeat(40_000)); return answer.end() }
  if (url.pathname === '/flood') {
    const piece = Buffer.alloc(65_536, 'x')
    const more = () => { while (answer.write(piece)); answer.once('drain', more) }
    return more()
  }
  if (url.pathname === '/events') {
    answer.writeHead(200, { 'Content-Type': 'text/event-stream' })
    answer.write('data: one\\n\\n')
    return setTimeout(() => answer.end('data: two\\n\\n'), 50)
  }
  answer.writeHead(404).end()
})
server.on('upgrade', (asked, socket) => {
  if (asked.url === '/refuses') return socket.end('HTTP/1.1 426 Upgrade Required\\r\\nContent-Length: 2\\r\\n\\r\\nno')
  const key = createHash('sha1').update(asked.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
  socket.write('HTTP/1.1 101 Switching Protocols\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Accept: ' + key +
    '\\r\\nSec-WebSocket-Protocol: ' + asked.headers['sec-websocket-protocol'] + '\\r\\nSet-Cookie: keelson_session=x\\r\\n\\r\\n')
  socket.write('hello ' + asked.url + ' ' + asked.headers.origin + ' ' + asked.headers.cookie + '\\n')
  socket.on('error', () => {})
  socket.pipe(socket)
})
server.listen(4173, () => console.log('Local: http://localhost:4173/'))
`

let host: ServiceHost
let projectId: string
let id: string
let name: string
let cookie: string

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

interface Ask {
  readonly path?: string
  readonly method?: string
  readonly hostName?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** One request to the server, by whatever Host: what a browser does for names below `.localhost`. */
function ask({ path = '/', method = 'GET', hostName = name, headers = {}, body }: Ask): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { port } = host.server
    const asked = request({
      host: '127.0.0.1',
      port,
      path,
      method,
      headers: { host: `${hostName}:${port}`, ...headers },
    })
    asked.on('error', reject)
    asked.on('response', (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('error', reject)
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text }))
    })
    asked.end(body)
  })
}

/** As the browser that opened the preview. */
const seen = (given: Ask) => ask({ ...given, headers: { cookie, ...given.headers } })

interface OpenSocket {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly socket: Socket | null
  readonly text: () => string
}

function openSocket(path: string, headers: Record<string, string>): Promise<OpenSocket> {
  return new Promise((resolve, reject) => {
    const { port } = host.server
    const key = createHash('md5').update(path).digest('base64')
    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': key,
    }
    const asked = request({
      host: '127.0.0.1',
      port,
      path,
      headers: { host: `${name}:${port}`, ...upgrade, ...headers },
    })
    let text = ''
    asked.on('error', reject)
    asked.on('upgrade', (answer, socket, head) => {
      text += head.toString()
      socket.on('error', () => undefined)
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      resolve({ status: 101, headers: answer.headers, socket, text: () => text })
    })
    asked.on('response', (answer) => {
      answer.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, socket: null, text: () => text }),
      )
    })
    asked.end()
  })
}

async function openingUrl(): Promise<URL> {
  const { status, body } = await host.call<{ url: string; form: string }>('POST', `${at(projectId)}/${id}/preview`)
  expect([status, body.form]).toEqual([201, 'host'])
  return new URL(body.url)
}

beforeAll(async () => {
  host = await aServiceHost()
  projectId = await host.server.aProject()
  const sandbox = await host.workspaces.open(projectId)
  await sandbox.write([{ path: 'site.js', data: SITE }])
  id = await host.start(projectId, 'node site.js')
  name = `${id}.preview.localhost`
  await host.inState(projectId, id, 'listening')
  const url = await openingUrl()
  const opened = await ask({ path: `${url.pathname}${url.search}` })
  expect([opened.status, opened.headers.location]).toEqual([303, '/'])
  cookie = (opened.headers['set-cookie'] ?? []).map((each) => each.split(';', 1)[0]).join('; ')
})
afterAll(() => host?.close())

test('a preview is opened once by its ticket, for this service alone, and shows nothing without', async () => {
  const url = await openingUrl()
  expect(url.host).toBe(`${name}:${host.server.port}`)
  const path = `${url.pathname}${url.search}`
  const other = `${id.slice(0, -1)}${id.endsWith('0') ? '1' : '0'}.preview.localhost`
  const answers = [
    await ask({ path: '/' }),
    await ask({ path: '/', headers: { cookie: cookie.replaceAll(/\.[\w-]{5}/g, '.AAAAA') } }),
    await ask({ path: '/__keelson/open?ticket=nothing' }),
    await ask({ path, hostName: other }),
    await ask({ path }),
    await ask({ path }),
    await seen({}),
    await ask({ headers: { authorization: `Bearer ${TOKEN}` } }),
  ]
  expect(answers.map(({ status, headers }) => [status, headers['x-keelson-preview']])).toEqual([
    [401, 'closed'],
    [401, 'closed'],
    [401, 'used_ticket'],
    [404, 'unknown'],
    [303, undefined],
    [401, 'used_ticket'],
    [200, undefined],
    [200, undefined],
  ])
  expect(answers.at(-2)?.text).toBe('<h1>the page</h1>')
})

test('the project sees the browser’s own words, and neither our cookies nor our token', async () => {
  const { port } = host.server
  const sent = await seen({
    path: '/echo?a=1&b=%20',
    method: 'POST',
    body: 'the body',
    headers: {
      cookie: `own=1; keelson_session=secret; __Host-keelson_session=secret; ${cookie}; other=2`,
      origin: `http://${name}:${port}`,
      authorization: 'Bearer of-the-project',
      'x-forwarded-for': '203.0.113.9',
      'x-own': 'kept',
      te: 'trailers',
    },
  })
  const { headers, ...rest } = JSON.parse(sent.text) as { headers: Record<string, string> }
  expect(rest).toEqual({ method: 'POST', url: '/echo?a=1&b=%20', body: 'the body' })
  expect(headers).toEqual({
    host: `${name}:${port}`,
    origin: `http://${name}:${port}`,
    cookie: 'own=1; other=2',
    authorization: 'Bearer of-the-project',
    'x-own': 'kept',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': `${name}:${port}`,
    'x-forwarded-proto': 'http',
    connection: 'close',
    'content-length': '8',
  })
  const bearer = await ask({ path: '/echo', headers: { authorization: `Bearer ${TOKEN}` } })
  expect([bearer.status, bearer.text.includes(TOKEN)]).toEqual([200, false])
})

test('what a hostile answer says of other origins is taken out of it', async () => {
  const cookies = await seen({ path: '/cookies' })
  expect(cookies.headers['set-cookie']).toEqual(['sid=1; Path=/; HttpOnly', 'theme=dark'])
  const { headers } = await seen({ path: '/words' })
  const names = ['x-frame-options', 'strict-transport-security', 'clear-site-data', 'x-own']
  expect(names.map((each) => headers[each])).toEqual([undefined, undefined, undefined, 'kept'])
  const { port } = host.server
  expect(headers['content-security-policy']).toBe(
    `default-src 'self', frame-ancestors 'self' http://localhost:${port} http://127.0.0.1:${port}`,
  )
})

test('redirects to itself stay, those to us are refused, and others go where they say', async () => {
  const { port } = host.server
  const moved = async (to: string, path = '/redirect') => {
    const { status, headers } = await seen({ path: `${path}?to=${encodeURIComponent(to)}` })
    return status === 502 ? headers['x-keelson-preview'] : (headers.location ?? headers['refresh'])
  }
  expect([
    await moved('/a?b#c'),
    await moved('b'),
    await moved('http://localhost:4173/x?y'),
    await moved('http://127.0.0.1:4173//evil.example/'),
    await moved(`http://${name}:${port}/z`),
    await moved('https://example.com/'),
    await moved(`http://127.0.0.1:${port}/api/projects`),
    await moved(`http://localhost:${port}/`),
    await moved(`//127.0.0.1:${port}/`),
    await moved(`http://[::1]:${port}/`),
    await moved(`http://localhost:${port}/`, '/refresh'),
    await moved('/next', '/refresh'),
  ]).toEqual([
    '/a?b#c',
    'b',
    '/x?y',
    '/evil.example/',
    '/z',
    'https://example.com/',
    'redirect_refused',
    'redirect_refused',
    'redirect_refused',
    'redirect_refused',
    'redirect_refused',
    '0; url=/next',
  ])
})

test('a server that is slow, floods or speaks no HTTP is contained, with a page that says what is wrong', async () => {
  const answers = [
    await seen({ path: '/slow', headers: { accept: 'text/html' } }),
    await seen({ path: '/garbage' }),
    await seen({ path: '/huge' }),
  ]
  expect(answers.map(({ status, headers }) => [status, headers['x-keelson-preview']])).toEqual([
    [504, 'slow'],
    [502, 'no_http'],
    [502, 'no_http'],
  ])
  expect(answers[0]?.text).toContain('<h1>The service does not answer.</h1>')
  expect(answers[0]?.headers['content-security-policy']).toContain(`default-src 'none'`)
  expect((await seen({ path: '/events' })).text).toBe('data: one\n\ndata: two\n\n')

  const before = process.memoryUsage().rss
  const { port } = host.server
  const floods = Array.from({ length: 80 }, () => {
    const asked = request({
      host: '127.0.0.1',
      port,
      path: '/flood',
      headers: { host: `${name}:${port}`, cookie },
      agent: false,
    })
    asked.on('error', () => undefined)
    asked.end()
    return asked
  })
  const statuses = await Promise.all(
    floods.map(
      (asked) =>
        new Promise<number>((resolve) => {
          // Nobody reads what comes.
          asked.on('response', (answer) => resolve(answer.pause().statusCode ?? 0))
        }),
    ),
  )
  expect(statuses.filter((status) => status === 503).length).toBe(16)
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024)
  for (const asked of floods) asked.destroy()
  await until(async () => (await seen({})).status === 200, 'places are free again')
})

test('WebSockets go through for the preview’s own pages, and for nobody else', async () => {
  const { port } = host.server
  const own = { cookie: `own=1; ${cookie}`, origin: `http://${name}:${port}`, 'sec-websocket-protocol': 'vite-hmr' }
  const open = await openSocket('/ws?token=x', own)
  expect([open.status, open.headers['sec-websocket-protocol'], open.headers['set-cookie']]).toEqual([
    101,
    'vite-hmr',
    undefined,
  ])
  open.socket?.write('ping')
  await until(() => open.text().endsWith('ping'), 'the echo comes back')
  expect(open.text()).toBe(`hello /ws?token=x http://${name}:${port} own=1\nping`)
  const closed = new Promise((resolve) => open.socket?.once('close', resolve))
  open.socket?.destroy()
  await closed
  const refused = [
    await openSocket('/ws', { cookie, origin: 'http://evil.example' }),
    await openSocket('/ws', { cookie, origin: `http://localhost:${port}` }),
    await openSocket('/ws', { cookie, origin: 'null' }),
    await openSocket('/ws', { cookie, 'sec-fetch-site': 'cross-site' }),
    await openSocket('/ws', { origin: `http://${name}:${port}` }),
    await openSocket('/refuses', own),
  ]
  expect(refused.map(({ status, text }) => [status, text().split(' ', 1)[0]])).toEqual([
    [403, 'Another'],
    [403, 'Another'],
    [403, 'Another'],
    [403, 'Another'],
    [401, 'This'],
    [426, 'no'],
  ])
  const many = await Promise.all(Array.from({ length: 34 }, () => openSocket('/ws', own)))
  expect(many.filter(({ status }) => status === 503).length).toBe(2)
  for (const { socket } of many) socket?.destroy()
})

test('pages of other origins cannot send to a preview, and a preview reads nothing of ours', async () => {
  const { port } = host.server
  const origin = `http://${name}:${port}`
  expect((await seen({ method: 'POST', path: '/echo', headers: { origin: 'http://evil.example' } })).status).toBe(403)
  const api = { hostName: '127.0.0.1', path: '/api/projects' }
  const read = await ask({ ...api, headers: { origin, 'sec-fetch-site': 'cross-site' } })
  const known = await ask({ ...api, headers: { origin, authorization: `Bearer ${TOKEN}` } })
  const written = await ask({
    ...api,
    method: 'POST',
    body: '{}',
    headers: { origin, authorization: `Bearer ${TOKEN}`, 'content-type': 'text/plain' },
  })
  const throughPreview = await seen({ path: '/api/projects' })
  expect([read.status, known.status, written.status, throughPreview.status]).toEqual([401, 200, 403, 404])
  for (const answer of [read, known, written]) {
    const names = Object.keys(answer.headers).filter((each) => each.startsWith('access-control'))
    expect([names, answer.headers['cross-origin-resource-policy'], answer.headers['x-frame-options']]).toEqual([
      [],
      'same-origin',
      'DENY',
    ])
  }
  const page = await ask({ hostName: 'localhost', path: '/' })
  expect(page.headers['cross-origin-opener-policy']).toBe('same-origin')
})

test('each state has its page: not listening yet, on another port than named, ended', async () => {
  const waiting = await host.start(projectId, 'echo compiling; sleep 600')
  const named = await host.start(projectId, `exec node -e "require('node:http').createServer().listen(4999)"`, {
    port: 4998,
  })
  const asked = (serviceId: string) =>
    ask({
      hostName: `${serviceId}.preview.localhost`,
      headers: { authorization: `Bearer ${TOKEN}`, accept: 'text/html' },
    })
  const early = await until(async () => {
    const answer = await asked(waiting)
    return answer.text.includes('compiling') && answer
  }, 'its output is on the page')
  expect([early.status, early.headers['retry-after'], early.text.includes('http-equiv="refresh"')]).toEqual([
    503,
    '1',
    true,
  ])
  const other = await asked(named)
  expect([other.status, other.text.includes('until it listens on port 4998')]).toEqual([503, true])
  for (const each of [waiting, named]) await host.call('DELETE', `${at(projectId)}/${each}`)
  const ended = await until(async () => {
    const answer = await asked(waiting)
    return answer.status === 410 && answer
  }, 'it has ended')
  expect([ended.headers['x-keelson-preview'], ended.text.includes('It was stopped.')]).toEqual(['ended', true])
})

test('a request that offers another protocol is answered as it is, with its body', async () => {
  const run = promisify(execFile)
  const curl = async (...args: string[]) => (await run('curl', ['-s', '--http2', '-m', '10', ...args])).stdout
  const { url, port } = host.server
  const headers = ['-H', `authorization: Bearer ${TOKEN}`, '-H', 'content-type: application/json']
  const created = await curl(...headers, '-d', '{"name":"by curl","source":{"kind":"empty"}}', `${url}/api/projects`)
  expect(JSON.parse(created)).toMatchObject({ name: 'by curl' })
  expect(await curl(...headers, `http://${name}:${port}/`)).toBe('<h1>the page</h1>')
  const [plain] = [await openSocket('/healthz', { host: `127.0.0.1:${port}` })]
  expect(plain.status).toBe(200)
})

test('where no name below ours can be had, a preview has a path with a token of its own and no origin', async () => {
  const { port } = host.server
  const { body } = await host.call<{ url: string }>('POST', `${at(projectId)}/${id}/preview`)
  expect(body.url).toContain('.preview.localhost')
  const asAddress = await ask({
    hostName: '127.0.0.1',
    method: 'POST',
    path: `${at(projectId)}/${id}/preview`,
    headers: { authorization: `Bearer ${TOKEN}` },
  })
  expect(asAddress.status).toBe(201)
  const { createPreviewPath } = await pathOf()
  const page = await ask({ hostName: '127.0.0.1', path: createPreviewPath('/') })
  expect([page.status, page.text, page.headers['content-security-policy']]).toEqual([
    200,
    '<h1>the page</h1>',
    `frame-ancestors 'self', sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads`,
  ])
  const echo = await ask({
    hostName: '127.0.0.1',
    path: createPreviewPath('/echo'),
    headers: { cookie: 'keelson_session=x; a=1' },
  })
  expect(JSON.parse(echo.text)).toMatchObject({ url: '/echo', headers: { host: name } })
  expect(echo.text).not.toContain('keelson_session')
  expect((await ask({ hostName: '127.0.0.1', path: createPreviewPath('/cookies') })).headers['set-cookie']).toBe(
    undefined,
  )
  const moved = await ask({ hostName: '127.0.0.1', path: createPreviewPath('/redirect?to=/a') })
  expect(moved.headers.location).toBe(createPreviewPath('/a'))
  const refused = await ask({
    hostName: '127.0.0.1',
    path: createPreviewPath(`/redirect?to=http://127.0.0.1:${port}/api`),
  })
  const wrong = await ask({ hostName: '127.0.0.1', path: `/preview/${id}/${'A'.repeat(43)}/` })
  const foreign = await ask({ hostName: 'evil.example', path: createPreviewPath('/') })
  expect([refused, wrong, foreign].map(({ headers }) => headers['x-keelson-preview'])).toEqual([
    'redirect_refused',
    'closed',
    'foreign_host',
  ])
})

/** The address of the same preview for somebody who came by a name that has none below it. */
async function pathOf(): Promise<{ createPreviewPath(path: string): string }> {
  const service = await findService(host.db, id)
  if (service === null) throw new Error('the service is gone')
  const token = pathToken(service)
  return { createPreviewPath: (path) => `/preview/${id}/${token}${path}` }
}
