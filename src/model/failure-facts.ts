/** What a server said about a failed call, in whichever place servers of several makers put it. Pure. */

import type { APIError } from '@anthropic-ai/sdk'
import { retryAfterMsOf } from './retry-after.ts'

/** A failed call in what its answer says: each field is absent or null where the server said nothing of it. */
export interface Facts {
  readonly status: number | undefined
  readonly type: string | null
  readonly message: string
  readonly retryAfterMs: number | undefined
  readonly shouldRetry: boolean | undefined
  readonly requestId: string | null
  /** What the server answered, parsed, of whatever shape. */
  readonly body: unknown
}

/** Reads an error of the SDK; the message is the server’s own sentence, freed of the envelopes that gateways put around it. */
export function factsOf(error: APIError): Facts {
  const headers: Headers | undefined = error.headers
  const retry = headers?.get('x-should-retry')
  return {
    status: error.status ?? statusIn(error.error),
    type: error.type,
    message: sentenceOf(error),
    retryAfterMs: headers === undefined ? undefined : retryAfterMsOf(headers, Date.now()),
    shouldRetry: retry === 'true' ? true : retry === 'false' ? false : undefined,
    requestId: error.requestID ?? null,
    body: error.error,
  }
}

/** The status that a gateway puts into an error within a stream, as number or text. */
function statusIn(body: unknown): number | undefined {
  const inner = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
  const code = typeof inner === 'object' && inner !== null && 'code' in inner ? Number(inner.code) : Number.NaN
  return Number.isInteger(code) && code >= 400 && code <= 599 ? code : undefined
}

/** The server's own sentence, wherever servers of several makers put it; '' when it gave none. */
function sentenceOf(error: APIError): string {
  return withoutEnvelope(spokenBy(error))
}

/** Gateways pass on a whole answer as the text of their own, one within another. */
const MAX_ENVELOPES = 3
const MAX_ENVELOPE_CHARACTERS = 100_000

/** The sentence within an answer that is passed on as text, such as `SomeError: {"error":{"message":"…"}}`. */
function withoutEnvelope(text: string): string {
  let sentence = text
  for (let i = 0; i < MAX_ENVELOPES; i++) {
    const at = sentence.indexOf('{')
    if (at === -1 || sentence.length > MAX_ENVELOPE_CHARACTERS) return sentence
    const inner = sentenceInJson(sentence.slice(at))
    if (inner === undefined) return sentence
    sentence = inner
  }
  return sentence
}

function sentenceInJson(text: string): string | undefined {
  try {
    const body: unknown = JSON.parse(text)
    const inner = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
    return [inner, body].map(sentenceIn).find((told) => told !== undefined)
  } catch {
    // A sentence that happens to hold a brace.
    return undefined
  }
}

function spokenBy(error: APIError): string {
  if (typeof error.apiMessage === 'string') return error.apiMessage
  const body: unknown = error.error
  const inner = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
  const told = [inner, body].map(sentenceIn).find((text) => text !== undefined)
  if (told !== undefined) return told
  return body === undefined ? withoutStatus(error) : ''
}

const SENTENCE_FIELDS = ['message', 'detail', 'details', 'error', 'msg', 'reason', 'title']

function sentenceIn(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return undefined
  const fields = new Map<string, unknown>(Object.entries(value))
  return SENTENCE_FIELDS.map((name) => fields.get(name)).find((text) => typeof text === 'string')
}

/** An answer that is not JSON stands in the SDK's message behind its status; a page of HTML says nothing. */
function withoutStatus({ message, status }: APIError): string {
  const text = status === undefined ? message : message.replace(new RegExp(`^${status} `), '')
  return /^\s*<|status code \(no body\)|^\(no status code/i.test(text) ? '' : text
}
