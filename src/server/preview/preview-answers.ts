/** How a preview's answers are written: to an HTTP response, or by hand to a socket that asked for a WebSocket. */

import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type AnswerContext, answerHeaders, ownWords } from './preview-headers.ts'
import { FAULT_POLICY, faultPage, type PreviewFault } from './preview-page.ts'
import type { PreviewTarget } from './preview-target.ts'

/** Tells a browser what is wrong, in the place of an answer of the service; at most once a request. */
export type Answer = (fault: PreviewFault) => void

/** Answers over HTTP: a page for a browser, one line for a program. An answer that has begun is broken off instead. */
export function answerWith(outgoing: ServerResponse, target: PreviewTarget, frameAncestors: readonly string[]): Answer {
  return (fault) => {
    if (outgoing.headersSent || outgoing.destroyed) {
      outgoing.destroy()
      return
    }
    const wantsHtml = (outgoing.req.headers.accept ?? '*/*').includes('html')
    const text = wantsHtml ? faultPage(fault) : `${fault.title} ${fault.detail}\n`
    const own: Record<string, string> = {
      'Content-Type': wantsHtml ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8',
      'Content-Length': String(Buffer.byteLength(text)),
      'Cache-Control': 'no-store',
      'X-Keelson-Preview': fault.code,
      'Content-Security-Policy': FAULT_POLICY,
      Connection: 'close',
      ...(fault.retryAfterSeconds === undefined ? {} : { 'Retry-After': String(fault.retryAfterSeconds) }),
    }
    const headers = [...Object.entries(own), ...ownWords({ target, frameAncestors })].flat()
    outgoing.writeHead(fault.status, headers)
    outgoing.end(outgoing.req.method === 'HEAD' ? undefined : text)
  }
}

/** Answers a request for a WebSocket with a status and a line, and ends the connection; nothing when it is closed already. */
export function refuseSocket(socket: Duplex, { status, code, title, detail }: PreviewFault): void {
  if (socket.destroyed || !socket.writable) return
  const text = `${title} ${detail}\n`
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `X-Keelson-Preview: ${code}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
  ]
  socket.end(`${lines.join('\r\n')}\r\n\r\n${text}`)
}

/** Header names and values in turn for an answer that goes to a socket; null: it may not be passed on. */
export function socketHeaders(answer: IncomingMessage, context: AnswerContext): string[] | null {
  return answerHeaders(answer.rawHeaders, context)
}

/** Status line and headers, with the blank line that ends them. `headers`: names and values in turn. */
export function headOf(answer: IncomingMessage, headers: readonly string[]): string {
  let text = `HTTP/1.1 ${answer.statusCode ?? 502} ${reasonPhrase(answer)}\r\n`
  for (let i = 0; i + 1 < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`
  return `${text}\r\n`
}

/** The standard words: a project's own could hold anything. */
export function reasonPhrase({ statusCode }: IncomingMessage): string {
  return STATUS_CODES[statusCode ?? 502] ?? 'Unknown'
}
