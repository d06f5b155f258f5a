import { pipeline, type Readable, type Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { Agent, Headers, request, Response as UndiciResponse } from 'undici'

/** Who calls here has limits of its own, for headers and for silence. */
const PATIENT = new Agent({ headersTimeout: 0, bodyTimeout: 0 })

const DECODERS: ReadonlyMap<string, () => Transform> = new Map([
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
  ['deflate', () => createInflate()],
  ['br', () => createBrotliDecompress()],
])

const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304])

/**
 * Sends one request as `fetch` with `redirect: 'manual'` does, at half of its CPU time: the body of an event stream is the
 * connection's own stream, to be iterated, in place of a web stream around it; every other answer is an ordinary one. Takes
 * the method, headers, text body and signal of `init`. Waits as long as it takes, to be ended by the signal; throws its
 * reason, or what the connection failed of. Sends once.
 */
export async function sendRequest(url: string | URL, init: RequestInit = {}): Promise<Response> {
  const { method = 'GET', body, signal } = init
  const answer = await request(url, {
    method,
    headers: Object.fromEntries(new globalThis.Headers(init.headers)),
    body: typeof body === 'string' ? body : null,
    signal: signal ?? null,
    dispatcher: PATIENT,
  })
  const { statusCode: status } = answer
  const headers = new Headers()
  for (const [name, value = []] of Object.entries(answer.headers)) {
    for (const one of [value].flat()) headers.append(name, one)
  }
  if (WITHOUT_BODY.has(status)) return new UndiciResponse(null, { status, headers })
  const bytes = decoded(answer.body, headers.get('content-encoding') ?? '')
  const isStream = status === 200 && /^text\/event-stream\b/i.test(headers.get('content-type') ?? '')
  const response = new UndiciResponse(isStream ? null : bytes, { status, headers })
  return isStream ? Object.defineProperty(response, 'body', { value: bytes, configurable: true }) : response
}

/** What a server encoded although nobody asked for it. */
function decoded(bytes: Readable, encoding: string): Readable {
  const decoder = DECODERS.get(encoding.trim().toLowerCase())
  // Whoever reads the end of the pipe is told of a failure anywhere in it.
  return decoder === undefined ? bytes : pipeline(bytes, decoder(), () => undefined)
}
