import { createHash } from 'node:crypto'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import { Fold, HOLE } from './fold.ts'
import type { Random } from './random.ts'

/** A durable event as a viewer got it. */
export interface Seen {
  readonly seq: number
  /** Digest of the frame's data. */
  readonly hash: string
}

export interface ViewerEvent {
  readonly type: string
  readonly seq?: number
  readonly taskId?: string
  readonly [field: string]: unknown
}

export interface ViewerOptions {
  readonly baseUrl: string
  readonly token: string
  /** The stream to follow, e.g. `/api/workspace/prj_1/events`. */
  readonly path: string
  /** First cursor. */
  readonly after: number
  readonly random: Random
  /** A reader that leaves and comes back by itself; 0 leaves only when it is cut off. */
  readonly leavesAfterMs: { readonly min: number; readonly max: number } | null
  readonly onEvent?: (event: ViewerEvent) => void
}

const SILENCE_LIMIT_MS = 20_000

export function digest(data: string): string {
  return createHash('sha1').update(data).digest('base64url').slice(0, 16)
}

/** A reader that follows a stream across every interruption and writes down what it got. */
export class Viewer {
  readonly path: string
  readonly after: number
  readonly seen: Seen[] = []
  readonly problems: string[] = []
  readonly fold = new Fold()
  connects = 0
  resyncs = 0
  degraded = 0
  lastFrameAt = 0
  #cursor: number
  #isStopped = false
  #ended = false
  #request: ClientRequest | undefined
  readonly #options: ViewerOptions
  readonly #done: Promise<void>

  constructor(options: ViewerOptions) {
    this.#options = options
    this.path = options.path
    this.after = options.after
    this.#cursor = options.after
    this.#done = this.#run()
  }

  get cursor(): number {
    return this.#cursor
  }

  /** True once a task's stream has ended after its terminal event. */
  get isComplete(): boolean {
    return this.#ended
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#request?.destroy()
    await this.#done
  }

  async #run(): Promise<void> {
    while (!this.#isStopped && !this.#ended) {
      await this.#connectOnce()
      if (!this.#isStopped && !this.#ended) await sleep(this.#options.random.whole(20, 250))
    }
  }

  /** Resolves, never rejects, when the connection is over. */
  #connectOnce(): Promise<void> {
    const { baseUrl, token, random, leavesAfterMs } = this.#options
    this.connects++
    this.fold.clear()
    return new Promise((resolve) => {
      const headers = {
        accept: 'text/event-stream',
        authorization: `Bearer ${token}`,
        ...(this.connects > 1 ? { 'last-event-id': String(this.#cursor) } : {}),
      }
      const call = request(`${baseUrl}${this.path}?after=${this.after}`, { headers, agent: false })
      this.#request = call
      const leave =
        leavesAfterMs && setTimeout(() => call.destroy(), random.whole(leavesAfterMs.min, leavesAfterMs.max))
      // Pings come every 15 s: more silence than that is a dead connection.
      call.setTimeout(SILENCE_LIMIT_MS, () => call.destroy())
      call.once('error', () => undefined)
      call.once('close', () => {
        if (leave) clearTimeout(leave)
        resolve()
      })
      call.once('response', (response) => this.#read(response, call))
      call.end()
    })
  }

  #read(response: IncomingMessage, call: ClientRequest): void {
    response.once('error', () => undefined)
    if (response.statusCode !== 200) {
      if (response.statusCode !== 503) this.problems.push(`${this.path}: status ${response.statusCode}`)
      response.resume()
      return
    }
    const parser = createParser({
      onEvent: ({ id, event, data }) => {
        if (call.destroyed) return
        this.lastFrameAt = Date.now()
        if (event !== 'ping') this.#take(id, data, call)
      },
    })
    response.setEncoding('utf8')
    response.on('data', (text: string) => parser.feed(text))
  }

  #take(id: string | undefined, data: string, call: ClientRequest): void {
    const event = JSON.parse(data) as ViewerEvent
    if (event.type === 'stream.resync') this.#resync(Number(id))
    else if (event.type === 'stream.degraded') this.degraded++
    else if (event.seq !== undefined) this.#takeDurable(event, event.seq, id, data)
    const result = this.fold.apply(event)
    // A reader with a hole fetches again.
    if (result === HOLE) call.destroy()
    else if (result !== null) this.problems.push(`${this.path}: ${result}`)
  }

  #resync(seq: number): void {
    this.resyncs++
    this.problems.push(`${this.path}: stream.resync to ${seq} although the cursor ${this.#cursor} was one it had given`)
    this.#cursor = seq
  }

  #takeDurable(event: ViewerEvent, seq: number, id: string | undefined, data: string): void {
    if (id !== String(seq)) this.problems.push(`${this.path}: frame id ${id} and seq ${seq} differ`)
    if (seq <= this.#cursor) this.problems.push(`${this.path}: seq ${seq} came again after ${this.#cursor}`)
    this.#cursor = Math.max(this.#cursor, seq)
    this.seen.push({ seq, hash: digest(data) })
    if (this.path.startsWith('/api/tasks/') && /^task\.(completed|failed|cancelled)$/.test(event.type))
      this.#ended = true
    this.#options.onEvent?.(event)
  }
}
