import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { portOf, proxyAuthorization } from './host-proxy.ts'
import { capBytes, passAnswer } from './http-message.ts'
import type { WayOut } from './way-out.ts'

/** Where a plain request goes, by a way that was checked. */
export interface PlainDestination {
  readonly target: { readonly host: string; readonly port: number }
  readonly way: WayOut
  /** Begins with a slash. */
  readonly path: string
  /** Without `host`, which is the target's. */
  readonly headers: Readonly<Record<string, string | string[]>>
  /** How long either side may be silent, in milliseconds. */
  readonly idleTimeoutMs: number
  /** Of the request's body, and of the answer's. */
  readonly maxBytes: number
}

/** Sends a plain HTTP request on to its destination and passes the answer back; a failure is told to whoever asked. */
export function forwardPlain(asked: IncomingMessage, answer: ServerResponse, to: PlainDestination): void {
  const { target, way, path, idleTimeoutMs, maxBytes } = to
  const host = target.port === 80 ? target.host : `${target.host}:${target.port}`
  const headers = { ...to.headers, host }
  const { proxy } = way
  const ask = proxy?.protocol === 'https:' ? httpsRequest : httpRequest
  const upstream = ask({
    host: proxy === null ? way.address : proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy === null ? target.port : portOf(proxy),
    method: asked.method,
    path: proxy === null ? path : `http://${host}${path}`,
    headers: proxy === null ? headers : { ...headers, ...proxyAuthorization(proxy) },
    timeout: idleTimeoutMs,
    agent: false,
  })
  upstream.once('timeout', () => upstream.destroy(new Error('no answer')))
  passAnswer(upstream, answer, { host: target.host, maxBytes, status: 504 })
  capBytes(maxBytes, asked, () => answer.destroy())
  asked.pipe(upstream)
}
