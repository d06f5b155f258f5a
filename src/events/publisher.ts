import { Breaker } from '../shared/breaker.ts'
import { connectInBackground, createLiveRedis, type EventsLog, within } from './live-redis.ts'
import { OUTBOX_CHANNEL } from './live-script.ts'
import { OutgoingLine } from './outgoing-line.ts'
import type { NewDelta, StoredEvent } from './topics.ts'

/** Text waits this long for more, so that a page is not asked to draw every token; terminal output waits longer. */
const TEXT_MERGE_MS = 40
const OUTPUT_MERGE_MS = 100
const TEXT_MERGE_UNITS = 4 * 1024
const OUTPUT_MERGE_BYTES = 8 * 1024

const CALL_TIMEOUT_MS = 1_000
const MAX_BATCH_STEPS = 64
const MAX_BATCH_BYTES = 512 * 1024
const MAX_FLUSH_CALLS = 200
/** Longer than any command may be silent: a part that got nothing for one to two of these has lost its producer. */
const FORGET_QUIET_EVERY_MS = 15 * 60_000

/**
 * The way from a process that works to the viewers. Nothing here fails because Redis is away: durable events are read from
 * Postgres then, and of an open part what Redis lacks is sent once it is back.
 */
export interface Publisher {
  /** Passes durable events on after their commit. Returns at once; a repeat is harmless. */
  publishEvents(projectId: string, events: readonly StoredEvent[]): void
  /**
   * Passes a piece of an open part on, merged with its neighbours. `lease` is the task's fencing token: once a higher
   * one has published, a lower one is refused. Pieces must join up (`offset` = length so far); a repeat is dropped.
   */
  publishDelta(delta: NewDelta, lease: number): void
  /** Tells the servers that the outbox has something for them, so that they need not wait for their next sweep. */
  hintOutbox(): void
  /** Waits until all that was passed on so far is out, at most `timeoutMs`. */
  flush(timeoutMs: number): Promise<void>
  /** Sends what waits (at most half a second) and lets go of Redis. */
  close(): Promise<void>
  /** `senders`: projects that something waits for, or that have a part open here. */
  readonly status: { readonly redis: 'up' | 'down'; readonly failures: number; readonly senders: number }
}

/**
 * The live path's writing end. It can neither fail nor slow a task: nothing here throws or is awaited by the caller,
 * every call to Redis has a time limit, a breaker stops calling a Redis that does not answer, and what waits is bounded
 * (readers get durable events from Postgres, and each open part's closing event holds its whole text).
 */
export function createPublisher(options: {
  redisUrl: string
  log: EventsLog
  name?: string
  forgetQuietEveryMs?: number
}): Publisher {
  const redis = createLiveRedis({ url: options.redisUrl, name: options.name ?? 'keelson-publisher', log: options.log })
  const breaker = new Breaker({ threshold: 2, maxPauseMs: 2_000 })
  const senders = new Map<string, Sender>()
  let failures = 0
  connectInBackground(redis)
  const forgetting = setInterval(() => {
    for (const sender of senders.values()) sender.forgetQuiet()
  }, options.forgetQuietEveryMs ?? FORGET_QUIET_EVERY_MS)
  forgetting.unref()

  const senderOf = (projectId: string): Sender => {
    const known = senders.get(projectId)
    if (known !== undefined) return known
    const made = new Sender({
      breaker,
      call: (ops) => within(CALL_TIMEOUT_MS, redis.pushLive(projectId, ops)),
      onFailure: () => failures++,
      onIdle: () => senders.delete(projectId),
    })
    senders.set(projectId, made)
    return made
  }

  const flush = async (timeoutMs: number): Promise<void> => {
    const all = Promise.all([...senders.values()].map((sender) => sender.flush()))
    await within(timeoutMs, all).catch(() => undefined)
  }

  return {
    publishEvents: (projectId, events) => {
      if (events.length > 0) senderOf(projectId).events(events)
    },
    publishDelta: (delta, lease) => senderOf(delta.scope.projectId).delta(delta, lease),
    hintOutbox: () => {
      // Only a hint: the sweep finds what it would have said.
      within(CALL_TIMEOUT_MS, redis.publish(OUTBOX_CHANNEL, '')).catch(() => undefined)
    },
    flush,
    close: async () => {
      clearInterval(forgetting)
      await flush(500)
      for (const sender of senders.values()) sender.stop()
      senders.clear()
      redis.destroy()
    },
    get status() {
      const redisState = redis.isReady && !breaker.isOpen ? ('up' as const) : ('down' as const)
      return { redis: redisState, failures, senders: senders.size }
    },
  }
}

interface SenderOptions {
  readonly breaker: Breaker
  call(ops: Parameters<ReturnType<typeof createLiveRedis>['pushLive']>[1]): Promise<readonly number[]>
  onFailure(): void
  onIdle(): void
}

/** Sends one project's line, one call at a time, so that nothing overtakes; what comes meanwhile goes into the next. */
class Sender {
  readonly #line = new OutgoingLine()
  readonly #options: SenderOptions
  #timer: NodeJS.Timeout | undefined
  #dueAt = Number.POSITIVE_INFINITY
  #freshUnits = 0
  #running: Promise<void> | undefined
  #isStopped = false

  constructor(options: SenderOptions) {
    this.#options = options
  }

  events(events: readonly StoredEvent[]): void {
    this.#line.addEvents(events)
    this.#sendWithin(0)
  }

  delta(delta: NewDelta, lease: number): void {
    const { fresh, isFirst, isOutput } = this.#line.addDelta(delta, lease)
    if (fresh === 0) return
    this.#freshUnits += fresh
    const isFull = this.#freshUnits >= (isOutput ? OUTPUT_MERGE_BYTES : TEXT_MERGE_UNITS)
    this.#sendWithin(isFull || isFirst ? 0 : isOutput ? OUTPUT_MERGE_MS : TEXT_MERGE_MS)
  }

  async flush(): Promise<void> {
    for (let calls = 0; calls < MAX_FLUSH_CALLS && this.#line.hasWork; calls++) {
      if (this.#isStopped || this.#options.breaker.pauseMs > 0) return
      this.#fire()
      await this.#running
    }
    await this.#running
  }

  /** See `OutgoingLine.forgetQuiet`; a line that has nothing left is let go. */
  forgetQuiet(): void {
    this.#line.forgetQuiet()
    if (this.#line.isIdle && this.#running === undefined) this.#options.onIdle()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }

  /** At 0 the batch leaves at the end of this tick, so that what one caller adds in a row travels together. */
  #sendWithin(delayMs: number): void {
    const dueAt = performance.now() + delayMs
    if (this.#isStopped || dueAt >= this.#dueAt) return
    this.#dueAt = dueAt
    clearTimeout(this.#timer)
    if (delayMs === 0) queueMicrotask(() => this.#fire())
    else this.#timer = setTimeout(() => this.#fire(), delayMs)
  }

  #fire(): void {
    clearTimeout(this.#timer)
    this.#dueAt = Number.POSITIVE_INFINITY
    this.#running ??= this.#send().finally(() => {
      this.#running = undefined
      if (this.#isStopped) return
      if (this.#line.hasWork) this.#sendWithin(this.#options.breaker.pauseMs)
      else if (this.#line.isIdle) this.#options.onIdle()
    })
  }

  async #send(): Promise<void> {
    const { breaker, call, onFailure } = this.#options
    if (breaker.pauseMs > 0 || this.#isStopped) return
    const batch = this.#line.take(MAX_BATCH_STEPS, MAX_BATCH_BYTES)
    this.#freshUnits = 0
    if (batch.ops.length === 0) return
    try {
      const answers = await call(batch.ops)
      breaker.succeeded()
      this.#line.succeeded(batch, answers)
    } catch {
      // Counted, reported by `status` and by the client's own error line; the events are in Postgres.
      onFailure()
      breaker.failed()
      this.#line.failed(batch)
    }
  }
}
