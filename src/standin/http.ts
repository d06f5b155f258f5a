/** Bodies in and JSON out, with the protocol's errors. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { invalid, WireError } from './wire.ts'

const MAX_BODY_BYTES = 32 * 1024 * 1024

/** The whole body as text. Throws the 413 beyond 32 MiB, the service's own limit. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of request) {
    const bytes = chunk as Buffer
    sizeBytes += bytes.length
    // Read to its end even so: an answer in the middle of a body would leave the connection unusable.
    if (sizeBytes <= MAX_BODY_BYTES) chunks.push(bytes)
  }
  if (sizeBytes > MAX_BODY_BYTES) throw new WireError(413, 'request_too_large', 'Request exceeds the maximum size')
  return Buffer.concat(chunks).toString('utf8')
}

/** Throws the 400 for what is not JSON, and for strings that cannot be encoded as UTF-8. */
export function parseJson(text: string): unknown {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw invalid('The request body is not valid JSON')
  }
  // Only an escape can bring a lone surrogate in, so the walk is for the few bodies that have one.
  if (/\\ud[89a-f]/i.test(text) && holdsLoneSurrogate(body)) {
    throw invalid('The request body is not valid JSON: no low surrogate in string')
  }
  return body
}

function holdsLoneSurrogate(body: unknown): boolean {
  const open: unknown[] = [body]
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value === 'string' && /\p{Surrogate}/u.test(value)) return true
    if (typeof value === 'object' && value !== null) {
      for (const inner of Object.values(value)) open.push(inner)
    }
  }
  return false
}

/** Answers with JSON and ends the response. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body)
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text)
}

/** An error in the protocol's shape; what is not a `WireError` is a 500. Headers that are out already: the end. */
export function answerError(response: ServerResponse, error: unknown, requestId: string): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const wire =
    error instanceof WireError
      ? error
      : new WireError(
          500,
          'api_error',
          `The scripted server failed: ${error instanceof Error ? error.message : 'unknown'}`,
        )
  for (const [name, value] of Object.entries(wire.headers)) response.setHeader(name, value)
  sendJson(response, wire.status, {
    type: 'error',
    error: { type: wire.type, message: wire.message },
    request_id: requestId,
  })
}
