/**
 * Where plain HTTP in a tunnel ends when some hosts are allowed and others are not: the front that serves an allowed host may
 * serve others, too, and nothing but the `Host` of each request says which one is meant.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { forwardPlain } from './forward-plain.ts'
import { passedOn, refuseRequest, wantsWebSocket } from './http-message.ts'
import { oneAtATime } from './one-at-a-time.ts'
import type { WayOut } from './way-out.ts'

/** A tunnel that was granted: its host and the way there that was checked. */
export interface PlainTunnel {
  readonly target: { readonly host: string; readonly port: number }
  readonly way: WayOut
}

/** Bounds of the requests in one tunnel: headers, silence and each body. All times in milliseconds. */
export interface PlainDoorOptions {
  /** Told of every request that was not passed on; must not throw. */
  onRefused(refused: { readonly host: string; readonly port: number; readonly reason: string }): void
  readonly maxHeaderBytes: number
  readonly headersTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly maxBytes: number
}

/** The sentence for whoever wants a WebSocket without TLS. */
export function webSocketReason(host: string): string {
  return `a WebSocket to ${host} passes with TLS alone (wss).`
}

/** Makes the door: it takes over a tunnel's connection, of which nothing may have been read but `head`. */
export function createPlainDoor(options: PlainDoorOptions): (socket: Socket, head: Buffer, to: PlainTunnel) => void {
  const tunnels = new WeakMap<Socket, PlainTunnel>()
  const serve = async (asked: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const tunnel = tunnels.get(asked.socket)
    if (tunnel === undefined) throw new Error('a request on a connection that nobody decided on')
    const { host, port } = tunnel.target
    const refuse = (reason: string) => {
      options.onRefused({ host, port, reason })
      refuseRequest(answer, reason)
    }
    const path = asked.url ?? ''
    const named = (asked.headers.host ?? '').toLowerCase()
    const isNamed = [host, `${host}:${port}`].includes(named) && path.startsWith('/')
    if (!isNamed) return refuse(`a request in a tunnel to ${host} must name that host.`)
    if (wantsWebSocket(asked)) return refuse(webSocketReason(host))
    forwardPlain(asked, answer, { ...tunnel, path, headers: passedOn(asked), ...options })
  }
  const inner = createServer({ maxHeaderSize: options.maxHeaderBytes, headersTimeout: options.headersTimeoutMs })
  inner.requestTimeout = 0
  inner.on('request', oneAtATime(serve))
  inner.on('clientError', (_error, socket) => socket.destroy())
  return (socket, head, tunnel) => {
    if (head.length > 0) socket.unshift(head)
    tunnels.set(socket, tunnel)
    inner.emit('connection', socket)
  }
}
