import { createParser, type EventSourceMessage } from 'eventsource-parser'

/** A comment, which keeps a connection alive and says nothing. */
const COMMENT = ':\n\n'

/**
 * The bytes of an event stream in which every event has its name. Some servers and gateways leave the names out, of their
 * errors above all, and the protocol's client passes such events over: the name is then the one that the data hold
 * (`type`), or `error` for what holds one. What is no JSON object (`[DONE]`) and has no name is left out. Everything else
 * goes through in its order. Throws what `body` throws.
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
  for await (const chunk of body) {
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
