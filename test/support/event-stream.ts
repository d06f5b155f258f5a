import { createParser } from 'eventsource-parser'
import { isTerminalType, type StreamEvent } from '../../src/events/topics.ts'
import { waitFor } from './wait-for.ts'

/** One frame as it stood on the wire. Pings are kept apart. */
export interface WireFrame {
  readonly id: string | undefined
  readonly event: string | undefined
  readonly data: StreamEvent
}

/** Reads one SSE response in the background and keeps everything that came. */
export class EventStream {
  readonly response: Response
  readonly frames: WireFrame[] = []
  readonly pings: unknown[] = []
  /** Resolves when the stream ended, by whatever cause; `failure` then tells a broken one. */
  readonly ended: Promise<void>
  failure: unknown
  isEnded = false
  readonly #abort: AbortController

  constructor(response: Response, abort: AbortController) {
    this.response = response
    this.#abort = abort
    this.ended = this.#read()
      .catch((error: unknown) => {
        this.failure = error
      })
      .finally(() => {
        this.isEnded = true
      })
  }

  get events(): StreamEvent[] {
    return this.frames.map((frame) => frame.data)
  }

  /** The last seq that was seen, 0 before the first. */
  get cursor(): number {
    return Math.max(0, ...this.events.map((event) => ('seq' in event ? event.seq : 0)))
  }

  /** The first event, come or to come, of a type that `matches`. Throws when the stream ends without one. */
  async next<T extends StreamEvent['type']>(
    type: T,
    matches: (event: Extract<StreamEvent, { type: T }>) => boolean = () => true,
    timeoutMs = 60_000,
  ): Promise<Extract<StreamEvent, { type: T }>> {
    const find = () =>
      this.events.find((event): event is Extract<StreamEvent, { type: T }> => {
        return event.type === type && matches(event as Extract<StreamEvent, { type: T }>)
      })
    return await waitFor(
      () => {
        const found = find()
        if (found === undefined && this.isEnded) throw new Error(`the stream ended without ${type}: ${this.summary()}`)
        return found
      },
      `${type} comes`,
      timeoutMs,
    )
  }

  /** The text delta with which all text that streamed so far holds `words`, come or to come. */
  async untilText(words: string): Promise<Extract<StreamEvent, { type: 'text.delta' }>> {
    let text = ''
    return await this.next('text.delta', (event) => {
      // Asked from the first event on at each look, so the text begins anew with it.
      text = event.offset === 0 ? event.delta : text + event.delta
      return text.includes(words)
    })
  }

  /** All events, once the task has ended. Throws when the stream breaks before. */
  async untilTerminal(timeoutMs = 90_000): Promise<StreamEvent[]> {
    await waitFor(
      () => {
        if (this.events.some((event) => isTerminalType(event.type))) return true
        if (this.isEnded) throw new Error(`the stream ended early: ${this.summary()}`, { cause: this.failure })
        return false
      },
      'the terminal event comes',
      timeoutMs,
    )
    return this.events
  }

  close(): void {
    this.#abort.abort()
  }

  /** The types that came, for messages of failing tests. */
  summary(): string {
    return this.events.map((event) => event.type).join(' ')
  }

  async #read(): Promise<void> {
    if (this.response.body === null) return
    const parser = createParser({
      onEvent: ({ id, event, data }) => {
        if (event === 'ping') this.pings.push(JSON.parse(data))
        else this.frames.push({ id, event, data: JSON.parse(data) as StreamEvent })
      },
    })
    const decoder = new TextDecoder()
    for await (const chunk of this.response.body) parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }))
  }
}
