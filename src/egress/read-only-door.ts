/**
 * Where a TLS connection to a registry ends inside the proxy, so that it can be read and not written to: whoever publishes a
 * package from a sandbox would publish what the sandbox knows. Requests go on over connections of our own, with the
 * credentials that the operator's tools have.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Agent, type RequestOptions, request } from 'node:https'
import type { Socket } from 'node:net'
import { TLSSocket, connect as tlsConnect } from 'node:tls'
import { callbackify } from 'node:util'
import type { Authority } from './authority.ts'
import { credentialFor, type Registry, readOnlyReason, unreachableReason } from './decision.ts'
import { type Destination, type HostProxies, NO_PROXIES, openConnection } from './host-proxy.ts'
import { isRead, passAnswer, readHeaders, refuseRequest } from './http-message.ts'
import { oneAtATime } from './one-at-a-time.ts'
import type { ReadDoor } from './proxy.ts'
import { type Resolve, resolveBySystem } from './resolve.ts'
import { type WayOut, wayTo } from './way-out.ts'

/** What the door knows of registries, and whom it tells of refusals and used tokens. */
export interface ReadDoorOptions {
  readonly authority: Authority
  /** The registries as they are now. */
  registries(): readonly Registry[]
  /** Certificates, in PEM, that are trusted on the way out. */
  readonly trusted: readonly string[]
  /** The proxies that this host itself must use, as they are now; left out: none. */
  hostProxies?(): HostProxies
  readonly resolve?: Resolve
  /** Told of every request that was not a read; must not throw. */
  onRefused?(refused: { host: string; port: number; reason: string }): void
  /** Told when a stored token is sent to its registry; must not throw. */
  onTokenUsed?(id: string): void
  readonly idleTimeoutMs: number
  /** The most that one answer may hold. */
  readonly maxBytes: number
}

const MAX_URL_CHARACTERS = 8_192
const MAX_SOCKETS_PER_HOST = 64
const PROXY_TIMEOUT_MS = 10_000

interface Target {
  readonly host: string
  readonly port: number
}

/** Makes the door. `close` ends the connections it keeps open to registries. */
export function createReadDoor(options: ReadDoorOptions): { door: ReadDoor; close(): void } {
  const { authority, onRefused } = options
  const resolve = options.resolve ?? resolveBySystem
  const targets = new WeakMap<object, Target>()
  const agent = new Agent({
    keepAlive: true,
    maxSockets: MAX_SOCKETS_PER_HOST,
    ca: [...options.trusted],
  })

  /** One pool for what is reached straight; through the host's proxy each request has a connection of its own. */
  const agentOf = (way: WayOut, destination: Destination): Agent =>
    way.proxy === null ? agent : tunnelAgent(way, destination, options)

  const refuse = (answer: ServerResponse, target: Target, reason: string, status: number) => {
    onRefused?.({ ...target, reason })
    refuseRequest(answer, reason, status)
  }

  const serve = async (asked: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const target = targets.get(asked.socket)
    if (target === undefined) throw new Error('a request on a connection that nobody decided on')
    const { host, port } = target
    const url = asked.url ?? ''
    const named = (asked.headers.host ?? '').toLowerCase()
    if (named !== host && named !== `${host}:${port}`) {
      return refuse(answer, target, `a request to ${host} named another host.`, 403)
    }
    if (!url.startsWith('/') || url.length > MAX_URL_CHARACTERS) {
      return refuse(answer, target, `a request to ${host} had a malformed or overlong address.`, 403)
    }
    if (!isRead(asked)) return refuse(answer, target, readOnlyReason(host), 405)
    const headers: Record<string, string | string[]> = { ...readHeaders(asked), host: named }
    const registries = options.registries()
    const credential = credentialFor(registries, target, url)
    if (credential !== undefined) headers['authorization'] = credential.authorization
    const registry = registries.find((each) => each.host === host && each.port === port)
    // One that is none any more was let in a moment ago; it is nobody's private mirror.
    const rule = registry === undefined ? 'public' : (registry.addresses ?? 'configured')
    const destination = { ...target, scheme: 'https' } as const
    const way = await wayTo(destination, rule, { resolve, proxies: options.hostProxies?.() ?? NO_PROXIES })
    if (way === null) return refuse(answer, target, unreachableReason(host), 502)
    if (credential?.id !== undefined) options.onTokenUsed?.(credential.id)
    const upstream = request({
      agent: agentOf(way, destination),
      host,
      servername: host,
      port,
      method: asked.method,
      path: url,
      headers,
      ...connectedBy(way),
    })
    upstream.setTimeout(options.idleTimeoutMs, () => upstream.destroy(new Error('no answer')))
    passAnswer(upstream, answer, { host, maxBytes: options.maxBytes, status: 502 })
    upstream.end()
  }

  const inner = createServer({ maxHeaderSize: 32 * 1024, headersTimeout: 30_000, requestTimeout: 0 })
  inner.on('request', oneAtATime(serve))
  inner.on('clientError', (_error, socket) => socket.destroy())

  const accept = async (socket: Socket, head: Buffer, target: Target): Promise<void> => {
    const secureContext = await authority.contextFor(target.host)
    if (head.length > 0) socket.unshift(head)
    const tls = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ['http/1.1'] })
    tls.on('error', () => socket.destroy()) // e.g. a client that does not trust the authority
    targets.set(tls, target)
    inner.emit('connection', tls)
  }
  return {
    door(socket, head, target) {
      accept(socket, head, target).catch(() => socket.destroy())
    },
    close() {
      agent.destroy()
      inner.closeAllConnections()
    },
  }
}

/** Node looks nothing up: the address was checked. */
function connectedBy({ address }: WayOut): Pick<RequestOptions, 'lookup'> {
  if (address === null) return {}
  return {
    lookup: (_host, lookupOptions, done) => {
      const family = address.includes(':') ? 6 : 4
      // Node asks for a list when it wants to try several families; there is one, the checked one.
      if (lookupOptions.all) done(null, [{ address, family }])
      else done(null, address, family)
    },
  }
}

/** Makes its connections through the host's proxy, and TLS with the destination inside them. */
function tunnelAgent(way: WayOut, destination: Destination, { trusted }: Pick<ReadDoorOptions, 'trusted'>): Agent {
  const agent = new Agent({ keepAlive: false })
  const connect = async () => {
    const socket = await openConnection({ destination, ...way, timeoutMs: PROXY_TIMEOUT_MS })
    return tlsConnect({ socket, servername: destination.host, ca: [...trusted] })
  }
  const connectWithCallback = callbackify(connect)
  agent.createConnection = (_options, done) => {
    connectWithCallback((error, socket) => done?.(error, socket))
    return undefined
  }
  return agent
}
