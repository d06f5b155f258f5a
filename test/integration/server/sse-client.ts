import { connect, type Socket } from 'node:net'
import { createParser } from 'eventsource-parser'
import type { StreamEvent } from '../../../src/events/topics.ts'
import { TOKEN, until } from './harness.ts'

export interface SseFrame {
  readonly id: string | undefined
  readonly event: string
  readonly data: StreamEvent
}

export interface SseReader {
  readonly status: number
  readonly headers: Headers
  readonly frames: SseFrame[]
  readonly seqs: number[]
  readonly isOver: () => boolean
  has(type: string): Promise<SseFrame>
  ended(): Promise<void>
  close(): Promise<void>
}

/** A reader as a product would write one: fetch, parse, keep. */
export async function readSse(url: string, init: RequestInit & { cursor?: number } = {}): Promise<SseReader> {
  const stop = new AbortController()
  const headers = new Headers({ authorization: `Bearer ${TOKEN}`, ...(init.headers as Record<string, string>) })
  if (init.cursor !== undefined) headers.set('last-event-id', String(init.cursor))
  const response = await fetch(url, { ...init, headers, signal: stop.signal })
  const frames: SseFrame[] = []
  let over = false
  const parser = createParser({
    onEvent: ({ id, event, data }) => frames.push({ id, event: event ?? '', data: JSON.parse(data) as StreamEvent }),
  })
  const pump = async (): Promise<void> => {
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) parser.feed(decoder.decode(chunk, { stream: true }))
  }
  const pumping = pump()
    .catch(() => undefined)
    .finally(() => {
      over = true
    })
  return {
    status: response.status,
    headers: response.headers,
    frames,
    get seqs() {
      return frames.flatMap(({ id }) => (id === undefined ? [] : [Number(id)]))
    },
    isOver: () => over,
    has: (type) => until(() => frames.find(({ data }) => data.type === type), `${type} arrives`),
    ended: () => until(() => over, 'the stream ends').then(() => undefined),
    close: async () => {
      stop.abort()
      await pumping
    },
  }
}

export interface RawClient {
  readonly socket: Socket
  readonly received: () => string
  readonly isClosed: () => boolean
}

/** A bare socket that has sent one request: for readers that stop reading, vanish or close half. */
export async function sendRaw(port: number, head: string, body = ''): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let text = ''
  let closed = false
  socket.on('data', (chunk) => {
    text += chunk.toString()
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    closed = true
  })
  await new Promise((resolve) => socket.once('connect', resolve))
  const lines = [head, 'host: localhost', `authorization: Bearer ${TOKEN}`]
  if (body !== '') lines.push('content-type: application/json', `content-length: ${Buffer.byteLength(body)}`)
  socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`)
  return { socket, received: () => text, isClosed: () => closed }
}
