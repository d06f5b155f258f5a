/** What the proxies of this room do alike with a request and its answer. */

import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { HOP_BY_HOP } from '../shared/hop-by-hop.ts'

/** By which some servers take a GET for something else. */
const METHOD_OVERRIDES: ReadonlySet<string> = new Set(['x-http-method-override', 'x-http-method', 'x-method-override'])

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

/** As {@link passedOn}, of a request that must remain the read that it looks like. */
export function readHeaders(asked: IncomingMessage): Record<string, string | string[]> {
  return Object.fromEntries(Object.entries(passedOn(asked)).filter(([name]) => !METHOD_OVERRIDES.has(name)))
}

/** Whether a request wants a WebSocket; anything else that an `Upgrade` offers, such as HTTP/2, may be left out unsaid. */
export function wantsWebSocket(asked: IncomingMessage): boolean {
  return /\bwebsocket\b/i.test(asked.headers.upgrade ?? '')
}

/** Answers a request that is not passed on. Its body, if any, is not read. */
export function refuseRequest(answer: ServerResponse, reason: string, status = 403): void {
  answer.writeHead(status, { connection: 'close', 'content-type': 'text/plain' })
  answer.end(`Keelson: ${reason}\n`)
}

/** The status of an answer that can be passed on; null for one that HTTP does not have, or a protocol that nobody asked for. */
export function statusOf(response: IncomingMessage): number | null {
  const status = response.statusCode ?? 0
  return status >= 200 && status <= 999 ? status : null
}

/** Calls `end` once more than `maxBytes` have come of a message's body. */
export function capBytes(maxBytes: number, message: IncomingMessage, end: () => void): void {
  let left = maxBytes
  message.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) end()
  })
}

/**
 * Passes what a server answers on to whoever asked, and tells them when there is no answer that could be. Never throws: these
 * servers are anybody's, and the process that passes it on serves many. `status` is what the one who asked gets then.
 */
export function passAnswer(
  upstream: ClientRequest,
  answer: ServerResponse,
  { host, maxBytes, status }: { readonly host: string; readonly maxBytes: number; readonly status: 502 | 504 },
): void {
  const refuse = (): void => {
    upstream.destroy()
    if (answer.headersSent) answer.destroy()
    else refuseRequest(answer, `${host} does not answer.`, status)
  }
  answer.once('close', () => upstream.destroy())
  upstream.once('error', refuse)
  upstream.once('response', (response) => {
    response.once('error', () => answer.destroy())
    const received = statusOf(response)
    if (received === null) return refuse()
    answer.writeHead(received, passedOn(response))
    capBytes(maxBytes, response, () => answer.destroy())
    response.pipe(answer)
  })
}
