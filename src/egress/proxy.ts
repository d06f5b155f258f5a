/**
 * An HTTP proxy that decides by host name, for commands that have no other way out: CONNECT for TLS, absolute URLs for
 * plain HTTP. Invariants:
 * 1. The name is resolved here, once, and the address that was checked is the one that is dialled; where the host itself has
 *    to use a proxy, that proxy is given the name.
 * 2. A refusal is a 403 that closes the connection, since tools try 407, 429 and 5xx again and again.
 * 3. Every connection has an idle limit and a longest life, every tunnel and request a cap of bytes; there are at most `maxConnections` at once.
 * 4. A tunnel leads to the host that was asked for: TLS inside it names that host, or nothing is passed on.
 */

import { createServer, request as httpRequest, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type Socket } from 'node:net'
import type { Duplex, Readable } from 'node:stream'
import { type FirstBytes, readFirstBytes } from './client-hello.ts'
import {
  type EgressDecision,
  type EgressRequest,
  parseAuthority,
  readOnlyReason,
  unreachableReason,
} from './decision.ts'
import { type HostProxies, NO_PROXIES, openConnection, portOf, proxyAuthorization } from './host-proxy.ts'
import { type Resolve, resolveBySystem } from './resolve.ts'
import { type WayOut, wayTo } from './way-out.ts'

export interface EgressLimits {
  readonly maxConnections: number
  readonly connectTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly maxLifeMs: number
  /** Of one tunnel, both directions together, or of a request or an answer. */
  readonly maxBytes: number
}

export const DEFAULT_EGRESS_LIMITS: EgressLimits = {
  maxConnections: 256,
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 120_000,
  maxLifeMs: 30 * 60_000,
  maxBytes: 8 * 1024 ** 3,
}

/** One request and what became of it. `bytes` is known when the connection has ended. */
export interface EgressRecord {
  readonly at: number
  readonly host: string
  readonly port: number
  readonly action: EgressDecision['action']
  readonly reason?: string
}

/** Takes over a connection whose requests are to be read one by one; see read-only-door.ts. */
export type ReadDoor = (socket: Socket, head: Buffer, target: { host: string; port: number }) => void

export interface EgressProxyOptions {
  decide(request: EgressRequest): EgressDecision
  /** Told of every decision; must not throw. */
  onDecision?(record: EgressRecord): void
  /**
   * Authorities such as `127.0.0.1:8443` or `[::1]:8443` that the operator named by address; `decide` is asked about them
   * too. Every other address is refused unasked.
   */
  readonly namedAddresses?: ReadonlySet<string>
  /** Whether a tunnel may hold TLS alone; left out: it may hold anything. */
  needsTls?(request: EgressRequest): boolean
  /** Needed when `decide` may answer `read` for a tunnel. */
  readonly readDoor?: ReadDoor
  /** What is sent along with a plain request to a registry for this path, if anything. */
  authorization?(target: { host: string; port: number }, path: string): string | undefined
  /** The proxies that this host itself must use, as they are now; left out: none. */
  hostProxies?(): HostProxies
  readonly resolve?: Resolve
  readonly limits?: Partial<EgressLimits>
}

const HEADER_TIMEOUT_MS = 10_000
const MAX_HEADER_BYTES = 32 * 1024
/** RFC 9110, section 7.6.1, and the two that speak to the proxy alone. */
const HOP_BY_HOP = new Set(
  'connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade'.split(
    ' ',
  ),
)

/** Makes the proxy; the caller listens. Closing it leaves open connections to their own end: `closeAllConnections` ends them. */
export function createEgressProxy(options: EgressProxyOptions): Server {
  const limits = { ...DEFAULT_EGRESS_LIMITS, ...options.limits }
  const resolve = options.resolve ?? resolveBySystem

  const settle = async (request: EgressRequest): Promise<{ decision: EgressDecision; way: WayOut }> => {
    const decision = options.decide(request)
    const destination = { ...request, scheme: request.kind === 'http' ? 'http' : 'https' } as const
    const ways = { resolve, proxies: options.hostProxies?.() ?? NO_PROXIES }
    const way = decision.action === 'refuse' ? null : await wayTo(destination, decision.addresses, ways)
    const settled: EgressDecision =
      decision.action !== 'refuse' && way === null
        ? { action: 'refuse', reason: unreachableReason(request.host) }
        : decision
    const reason = settled.action === 'refuse' ? { reason: settled.reason } : {}
    options.onDecision?.({ at: Date.now(), host: request.host, port: request.port, action: settled.action, ...reason })
    return { decision: settled, way: way ?? { address: null, proxy: null } }
  }

  const malformed = (asked: string): string => {
    const shown = asked.replace(/[^\x21-\x7e]/g, '?').slice(0, 100)
    const reason = `${shown} is not a host name with a port; addresses cannot be asked for.`
    options.onDecision?.({ at: Date.now(), host: shown, port: 0, action: 'refuse', reason })
    return reason
  }

  const onConnect = async (asked: IncomingMessage, client: Socket, head: Buffer): Promise<void> => {
    const target = parseAuthority(asked.url ?? '') ?? namedAddress(asked.url ?? '', options.namedAddresses)
    if (target === null) return refuseTunnel(client, malformed(asked.url ?? ''))
    const { decision, way } = await settle({ ...target, kind: 'connect' })
    if (client.destroyed) return
    if (decision.action === 'refuse') return refuseTunnel(client, decision.reason)
    if (decision.action === 'read') {
      if (options.readDoor === undefined) return refuseTunnel(client, `${target.host} cannot be read by this proxy.`)
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      guard(client, limits)
      options.readDoor(client, head, target)
      return
    }
    let upstream: Socket
    try {
      const destination = { ...target, scheme: 'https' } as const
      upstream = await openConnection({ destination, ...way, timeoutMs: limits.connectTimeoutMs })
    } catch {
      // Whatever it was: the tool is told what it can understand.
      return refuseTunnel(client, `${target.host} does not answer.`, '504 Gateway Timeout')
    }
    upstream.on('error', () => undefined) // 'close' follows
    if (client.destroyed) {
      upstream.destroy()
      return
    }
    client.once('close', () => upstream.destroy())
    upstream.once('close', () => client.destroySoon())
    client.write('HTTP/1.1 200 Connection established\r\n\r\n')
    guard(client, limits)
    const needsTls = options.needsTls?.({ ...target, kind: 'connect' }) ?? false
    awaitFirstBytes(client, head, (bytes, first) => {
      const reason = problemOf(first, { ...target, needsTls })
      if (reason === null) {
        upstream.write(bytes)
        join(client, upstream, limits)
        return
      }
      options.onDecision?.({ at: Date.now(), ...target, action: 'refuse', reason })
      client.end(UNRECOGNIZED_NAME)
      upstream.destroy()
    })
  }

  const onRequest = async (asked: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const url = asked.url ?? ''
    const parts = /^http:\/\/([^/?#]*)(.*)$/i.exec(url)
    const target = parts === null ? null : parseAuthority(parts[1] ?? '', 80)
    if (parts === null || target === null) return refuseRequest(answer, malformed(url))
    const { decision, way } = await settle({ ...target, kind: 'http' })
    if (decision.action === 'refuse') return refuseRequest(answer, decision.reason)
    if (decision.action === 'read' && !isRead(asked)) {
      const reason = readOnlyReason(target.host)
      options.onDecision?.({ at: Date.now(), ...target, action: 'refuse', reason })
      return refuseRequest(answer, reason, 405)
    }
    const path = parts[2]?.startsWith('/') ? parts[2] : `/${parts[2] ?? ''}`
    const authorization = decision.action === 'read' ? options.authorization?.(target, path) : undefined
    const headers = {
      ...(decision.action === 'read' ? readHeaders(asked) : passedOn(asked)),
      host: target.port === 80 ? target.host : `${target.host}:${target.port}`,
      ...(authorization === undefined ? {} : { authorization }),
    }
    const { proxy } = way
    const ask = proxy?.protocol === 'https:' ? httpsRequest : httpRequest
    const upstream = ask({
      host: proxy === null ? way.address : proxy.hostname.replace(/^\[|\]$/g, ''),
      port: proxy === null ? target.port : portOf(proxy),
      method: asked.method,
      path: proxy === null ? path : `http://${headers.host}${path}`,
      headers: proxy === null ? headers : { ...headers, ...proxyAuthorization(proxy) },
      timeout: limits.idleTimeoutMs,
      agent: false,
    })
    answer.once('close', () => upstream.destroy())
    upstream.once('timeout', () => upstream.destroy(new Error('no answer')))
    upstream.once('error', () => {
      if (answer.headersSent) answer.destroy()
      else refuseRequest(answer, `${target.host} does not answer.`, 504)
    })
    upstream.once('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, passedOn(response))
      response.once('error', () => answer.destroy())
      capBytes(limits.maxBytes, [response], () => answer.destroy())
      response.pipe(answer)
    })
    capBytes(limits.maxBytes, [asked], () => answer.destroy())
    asked.pipe(upstream)
  }

  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADER_TIMEOUT_MS,
    keepAliveTimeout: 5_000,
  })
  server.maxConnections = limits.maxConnections
  server.requestTimeout = limits.maxLifeMs
  server.on('connect', (asked: IncomingMessage, client: Socket, head: Buffer) => {
    client.on('error', () => undefined) // 'close' follows and ends the other side
    onConnect(asked, client, head).catch(() => client.destroy())
  })
  server.on('request', (asked, answer) => {
    onRequest(asked, answer).catch(() => answer.destroy())
  })
  // No protocol is spoken here but HTTP; an upgrade would be a tunnel that nobody decided on.
  server.on('upgrade', (_asked: IncomingMessage, client: Duplex) => client.destroy())
  server.on('connection', (client: Socket) => guard(client, limits))
  server.on('clientError', (_error, client) => {
    if (client.writable) client.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
    else client.destroy()
  })
  return server
}

function namedAddress(authority: string, named?: ReadonlySet<string>): { host: string; port: number } | null {
  if (named?.has(authority) !== true) return null
  const url = new URL(`https://${authority}`)
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 443 : Number(url.port) }
}

/** Whether a request only reads: GET or HEAD without a body. */
export function isRead(asked: IncomingMessage): boolean {
  const hasBody = asked.headers['transfer-encoding'] !== undefined || Number(asked.headers['content-length'] ?? 0) > 0
  return (asked.method === 'GET' || asked.method === 'HEAD') && !hasBody
}

/** The headers that belong to the message itself rather than to one connection. */
export function passedOn(message: IncomingMessage): Record<string, string | string[]> {
  const named = String(message.headers.connection ?? '')
    .toLowerCase()
    .split(/\s*,\s*/)
  const kept = Object.entries(message.headers).filter(([name]) => !HOP_BY_HOP.has(name) && !named.includes(name))
  return Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}

/** By which some servers take a GET for something else. */
const METHOD_OVERRIDES: ReadonlySet<string> = new Set(['x-http-method-override', 'x-http-method', 'x-method-override'])

/** As {@link passedOn}, of a request that must remain the read that it looks like. */
export function readHeaders(asked: IncomingMessage): Record<string, string | string[]> {
  return Object.fromEntries(Object.entries(passedOn(asked)).filter(([name]) => !METHOD_OVERRIDES.has(name)))
}

/** Calls `end` once more than `maxBytes` have come from the sources together. */
export function capBytes(maxBytes: number, sources: readonly Readable[], end: () => void): void {
  let left = maxBytes
  for (const source of sources) {
    source.on('data', (chunk: Buffer) => {
      left -= chunk.length
      if (left < 0) end()
    })
  }
}

function refuseTunnel(client: Socket, reason: string, status = '403 Forbidden'): void {
  const body = `Keelson: ${reason}\n`
  const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`
  client.end(head + body)
}

/** Answers a request that is not passed on. Its body, if any, is not read. */
export function refuseRequest(answer: ServerResponse, reason: string, status = 403): void {
  answer.writeHead(status, { connection: 'close', 'content-type': 'text/plain' })
  answer.end(`Keelson: ${reason}\n`)
}

/** A fatal alert of TLS (RFC 6066, section 3): a refusal that a client in the midst of its handshake understands. */
const UNRECOGNIZED_NAME = Buffer.from([21, 3, 3, 0, 2, 2, 112])

/** Why a tunnel's first bytes may not pass, or null. What has an address for a name is not named in TLS. */
function problemOf(
  first: FirstBytes,
  { host, needsTls }: { readonly host: string; readonly needsTls: boolean },
): string | null {
  if (first.kind !== 'tls') return needsTls ? `a tunnel to ${host} must hold TLS.` : null
  if (first.name === host || (first.name === null && isIP(host) !== 0)) return null
  return first.name === null
    ? `TLS in a tunnel to ${host} must name that host.`
    : `a tunnel to ${host} was used to ask for ${first.name}.`
}

/** Calls back once with what a client sent first, as soon as it says whether that is TLS; nothing is lost or read further. */
function awaitFirstBytes(client: Socket, head: Buffer, done: (bytes: Buffer, first: FirstBytes) => void): void {
  let bytes = head
  const look = (): boolean => {
    const first = readFirstBytes(bytes)
    if (first.kind === 'more') return false
    client.removeListener('data', take)
    client.pause()
    done(bytes, first)
    return true
  }
  const take = (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk])
    look()
  }
  if (!look()) client.on('data', take)
}

const guarded = new WeakSet<Socket>()

/** Ends a connection that is idle or lives too long. Once for each socket. */
function guard(socket: Socket, limits: EgressLimits): void {
  if (guarded.has(socket)) return
  guarded.add(socket)
  socket.setTimeout(limits.idleTimeoutMs, () => socket.destroy())
  const life = setTimeout(() => socket.destroy(), limits.maxLifeMs)
  socket.once('close', () => clearTimeout(life))
}

/** Passes bytes both ways until either side ends or more than `maxBytes` have passed. */
function join(client: Socket, upstream: Socket, limits: EgressLimits): void {
  guard(client, limits)
  guard(upstream, limits)
  capBytes(limits.maxBytes, [client, upstream], () => {
    client.destroy()
    upstream.destroy()
  })
  client.pipe(upstream)
  upstream.pipe(client)
  upstream.once('close', () => client.destroySoon())
}
