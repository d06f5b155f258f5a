/** The forms in which servers answer a request for a stream, and what is made of those that are no stream. */

import { AppError } from '../shared/errors.ts'
import { namedEvents } from './named-events.ts'

/** A whole reply is not longer; one that is, is none. */
const MAX_WHOLE_BYTES = 32 * 1024 * 1024

/**
 * An answer of another maker's server as the stream of events that the protocol has: a reply that came whole as JSON as its
 * events, an error with status 200 as the `error` event, events without names with theirs. Answers with an error's status
 * stay as they are. Throws `model_not_found` (final) for a web page in place of a reply, and `model_stream_broken` for JSON
 * that is no reply.
 */
export async function asEventStream(response: Response, host: string): Promise<Response> {
  const { body } = response
  if (!response.ok || body === null) return response
  const kind = response.headers.get('content-type')?.toLowerCase() ?? ''
  if (/\bhtml\b/.test(kind)) {
    await body.cancel()
    const message = `The server at ${host} answered with a web page in place of a reply; check ANTHROPIC_BASE_URL.`
    throw new AppError('model_not_found', message)
  }
  if (!/\bjson\b/.test(kind) || /jsonl|ndjson|x-ndjson/.test(kind)) return withBody(response, namedEvents(body))
  const text = eventsOf(await wholeText(body))
  return withBody(response, bytesOf(text))
}

/** The client iterates the body; a generator in its place costs a fraction of a further stream. */
function withBody(response: Response, bytes: AsyncIterable<Uint8Array>): Response {
  Object.defineProperty(response, 'body', { value: bytes, configurable: true })
  return response
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text)
}

async function wholeText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    if (sizeBytes > MAX_WHOLE_BYTES) throw new AppError('model_stream_broken', 'The model server’s answer is too long.')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const UNREADABLE = 'The model server answered with JSON that is no reply of the Messages protocol.'

function eventsOf(text: string): string {
  const value = parse(text)
  if (typeof value !== 'object' || value === null) throw new AppError('model_stream_broken', UNREADABLE)
  if ('error' in value) return frame('error', value)
  if (!('content' in value) || !Array.isArray(value.content)) throw new AppError('model_stream_broken', UNREADABLE)
  const { content, ...message } = value
  const stop = 'stop_reason' in message ? message.stop_reason : null
  const sequence = 'stop_sequence' in message ? message.stop_sequence : null
  const usage = 'usage' in message ? message.usage : {}
  return [
    frame('message_start', { message: { ...message, content: [] } }),
    ...content.flatMap((block: unknown, index) => [
      frame('content_block_start', { index, content_block: block }),
      frame('content_block_stop', { index }),
    ]),
    frame('message_delta', { delta: { stop_reason: stop, stop_sequence: sequence }, usage }),
    frame('message_stop', {}),
  ].join('')
}

function frame(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ ...fields, type })}\n\n`
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Said by the caller.
    return undefined
  }
}
