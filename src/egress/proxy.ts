/**
 * An HTTP proxy that decides by host name, for commands that have no other way out: CONNECT for TLS, absolute URLs for
 * plain HTTP. Invariants:
 * 1. The name is resolved here, once, and the address that was checked is the one that is dialled; where the host itself has
 *    to use a proxy, that proxy is given the name.
 * 2. A refusal is a 403 that closes the connection, since tools try 407, 429 and 5xx again and again.
 * 3. Every connection has an idle limit and a longest life, every tunnel and request a cap of bytes; there are at most `maxConnections` at once.
 * 4. A tunnel leads to the host that was asked for: TLS inside it names that host, or nothing is passed on.
 * 5. A connection's requests are passed on one after the other, so that its client has one connection out and no more.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { isIP, type Socket } from 'node:net'
import { type FirstBytes, readFirstBytes } from './client-hello.ts'
import {
  type EgressDecision,
  type EgressRequest,
  parseAuthority,
  readOnlyReason,
  unreachableReason,
} from './decision.ts'
import { forwardPlain } from './forward-plain.ts'
import { type HostProxies, NO_PROXIES, openConnection } from './host-proxy.ts'
import { isRead, passedOn, readHeaders, refuseRequest, wantsWebSocket } from './http-message.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { createPlainDoor, webSocketReason } from './plain-door.ts'
import { type Resolve, resolveBySystem } from './resolve.ts'
import { type WayOut, wayTo } from './way-out.ts'

/** What one sandbox's proxy grants: connections at a time, and times in milliseconds. */
export interface EgressLimits {
  readonly maxConnections: number
  readonly connectTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly maxLifeMs: number
  /** Of one tunnel, both directions together, or of a request or an answer. */
  readonly maxBytes: number
}

/** What a sandbox's proxy grants where nobody says otherwise. */
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

/** Who decides about a request, who hears of it, and how the way out is found. */
export interface EgressProxyOptions {
  decide(request: EgressRequest): EgressDecision
  /** Told of every decision; must not throw. */
  onDecision?(record: EgressRecord): void
  /**
   * Whether what a tunnel holds must name its host: TLS, or at port 80 HTTP, request by request.
   * Left out: it may hold anything.
   */
  mustNameHost?(request: EgressRequest): boolean
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
/** Where HTTP is spoken without TLS. */
const PLAIN_PORT = 80

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

  const plainDoor = createPlainDoor({
    ...limits,
    maxHeaderBytes: MAX_HEADER_BYTES,
    headersTimeoutMs: HEADER_TIMEOUT_MS,
    onRefused: (refused) => options.onDecision?.({ at: Date.now(), action: 'refuse', ...refused }),
  })

  const malformed = (asked: string): string => {
    const shown = asked.replace(/[^\x21-\x7e]/g, '?').slice(0, 100)
    const reason = `${shown} is not a host name with a port; addresses cannot be asked for.`
    options.onDecision?.({ at: Date.now(), host: shown, port: 0, action: 'refuse', reason })
    return reason
  }

  const onConnect = async (asked: IncomingMessage, client: Socket, head: Buffer): Promise<void> => {
    const target = parseAuthority(asked.url ?? '')
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
    const mustName = options.mustNameHost?.({ ...target, kind: 'connect' }) ?? false
    if (mustName && target.port === PLAIN_PORT) {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      guard(client, limits)
      plainDoor(client, head, { target, way })
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
    awaitFirstBytes(client, head, (bytes, first) => {
      const reason = problemOf(first, { ...target, needsTls: mustName })
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
    if (wantsWebSocket(asked)) {
      const reason = webSocketReason(target.host)
      options.onDecision?.({ at: Date.now(), ...target, action: 'refuse', reason })
      return refuseRequest(answer, reason)
    }
    const path = parts[2]?.startsWith('/') ? parts[2] : `/${parts[2] ?? ''}`
    const authorization = decision.action === 'read' ? options.authorization?.(target, path) : undefined
    const headers = {
      ...(decision.action === 'read' ? readHeaders(asked) : passedOn(asked)),
      ...(authorization === undefined ? {} : { authorization }),
    }
    forwardPlain(asked, answer, { target, way, path, headers, ...limits })
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
  // Without a listener for upgrades each of them is a request like any other.
  server.on('request', oneAtATime(onRequest))
  server.on('connection', (client: Socket) => guard(client, limits))
  server.on('clientError', (_error, client) => {
    if (client.writable) client.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
    else client.destroy()
  })
  return server
}

function refuseTunnel(client: Socket, reason: string, status = '403 Forbidden'): void {
  const body = `Keelson: ${reason}\n`
  const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`
  client.end(head + body)
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
  let left = limits.maxBytes
  for (const side of [client, upstream]) {
    side.on('data', (chunk: Buffer) => {
      left -= chunk.length
      if (left >= 0) return
      client.destroy()
      upstream.destroy()
    })
  }
  client.pipe(upstream)
  upstream.pipe(client)
  upstream.once('close', () => client.destroySoon())
}
