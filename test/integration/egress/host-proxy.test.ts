/** The operator's own proxy on the way out: a stand-in that notes what it is asked for and leads everything to loopback. */

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAuthority } from '../../../src/egress/authority.ts'
import { decideByPolicy, type EgressRequest, type Registry } from '../../../src/egress/decision.ts'
import { createEgressProxy } from '../../../src/egress/proxy.ts'
import { createReadDoor } from '../../../src/egress/read-only-door.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'keelson-host-proxy-'))
const asked: string[] = []
let web: Server
let outer: Server
let proxy: Server
let innerCa = ''
const registries: Registry[] = [
  { host: 'packages.example', port: 443, scheme: 'https' },
  { host: 'plain.example', port: 80, scheme: 'http' },
]

const portOf = (server: Server) => (server.address() as AddressInfo).port
const listen = (server: Server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', done))

/** Behind a proxy most names are unknown; one is known, and private. */
const resolve = async (host: string): Promise<readonly string[]> => {
  if (host === 'private.example') return ['10.0.0.7']
  throw new Error('ENOTFOUND')
}

beforeAll(async () => {
  const upstream = await openAuthority(mkdtempSync(path.join(dir, 'up-')))
  const context = await upstream.contextFor('packages.example')
  web = createHttpsServer({ SNICallback: (_name, done) => done(null, context) }, (request, answer) => {
    answer.end(`package ${request.url}`)
  })
  await listen(web)
  outer = createServer((request, answer) => {
    asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? '-'}`)
    answer.end('plain')
  })
  outer.on('connect', (request, client: Socket) => {
    asked.push(`CONNECT ${request.url} ${request.headers['proxy-authorization'] ?? '-'}`)
    if (request.url === 'denied.example:443') {
      client.end('HTTP/1.1 403 Forbidden\r\n\r\n')
      return
    }
    const socket = connect(portOf(web), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      client.pipe(socket).pipe(client)
    })
    for (const side of [client, socket]) side.on('error', () => undefined)
  })
  await listen(outer)
  const authority = await openAuthority(dir)
  innerCa = authority.certificate
  const url = `http://me:secret@127.0.0.1:${portOf(outer)}/`
  const hostProxies = () => ({ https: url, http: url, none: ['straight.example'] })
  const trusted = [upstream.certificate]
  const { door } = createReadDoor({
    authority,
    registries: () => registries,
    trusted,
    resolve,
    idleTimeoutMs: 10_000,
    maxBytes: 1024 * 1024,
    hostProxies,
  })
  const hosts = ['packages2.example', 'private.example', 'denied.example', 'straight.example']
  const decide = (request: EgressRequest) => decideByPolicy({ policy: 'hosts', hosts }, registries, request)
  proxy = createEgressProxy({ decide, resolve, readDoor: door, hostProxies })
  await listen(proxy)
})

afterAll(() => {
  for (const server of [proxy, outer, web]) {
    server.closeAllConnections()
    server.close()
  }
  rmSync(dir, { recursive: true, force: true })
})

function ask(text: string, until: string): Promise<string> {
  return new Promise((done) => {
    const socket = connect(portOf(proxy), '127.0.0.1')
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
      if (answer.includes(until)) socket.destroy()
    })
    socket.on('close', () => done(answer))
    socket.on('error', () => undefined) // a reset is an end, too
    socket.write(text)
  })
}

/** What a GET over TLS inside a tunnel brings. */
async function fetched(host: string, ca: string): Promise<string> {
  const socket = connect(portOf(proxy), '127.0.0.1')
  socket.write(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`)
  await new Promise((done) => socket.once('data', done))
  return await new Promise((done) => {
    const tls = tlsConnect({ socket, servername: host, ca: [ca] }, () => {
      tls.write(`GET /is-number HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    })
    let answer = ''
    tls.on('data', (chunk: Buffer) => (answer += chunk.toString()))
    tls.on('error', () => undefined)
    tls.on('close', () => done(answer.split('\r\n\r\n')[1] ?? answer))
  })
}

test('a registry is read through the host’s proxy, by its name and with the proxy’s own user', async () => {
  const from = asked.length
  const body = await fetched('packages.example', innerCa)
  const plain = await ask('GET http://plain.example/x HTTP/1.1\r\nHost: plain.example\r\n\r\n', 'plain')
  const user = `Basic ${Buffer.from('me:secret').toString('base64')}`
  expect({
    body: body.includes('package /is-number'),
    plain: plain.split('\r\n')[0],
    asked: asked.slice(from),
  }).toEqual({
    body: true,
    plain: 'HTTP/1.1 200 OK',
    asked: [`CONNECT packages.example:443 ${user}`, `GET http://plain.example/x ${user}`],
  })
})

test('a private name, one that the proxy refuses, and one that goes straight and is unknown here are not reached', async () => {
  const from = asked.length
  const connectTo = (host: string) => ask(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}\r\n\r\n`, '\r\n\r\n')
  const answers = []
  for (const host of [
    'private.example',
    'denied.example',
    'straight.example',
    'unlisted.example',
    'packages2.example',
  ]) {
    answers.push((await connectTo(host)).split(' ')[1])
  }
  expect({ answers, asked: asked.slice(from).map((line) => line.split(' ')[1]) }).toEqual({
    answers: ['403', '504', '403', '403', '200'],
    asked: ['denied.example:443', 'packages2.example:443'],
  })
})
