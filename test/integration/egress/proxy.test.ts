import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer, request as httpRequest, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAuthority } from '../../../src/egress/authority.ts'
import { decideByPolicy, type EgressRequest, type Registry } from '../../../src/egress/decision.ts'
import { createEgressProxy, type EgressRecord } from '../../../src/egress/proxy.ts'
import { createReadDoor } from '../../../src/egress/read-only-door.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'keelson-egress-'))
const seen: string[] = []
const records: EgressRecord[] = []
const refusals: string[] = []
let tcp: TcpServer
let web: Server
let proxy: Server
let connections = 0
let registryPort = 0
let caPem = ''
const registries: Registry[] = []

/** Every name leads to loopback; whether that may be dialled is the rule's word. */
const resolve = async (host: string): Promise<readonly string[]> => {
  if (host === 'rebound.example') return ['1.1.1.1', '127.0.0.1']
  if (host === 'nowhere.example') throw new Error('ENOTFOUND')
  return ['127.0.0.1']
}

const decide = (request: EgressRequest) => {
  if (request.host === 'tunnel.example') return { action: 'tunnel' as const, addresses: 'configured' as const }
  if (request.host === 'slow.example') return { action: 'tunnel' as const, addresses: 'configured' as const }
  return decideByPolicy(
    { policy: 'hosts', hosts: ['private.example', 'rebound.example', 'nowhere.example'] },
    registries,
    request,
  )
}

beforeAll(async () => {
  tcp = createTcpServer((socket) => {
    connections += 1
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  await new Promise<void>((done) => tcp.listen(0, '127.0.0.1', done))
  // The registry's own certificate comes from an authority of its own, which the door trusts.
  const upstreamAuthority = await openAuthority(mkdtempSync(path.join(dir, 'up-')))
  const upstreamContext = await upstreamAuthority.contextFor('packages.example')
  const secure = createHttpsServer({ SNICallback: (_name, done) => done(null, upstreamContext) }, (asked, answer) => {
    const override = asked.headers['x-http-method-override']
    seen.push(`${asked.method} ${asked.url} ${asked.headers.authorization ?? '-'}${String(override ?? '')}`)
    if (asked.url !== '/endless') return answer.end('package')
    const more = (): void => {
      while (answer.write('x'.repeat(65_536)));
      answer.once('drain', more)
    }
    return more()
  })
  web = secure
  await new Promise<void>((done) => secure.listen(0, '127.0.0.1', done))
  registryPort = (secure.address() as AddressInfo).port
  registries.push({
    host: 'packages.example',
    port: registryPort,
    scheme: 'https',
    credentials: [{ pathPrefix: '/private/', authorization: 'Bearer planted-secret' }],
  })
  const authority = await openAuthority(dir)
  caPem = authority.certificate
  const door = createReadDoor({
    authority,
    registries: () => registries,
    trusted: [upstreamAuthority.certificate],
    resolve,
    idleTimeoutMs: 10_000,
    maxBytes: 1024 * 1024,
    onRefused: ({ reason }) => refusals.push(reason),
  })
  proxy = createEgressProxy({
    decide,
    resolve,
    readDoor: door.door,
    onDecision: (record) => records.push(record),
    limits: { idleTimeoutMs: 1_500, maxBytes: 1024 * 1024 },
  })
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done))
})

afterAll(() => {
  proxy.closeAllConnections()
  proxy.close()
  web.closeAllConnections()
  web.close()
  tcp.close()
  rmSync(dir, { recursive: true, force: true })
})

/** What the proxy answers to raw bytes, until it closes or `until` is in the answer. */
function ask(text: string, until?: string): Promise<string> {
  return new Promise((done) => {
    const socket = connect((proxy.address() as AddressInfo).port, '127.0.0.1')
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
      if (until !== undefined && answer.includes(until)) socket.destroy()
    })
    socket.on('close', () => done(answer))
    socket.on('error', () => undefined) // a reset is an end, too; what came before it is the answer
    socket.write(text)
  })
}

const statusOf = (answer: string) => answer.split('\r\n')[0]?.split(' ')[1]

test('addresses, private names, rebinding names and missing names are refused alike and never dialled', async () => {
  const before = connections
  const tcpPort = (tcp.address() as AddressInfo).port
  const tries = [
    `127.0.0.1:${tcpPort}`,
    `[::1]:${tcpPort}`,
    `0x7f000001:${tcpPort}`,
    'private.example:443',
    'rebound.example:443',
    'nowhere.example:443',
    'unlisted.example:443',
    `private.example:${tcpPort}`,
    'packages.example\0.evil.example:443',
  ]
  const answers = await Promise.all(tries.map((target) => ask(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)))
  expect(answers.map(statusOf)).toEqual(['403', '403', '403', '403', '403', '403', '403', '403', '400'])
  const sentences = answers.slice(3, 6).map((answer) => answer.split('\r\n\r\n')[1]?.replace(/\S+\.example/, 'NAME'))
  expect(new Set(sentences).size).toBe(1)
  expect(connections).toBe(before)
})

test('a plain request is refused with the sentence in its body, on a kept connection too', async () => {
  const first = 'GET http://unlisted.example/ HTTP/1.1\r\nHost: unlisted.example\r\n\r\n'
  const answer = await ask(first + first.replaceAll('unlisted', 'private'))
  expect([statusOf(answer), answer.includes('unlisted.example is not allowed')]).toEqual(['403', true])
  expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1)
})

test('an allowed name is tunnelled, to the address that was checked', async () => {
  const tcpPort = (tcp.address() as AddressInfo).port
  const answer = await ask(`CONNECT tunnel.example:${tcpPort} HTTP/1.1\r\n\r\nhello tunnel`, 'hello tunnel')
  expect([statusOf(answer), answer.endsWith('hello tunnel')]).toEqual(['200', true])
})

test('a tunnel ends when it is silent, and when more has passed than is allowed', async () => {
  const tcpPort = (tcp.address() as AddressInfo).port
  const silent = await ask(`CONNECT slow.example:${tcpPort} HTTP/1.1\r\n\r\n`)
  expect(statusOf(silent)).toBe('200')
  const big = await ask(`CONNECT tunnel.example:${tcpPort} HTTP/1.1\r\n\r\n${'x'.repeat(2 * 1024 * 1024)}`)
  expect(big.length).toBeLessThan(1.2 * 1024 * 1024)
})

/** One request to the registry through the proxy, as a tool that trusts the authority makes it. */
async function viaDoor(method: string, url: string, headers: Record<string, string> = {}): Promise<string> {
  const socket = await new Promise<Socket>((done, fail) => {
    const raw = connect((proxy.address() as AddressInfo).port, '127.0.0.1')
    raw.once('error', fail)
    raw.once('data', () => done(raw))
    raw.write(`CONNECT packages.example:${registryPort} HTTP/1.1\r\n\r\n`)
  })
  const tls = tlsConnect({ socket, servername: 'packages.example', ca: caPem })
  return await new Promise((done, fail) => {
    const sent = httpRequest(
      {
        createConnection: () => tls,
        method,
        path: url,
        headers: { host: `packages.example:${registryPort}`, ...headers },
      },
      (answer) => {
        let body = ''
        answer.on('data', (chunk: Buffer) => {
          body += chunk.toString()
        })
        answer.on('end', () => {
          tls.destroy()
          done(`${answer.statusCode} ${body}`.trim())
        })
        answer.on('error', () => done(`${answer.statusCode} cut off, ${body.length <= 2 * 1024 * 1024}`))
      },
    )
    sent.on('error', fail)
    sent.end(method === 'PUT' ? 'package' : undefined)
  })
}

test('a registry is read with the credentials of the operator and never written to', async () => {
  seen.length = 0
  const answers = [
    await viaDoor('GET', '/public/a'),
    await viaDoor('GET', '/private/b'),
    await viaDoor('HEAD', '/public/a'),
    await viaDoor('PUT', '/public/a'),
    await viaDoor('POST', '/-/v1/tokens'),
    await viaDoor('DELETE', '/public/a'),
    await viaDoor('GET', '/public/a', { host: 'other.example' }),
  ]
  const readOnly = 'packages.example is a registry: it can be read, not written to.'
  expect(answers).toEqual([
    '200 package',
    '200 package',
    '200',
    `405 Keelson: ${readOnly}`,
    `405 Keelson: ${readOnly}`,
    `405 Keelson: ${readOnly}`,
    '403 Keelson: a request to packages.example named another host.',
  ])
  expect(seen).toEqual(['GET /public/a -', 'GET /private/b Bearer planted-secret', 'HEAD /public/a -'])
  expect(refusals.filter((reason) => reason === readOnly)).toHaveLength(3)
})

test('what a registry answers is cut off where it is too much, and no header makes another request of a read', async () => {
  seen.length = 0
  const answers = [
    await viaDoor('GET', '/endless'),
    await viaDoor('GET', '/public/a', { 'x-http-method-override': 'PUT' }),
  ]
  expect({ answers, seen }).toEqual({
    answers: ['200 cut off, true', '200 package'],
    seen: ['GET /endless -', 'GET /public/a -'],
  })
})

test('a plain server that is no registry port is not reached through a registry name', async () => {
  const plain = createHttpServer((_asked, answer) => answer.end('inside'))
  await new Promise<void>((done) => plain.listen(0, '127.0.0.1', done))
  const { port } = plain.address() as AddressInfo
  const answer = await ask(`GET http://packages.example:${port}/ HTTP/1.1\r\nHost: packages.example\r\n\r\n`)
  expect(statusOf(answer)).toBe('403')
  plain.close()
})

test('every decision is told once, with the host as it was compared', () => {
  const told = records
    .filter((record) => record.host === 'unlisted.example')
    .map(({ port, action }) => ({ port, action }))
  expect(told).toEqual([
    { port: 443, action: 'refuse' },
    { port: 80, action: 'refuse' },
  ])
})

/** The first message of a TLS connection that names a host, or none. */
function helloFor(servername: string | undefined): Promise<Buffer> {
  return new Promise((done) => {
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', (chunk) => {
        socket.destroy()
        server.close()
        done(chunk)
      })
    })
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      const client = tlsConnect({ port, host: '127.0.0.1', ...(servername === undefined ? {} : { servername }) })
      client.on('error', () => undefined) // the other side only listens
    })
  })
}

/** What comes back of these pieces from the echo behind the tunnel, in hexadecimal. */
function echoed(pieces: readonly Buffer[]): Promise<string> {
  return new Promise((done) => {
    const socket = connect((proxy.address() as AddressInfo).port, '127.0.0.1')
    const target = `tunnel.example:${(tcp.address() as AddressInfo).port}`
    const sizeBytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    let answer = Buffer.alloc(0)
    let isOpen = false
    const end = () => {
      socket.destroy()
      done(answer.toString('hex'))
    }
    socket.on('error', () => undefined)
    socket.on('close', end)
    socket.on('data', (chunk) => {
      if (!isOpen) {
        isOpen = true
        for (const [index, piece] of pieces.entries()) setTimeout(() => socket.write(piece), index * 20)
        return
      }
      answer = Buffer.concat([answer, chunk])
      if (answer.length >= sizeBytes) end()
    })
    socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
  })
}

test('TLS in a tunnel names the host that was asked for, or is ended and told', async () => {
  const [own, other, nameless] = await Promise.all([
    helloFor('tunnel.example'),
    helloFor('other.example'),
    helloFor(undefined),
  ])
  const from = records.length
  const halves = [own.subarray(0, 7), own.subarray(7, 90), own.subarray(90)]
  const plain = Buffer.from('hello, no TLS')
  expect({
    own: await echoed([own]),
    halves: await echoed(halves),
    plain: await echoed([plain]),
    other: await echoed([other]),
    nameless: await echoed([nameless]),
    told: records.slice(from).flatMap(({ reason }) => reason ?? []),
  }).toEqual({
    own: own.toString('hex'),
    halves: own.toString('hex'),
    plain: plain.toString('hex'),
    other: '15030300020270',
    nameless: '15030300020270',
    told: [
      'a tunnel to tunnel.example was used to ask for other.example.',
      'TLS in a tunnel to tunnel.example must name that host.',
    ],
  })
})
