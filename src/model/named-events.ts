import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { AppError } from '../shared/errors.ts'

/** A longer line is none: a server that ends no line would fill the memory. */
const MAX_LINE_BYTES = 64 * 1024 * 1024
/** A comment, which keeps a connection alive and says nothing. */
const COMMENT = ':\n\n'

/**
 * The bytes of an event stream in which every event has its name. Some servers and gateways leave the names out, of their
 * errors above all, and the protocol's client passes such events over: the name is then the one that the data hold
 * (`type`), or `error` for what holds one. What is no JSON object (`[DONE]`) and has no name is left out. Everything else
 * goes through in its order. Throws what `body` throws, and `model_stream_broken` (retried) for a line without end.
 */
export async function* namedEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder()
  const encoder = new TextEncoder()
  let out = ''
  let hasEnded = false
  const parser = createParser({
    onEvent(event) {
      // Half an event says only that the connection ended.
      if (hasEnded && parse(event.data) === undefined) return
      const name = event.event ?? nameIn(event)
      if (name !== undefined) out += `event: ${name}\n${dataLines(event.data)}\n\n`
    },
    onComment() {
      out += COMMENT
    },
  })
  const taken = (): Uint8Array => {
    const bytes = encoder.encode(out)
    out = ''
    return bytes
  }
  let lineBytes = 0
  for await (const chunk of body) {
    lineBytes = Math.max(chunk.lastIndexOf(10), chunk.lastIndexOf(13)) === -1 ? lineBytes + chunk.length : 0
    if (lineBytes > MAX_LINE_BYTES)
      throw new AppError('model_stream_broken', 'The model server sent a line without end.')
    parser.feed(decoder.decode(chunk, { stream: true }))
    if (out !== '') yield taken()
  }
  // A last event without its empty line is taken too: servers end so.
  hasEnded = true
  parser.feed(`${decoder.decode()}\n\n`)
  if (out !== '') yield taken()
}

function dataLines(data: string): string {
  return data
    .split('\n')
    .map((line) => `data: ${line}`)
    .join('\n')
}

function nameIn({ data }: EventSourceMessage): string | undefined {
  const value = parse(data)
  if (typeof value !== 'object' || value === null) return undefined
  if ('type' in value && typeof value.type === 'string' && /^[\w.]{1,100}$/.test(value.type)) return value.type
  return 'error' in value ? 'error' : undefined
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    // Not an event of this protocol.
    return undefined
  }
}
