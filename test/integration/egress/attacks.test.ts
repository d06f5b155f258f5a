/** What a command may try at the only way out of its sandbox, byte by byte, against servers that count what reaches them. */

import { createServer as createHttpServer, type Server } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { decideByPolicy, type EgressRequest, type Registry } from '../../../src/egress/decision.ts'
import { createEgressProxy, type EgressRecord } from '../../../src/egress/proxy.ts'
import { waitFor } from '../../support/wait-for.ts'

/** What reached the web server: method, path, its `Host` and how large its body was. */
const seen: string[] = []
const records: EgressRecord[] = []
let web: Server
let rude: TcpServer
let proxy: Server
let open = 0
let mostOpen = 0
let asked = 0
const portOf = (server: TcpServer): number => (server.address() as AddressInfo).port

/** Names that lead to loopback and may; the others get the policy `hosts`, and the first answer alone is public. */
const NAMED = new Set(['allowed.example', 'front.example', 'rude.example'])
const registries: Registry[] = [
  { host: 'packages.example', port: 443, scheme: 'https', credentials: [{ pathPrefix: '/', authorization: 'secret' }] },
]

beforeAll(async () => {
  web = createHttpServer((request, answer) => {
    let bytes = 0
    request.on('data', (chunk: Buffer) => (bytes += chunk.length))
    request.on('end', () => {
      seen.push(`${request.method} ${request.url} ${request.headers.host} ${bytes}`)
      if (request.url === '/slow') setTimeout(() => answer.end('slow'), 20)
      else answer.end('inside')
    })
  })
  web.on('connection', (socket) => {
    open += 1
    mostOpen = Math.max(mostOpen, open)
    socket.on('close', () => (open -= 1))
  })
  // Says what it is asked for as its status line.
  rude = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (chunk) => {
      const line = decodeURIComponent(/ \/(\S*)/.exec(chunk.toString())?.[1] ?? '')
      socket.end(`${line}\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok`)
    })
  })
  for (const server of [web, rude]) await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  proxy = createEgressProxy({
    decide: (request: EgressRequest) =>
      NAMED.has(request.host)
        ? { action: 'tunnel', addresses: 'configured' }
        : decideByPolicy({ policy: 'open', hosts: [] }, registries, request),
    mustNameHost: () => true,
    resolve: async (host) => {
      asked += 1
      if (host === 'changes.example') return [asked % 2 === 1 ? '203.0.113.1' : '127.0.0.1']
      return ['127.0.0.1']
    },
    onDecision: (record) => records.push(record),
    limits: { idleTimeoutMs: 2_000, connectTimeoutMs: 200, maxBytes: 1024 * 1024 },
  })
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done))
})

beforeEach(() => {
  seen.length = 0
  records.length = 0
  mostOpen = 0
  asked = 0
})

afterAll(() => {
  proxy.closeAllConnections()
  web.closeAllConnections()
  for (const server of [proxy, web, rude]) server.close()
})

/** What comes back to these bytes until the proxy closes, or `until` was said; then `reply` is sent, once. */
function talk(text: string, { until, reply }: { until?: string; reply?: string } = {}): Promise<string> {
  return new Promise((done) => {
    const socket = connect(portOf(proxy), '127.0.0.1')
    let answer = ''
    let isReplied = false
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
      if (until === undefined || !answer.includes(until)) return
      if (reply === undefined || isReplied) socket.destroy()
      isReplied = true
      if (reply !== undefined && !socket.destroyed) socket.write(reply, 'latin1')
    })
    socket.on('close', () => done(answer))
    socket.on('error', () => undefined)
    socket.write(text, 'latin1')
  })
}

const statusesOf = (answer: string): string[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, code = '']) => code)
const sentenceOf = (answer: string): string | undefined => /Keelson: .*/.exec(answer)?.[0]
const plain = (method: string, target: string, ...lines: string[]) =>
  `${method} ${target} HTTP/1.1\r\n${['Host: allowed.example', ...lines].join('\r\n')}\r\n\r\n`

test('an address in any notation, a name with more in it than a name, and a foreign protocol get nowhere', async () => {
  const port = portOf(web)
  const authorities = [
    '127.0.0.1', '127.1', '127.0.0.1.', '0177.0.0.1', '0x7f.0.0.1', '0x7f000001', '017700000001', '2130706433',
    '127.0.0.0x1', '[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:ffff:127.0.0.1]', '[fe80::1%25eth0]',
    '[fe80::1%eth0]', '::1', 'localhost', 'LOCALHOST.', 'user@allowed.example', 'user:pw@allowed.example',
    'allowed.example@127.0.0.1', 'allowed.example#@127.0.0.1', 'allowed.example\\@127.0.0.1', 'allowed.example%00.b',
    'allowed.example%2e', 'allowed..example', '.allowed.example', 'allowed.example..', '\xe0llowed.example',
    '１２７.0.0.1', 'ⓛocalhost', 'xn--', 'a_b.-c.example', `${'a.'.repeat(127)}ab`, '',
  ] // biome-ignore format: a table
  const connects = await Promise.all(
    authorities.map(async (host) => statusesOf(await talk(`CONNECT ${host}:${port} HTTP/1.1\r\n\r\n`))[0]),
  )
  const requests = await Promise.all(
    authorities.map(async (host) => statusesOf(await talk(plain('GET', `http://${host}:${port}/`)))[0]),
  )
  const odd = await Promise.all(
    [
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'SSH-2.0-x\r\n',
      '\x16\x03\x01\x00\x05hello',
      '\x05\x01\x00',
      `CONNECT allowed.example\0:${port} HTTP/1.1\r\n\r\n`,
      `CONNECT allowed.example HTTP/1.1\r\n\r\n`,
      `CONNECT allowed.example:0 HTTP/1.1\r\n\r\n`,
      `CONNECT allowed.example:99999 HTTP/1.1\r\n\r\n`,
      `CONNECT allowed.example:+${port} HTTP/1.1\r\n\r\n`,
      plain('GET', `https://allowed.example:${port}/`),
      plain('GET', `ftp://allowed.example:${port}/`),
      plain('GET', '/'),
      plain('OPTIONS', '*'),
    ].map(async (text) => statusesOf(await talk(text))[0]),
  )
  expect({
    connects: authorities.filter((_host, index) => !['403', '400'].includes(connects[index] ?? '')),
    requests: authorities.filter((_host, index) => !['403', '400'].includes(requests[index] ?? '')),
    odd,
    seen,
    open,
  }).toEqual({
    connects: [],
    requests: [],
    odd: ['400', '400', '400', '400', '400', '403', '403', '403', '403', '403', '403', '403', '403'],
    seen: [],
    open: 0,
  })
})

test('upper case and a dot at the end are the same name, and each request is looked up and checked anew', async () => {
  const port = portOf(web)
  const same = await Promise.all(
    ['Allowed.EXAMPLE', 'allowed.example.'].map(async (host) =>
      statusesOf(await talk(plain('GET', `http://${host}:${port}/`), { until: 'inside' })),
    ),
  )
  // Public at the first question, loopback at the second: each answer is checked, and what was checked is what is dialled.
  asked = 0
  await talk('CONNECT changes.example:443 HTTP/1.1\r\n\r\n', { until: '\r\n\r\n' })
  const again = statusesOf(await talk(plain('GET', 'http://changes.example/')))
  const rebound = records.filter(({ host }) => host === 'changes.example').map(({ action }) => action)
  expect({ same, again, rebound, seen: seen.length }).toEqual({
    same: [['200'], ['200']],
    again: ['403'],
    rebound: ['tunnel', 'refuse'],
    seen: 2,
  })
})

test('a request that two servers could read in two ways reaches none, and what is passed on names the host it was let go to', async () => {
  const target = `http://allowed.example:${portOf(web)}/x`
  const inner = `GET http://private.example/ HTTP/1.1\r\nHost: private.example\r\n\r\n`
  const refused = await Promise.all(
    [
      plain('POST', target, 'Content-Length: 4', 'Content-Length: 40') + inner,
      plain('POST', target, 'Content-Length: 4, 40') + inner,
      plain('POST', target, 'Content-Length: +4') + inner,
      plain('POST', target, 'Content-Length: 0x4') + inner,
      `${plain('POST', target, 'Content-Length: 4', 'Transfer-Encoding: chunked')}0\r\n\r\n${inner}`,
      `${plain('POST', target, 'Transfer-Encoding: chunked, identity')}0\r\n\r\n${inner}`,
      `${plain('POST', target, 'Transfer-Encoding : chunked')}0\r\n\r\n${inner}`,
      `${plain('POST', target, 'Transfer-Encoding: xchunked', 'Content-Length: 4')}0\r\n\r\n${inner}`,
      plain('GET', target, ' folded: yes'),
      plain('GET', target, 'X: a\rb'),
      plain('GET', target, 'X: a\0b'),
      `GET ${target} HTTP/1.1\nHost: a\n\n`,
      plain('GET', target, `X: ${'a'.repeat(40_000)}`),
    ].map(async (text) => statusesOf(await talk(text))),
  )
  const other = await talk(plain('GET', target, 'Host: private.example', 'X-Forwarded-Host: private.example'), {
    until: 'inside',
  })
  expect({ refused: refused.filter((codes) => codes.includes('200')), other: statusesOf(other), seen }).toEqual({
    refused: [],
    other: ['200'],
    seen: [`GET /x allowed.example:${portOf(web)} 0`],
  })
})

test('requests that come all at once go out one after the other, and too many end the connection', async () => {
  const target = `http://allowed.example:${portOf(web)}/slow`
  const five = await talk(plain('GET', target).repeat(4) + plain('GET', target, 'Connection: close'))
  const atOnce = mostOpen
  await waitFor(() => open === 0, 'they are gone')
  const flood = await talk(plain('GET', target).repeat(2_000))
  await waitFor(() => open === 0, 'they are gone, too')
  expect({
    five: statusesOf(five),
    atOnce,
    flood: statusesOf(flood).length < 100,
    mostOpen,
    seen: seen.length < 100,
  }).toEqual({
    five: ['200', '200', '200', '200', '200'],
    atOnce: 1,
    flood: true,
    mostOpen: 1,
    seen: true,
  })
})

test('plain HTTP in a tunnel names its host in each request, where others are not allowed', async () => {
  const target = 'front.example:80'
  const inTunnel = (host: string, ...lines: string[]) =>
    `GET / HTTP/1.1\r\n${[`Host: ${host}`, ...lines].join('\r\n')}\r\n\r\n`
  // Nothing listens at port 80 here: what is passed on is told as no answer.
  const tries = await Promise.all(
    [
      inTunnel('front.example'),
      inTunnel('Front.Example:80'),
      inTunnel('other.example'),
      inTunnel('front.example', 'Upgrade: websocket', 'Connection: Upgrade'),
      `GET http://other.example/ HTTP/1.1\r\nHost: front.example\r\n\r\n`,
      `GET / HTTP/1.0\r\n\r\n`,
    ].map((text) => talk(`CONNECT ${target} HTTP/1.1\r\n\r\n`, { until: 'established', reply: text })),
  )
  expect({
    answers: tries.map(sentenceOf),
    told: new Set(records.flatMap(({ reason }) => reason ?? [])),
  }).toEqual({
    answers: [
      'Keelson: front.example does not answer.',
      'Keelson: front.example does not answer.',
      'Keelson: a request in a tunnel to front.example must name that host.',
      'Keelson: a WebSocket to front.example passes with TLS alone (wss).',
      'Keelson: a request in a tunnel to front.example must name that host.',
      'Keelson: a request in a tunnel to front.example must name that host.',
    ],
    told: new Set([
      'a request in a tunnel to front.example must name that host.',
      'a WebSocket to front.example passes with TLS alone (wss).',
    ]),
  })
})

test('an upgrade to HTTP/2 is left out, a WebSocket without TLS is refused in words', async () => {
  const target = `http://allowed.example:${portOf(web)}/up`
  const h2 = await talk(
    plain('GET', target, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk'),
    {
      until: 'inside',
    },
  )
  const socket = await talk(plain('GET', target, 'Connection: Upgrade', 'Upgrade: websocket'))
  expect({ h2: statusesOf(h2), socket: [statusesOf(socket), socket.includes('passes with TLS alone')], seen }).toEqual({
    h2: ['200'],
    socket: [['403'], true],
    seen: [`GET /up allowed.example:${portOf(web)} 0`],
  })
})

test('a registry is not written to by its other web port either, and its credentials stay', async () => {
  const tries = [
    plain('PUT', 'http://packages.example/a'),
    plain('PUT', 'http://packages.example:443/a'),
    'CONNECT packages.example:80 HTTP/1.1\r\n\r\n',
    plain('GET', 'http://packages.example:443/a'),
  ]
  const answers = await Promise.all(tries.map((text) => talk(text)))
  const decided = (port: number, kind: 'connect' | 'http') =>
    decideByPolicy({ policy: 'open', hosts: [] }, registries, { host: 'packages.example', port, kind }).action
  expect({
    answers: answers.map(sentenceOf),
    decided: [decided(443, 'connect'), decided(80, 'http'), decided(80, 'connect'), decided(443, 'http')],
  }).toEqual({
    answers: [
      'Keelson: packages.example does not exist or is not a public host.',
      'Keelson: packages.example is a registry: it can be read, not written to.',
      'Keelson: packages.example is a registry: it can be read, not written to.',
      'Keelson: packages.example is a registry: it can be read, not written to.',
    ],
    decided: ['read', 'read', 'refuse', 'refuse'],
  })
})

test('a server that answers with what HTTP does not have harms nobody', async () => {
  const lines = ['HTTP/1.1 000 x', 'HTTP/1.1 099 x', 'HTTP/1.1 101 x', 'HTTP/1.1 1000 x', 'HTTP/9 x', '\x00']
  const answers = await Promise.all(
    lines.map((line) => talk(plain('GET', `http://rude.example:${portOf(rude)}/${encodeURIComponent(line)}`))),
  )
  const good = await talk(
    plain('GET', `http://rude.example:${portOf(rude)}/${encodeURIComponent('HTTP/1.1 404 no')}`),
    {
      until: 'ok',
    },
  )
  expect([answers.map(statusesOf), statusesOf(good)]).toEqual([lines.map(() => ['504']), ['404']])
})
