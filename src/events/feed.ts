import { closesOf } from './closes.ts'
import { deltaFrame, deltaFrames, eventFrame, type Frame } from './frame.ts'
import { decodeLine, type LiveDelta, type LiveItem } from './live-wire.ts'
import { OpenParts } from './open-parts.ts'
import type { StoredEvent, Topic } from './topics.ts'

/** Where durable events are read: Postgres. Same meaning as `readEvents` and `latestSeq` of src/db. */
export interface EventSource {
  readEvents(options: {
    projectId: string
    taskId?: string
    topics?: readonly Topic[]
    after: number
    limit: number
  }): Promise<StoredEvent[]>
  latestSeqs(projectIds: readonly string[]): Promise<ReadonlyMap<string, number>>
  /** The greatest number that retention removed from the stream of a project or of one of its tasks; 0 for none. */
  prunedSeq(stream: { projectId: string; taskId?: string | undefined }): Promise<number>
}

/** One reader of a feed. `send` must not throw and must not wait. */
export interface Viewer {
  send(frame: Frame): void
}

const RING_FRAMES = 256
const RING_BYTES = 256 * 1024
const PAGE = 500
const MAX_HELD_DELTAS = 2_000
/** Between two tries to get what is missing, so that a hole that stays costs little. */
const RETRY_MS = 250

/** Where one project's feed reads from, and whom it tells. */
export interface FeedOptions {
  readonly projectId: string
  readonly source: EventSource
  /** The open parts' lines from Redis; rejects when Redis is away. */
  readOpenParts(): Promise<readonly string[]>
  /** Told how many events Postgres had that the live path did not bring. */
  onBackstop(count: number): void
  /** Told of each event that was just passed on to viewers. Must not throw. */
  onDelivered?(event: StoredEvent): void
}

/**
 * One project's stream in this process. Invariants: (1) `lastSeq` grows one by one, and each event reaches every viewer
 * once, in order, however it came here; (2) whatever Redis did not bring is read from Postgres; (3) a delta reaches
 * viewers only when it joins what they have; (4) `attach` and what follows it happen in one tick, so nothing falls
 * between a viewer's replay and its live part.
 */
export class Feed {
  readonly projectId: string
  readonly viewers = new Set<Viewer>()
  readonly #options: FeedOptions
  readonly #parts = new OpenParts()
  #ring: Frame[] = []
  #ringBytes = 0
  #lastSeq = 0
  #isStarted = false
  #held: LiveDelta[] = []
  #catchingUp: Promise<void> | undefined
  #behind = false
  #reloading: Promise<void> | undefined
  #reloadTimer: NodeJS.Timeout | undefined
  #retryTimer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(options: FeedOptions) {
    this.projectId = options.projectId
    this.#options = options
  }

  get lastSeq(): number {
    return this.#lastSeq
  }

  /** Finds the end of the stream. The caller has subscribed to the live path before. Throws when Postgres is away. */
  async start(): Promise<void> {
    const seqs = await this.#options.source.latestSeqs([this.projectId])
    const latest = seqs.get(this.projectId) ?? 0
    const after = Math.max(0, latest - RING_FRAMES)
    const recent = await this.#options.source.readEvents({ projectId: this.projectId, after, limit: RING_FRAMES })
    this.#lastSeq = latest
    for (const event of recent) {
      if (event.seq <= latest) this.#note(event, eventFrame(event))
    }
    this.#isStarted = true
    if (this.#behind) void this.catchUp()
    await this.reloadParts()
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#reloadTimer)
    clearTimeout(this.#retryTimer)
    this.viewers.clear()
  }

  /** Takes what the live path brought, in its order. */
  receive(items: readonly LiveItem[]): void {
    if (!this.#isStarted) this.#behind = true
    if (!this.#isStarted || this.#isStopped) return
    for (const item of items) {
      if (item.kind === 'delta') this.#receiveDelta(item)
      else if (item.seq === this.#lastSeq + 1 && this.#catchingUp === undefined) this.#pass(item)
      else if (item.seq > this.#lastSeq) void this.catchUp()
    }
  }

  /** Reads from Postgres until nothing is missing. Never rejects; when Postgres is away it is tried again shortly. */
  catchUp(): Promise<void> {
    this.#behind = true
    // Reading before the start knows where to begin would put the same events into the ring twice.
    if (!this.#isStarted) return Promise.resolve()
    this.#catchingUp ??= this.#readOn().finally(() => {
      this.#catchingUp = undefined
      const held = this.#held
      this.#held = []
      for (const delta of held) this.#receiveDelta(delta)
      // Asked for between the last read and here.
      if (this.#behind && !this.#isStopped) void this.catchUp()
    })
    return this.#catchingUp
  }

  /** Reads the open parts from Redis and passes on what viewers lack. Never rejects. */
  reloadParts(): Promise<void> {
    this.#reloading ??= this.#reload().finally(() => {
      this.#reloading = undefined
    })
    return this.#reloading
  }

  /** Passes a frame that is not part of the stream's order to every viewer. */
  broadcast(frame: Frame): void {
    for (const viewer of this.viewers) viewer.send(frame)
  }

  /** The durable frames after `cursor`, when this process still holds them all. */
  recentAfter(cursor: number): Frame[] | undefined {
    if (cursor >= this.#lastSeq) return []
    const first = this.#ring[0]?.seq ?? Number.POSITIVE_INFINITY
    return first > cursor + 1 ? undefined : this.#ring.filter((frame) => (frame.seq ?? 0) > cursor)
  }

  /** Whether this process holds every event after `cursor`: whatever retention removed, no reader misses it. */
  isWholeAfter(cursor: number): boolean {
    return this.recentAfter(cursor)?.length === Math.max(0, this.#lastSeq - cursor)
  }

  /** From now on `viewer` gets what comes; returns the open parts, which it lacks. Call in the tick of `recentAfter`. */
  attach(viewer: Viewer): Frame[] {
    this.viewers.add(viewer)
    return this.#parts.snapshot().flatMap((deltas) => (deltas[0] === undefined ? [] : [deltaFrames(deltas, deltas[0])]))
  }

  async #readOn(): Promise<void> {
    try {
      while (this.#behind && !this.#isStopped) {
        this.#behind = false
        const page = await this.#options.source.readEvents({
          projectId: this.projectId,
          after: this.#lastSeq,
          limit: PAGE,
        })
        for (const event of page) this.#pass(event)
        if (page.length > 0) this.#options.onBackstop(page.length)
        if (page.length === PAGE) this.#behind = true
      }
    } catch {
      this.#behind = false
      // Postgres is away: readiness says so, the hub's regular look will find the rest, and so does this timer.
      this.#retryTimer ??= setTimeout(() => {
        this.#retryTimer = undefined
        if (!this.#isStopped) void this.catchUp()
      }, RETRY_MS)
    }
  }

  #pass(event: StoredEvent): void {
    if (event.seq <= this.#lastSeq) return
    this.#lastSeq = event.seq
    const frame = eventFrame(event)
    this.#note(event, frame)
    this.broadcast(frame)
    if (this.viewers.size > 0) this.#options.onDelivered?.(event)
  }

  #note(event: StoredEvent, frame: Frame): void {
    for (const close of closesOf(event)) this.#parts.close(close)
    this.#ring.push(frame)
    this.#ringBytes += frame.bytes.length
    while (this.#ring.length > RING_FRAMES || (this.#ringBytes > RING_BYTES && this.#ring.length > 1)) {
      this.#ringBytes -= this.#ring.shift()?.bytes.length ?? 0
    }
  }

  #receiveDelta(delta: LiveDelta): void {
    if (this.#catchingUp !== undefined) {
      if (this.#held.length < MAX_HELD_DELTAS) this.#held.push(delta)
      return
    }
    const found = this.#parts.apply(delta)
    if (found === 'missing') this.#reloadSoon()
    else if (found !== 'seen') this.broadcast(deltaFrame(found))
  }

  #reloadSoon(): void {
    if (this.#reloadTimer !== undefined || this.#isStopped) return
    this.#reloadTimer = setTimeout(() => {
      this.#reloadTimer = undefined
      void this.reloadParts()
    }, RETRY_MS / 5)
  }

  async #reload(): Promise<void> {
    let lines: readonly string[]
    try {
      lines = await this.#options.readOpenParts()
    } catch {
      // Redis is away: there are no open parts to be had, and the closing events come from Postgres.
      return
    }
    await this.#catchingUp
    for (const line of lines) {
      const item = decodeLine(line)
      const found = item?.kind === 'delta' ? this.#parts.apply(item) : 'seen'
      if (typeof found === 'object') this.broadcast(deltaFrame(found))
    }
  }
}
