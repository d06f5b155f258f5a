import { AppError } from '../shared/errors.ts'
import { type EventSource, Feed, type Viewer } from './feed.ts'
import { eventFrame, type Frame, viewerFrame } from './frame.ts'
import { connectInBackground, createLiveRedis, type EventsLog, within } from './live-redis.ts'
import { channelOf, OUTBOX_CHANNEL } from './live-script.ts'
import { decodeBatch } from './live-wire.ts'
import type { StoredEvent, Topic } from './topics.ts'

const LINGER_MS = 5_000
const LOOK_EVERY_MS = 1_000
const LOOK_TIMEOUT_MS = 5_000
const REDIS_TIMEOUT_MS = 1_000
/** Looked at by writing: a Redis that is full or was demoted answers pings and takes nothing that a viewer waits for. */
const LOOK_KEY = 'keelson:look'
const LOOK_KEY_SECONDS = 60
/** A replay reads fewer events at a time when they are large, so that a slow reader costs little memory. */
const PAGE = 200
const PAGE_BYTES = 1024 * 1024
/** How much of a replay is queued before the reader must have taken it. */
const STRIDE_BYTES = 256 * 1024
/** Rounds of a replay that bring nothing while the feed is behind its own cursor; more means that Postgres stutters. */
const MAX_IDLE_ROUNDS = 20

/** What a viewer asks for. */
export interface JoinRequest {
  readonly projectId: string
  /** Only this task's events. */
  readonly taskId?: string
  readonly topics?: readonly Topic[]
  /** The last seq the reader has; `latest` for none of what was; `invalid` for a cursor that no stream ever gave. */
  readonly after: number | 'latest' | 'invalid'
}

/** Where a viewer's frames go. */
export interface Sink {
  /** Queues a frame; must not throw. */
  send(frame: Frame): void
  /** Settles when the reader has taken most of what was queued; false once it is gone. */
  drained(): Promise<boolean>
}

/**
 * A viewer's place in a project's stream. `leave` may be called twice; `catchUp` reads what Postgres has and Redis did
 * not bring.
 */
export interface Joined {
  readonly feed: { readonly lastSeq: number; catchUp(): Promise<void> }
  leave(): void
}

/** How this process's streams stand, for `/readyz` and `/metrics`. Counts are since the start of the process. */
export interface HubStatus {
  readonly redis: 'up' | 'down'
  readonly feeds: number
  readonly viewers: number
  /** Events that Postgres had and the live path did not bring: about 0 while Redis works. */
  readonly backstopDelivered: number
  readonly resyncs: number
}

/** All streams of this process: one Redis subscription and one feed a project, shared by its viewers. */
export interface Hub {
  /** Opens the project's feed, so that a viewer can be refused while Postgres is away. Throws `store_unavailable`. */
  prepare(projectId: string): Promise<void>
  /**
   * Gives the sink every durable event after the cursor exactly once, in order, then what happens, until `leave`. An
   * impossible cursor, or one from before what is kept, gives one `stream.resync` and goes on from the end. Open parts come from offset 0.
   */
  join(request: JoinRequest, sink: Sink): Promise<Joined>
  /** The newest seq this process knows of a project with viewers, else 0. */
  lastSeqOf(projectId: string): number
  readonly status: HubStatus
  close(): void
}

interface Entry {
  readonly feed: Feed
  readonly listener: (text: string) => void
  ready: Promise<void>
  isSubscribed: boolean
  /** Joins under way and viewers. */
  users: number
  linger: NodeJS.Timeout | undefined
}

/**
 * The live path's reading end: one Redis subscriber for the process, one feed for each project that is looked at. It
 * needs Redis only for speed: once a second it asks Postgres for what did not come.
 */
export function createHub(options: {
  redisUrl: string
  source: EventSource
  log: EventsLog
  name?: string
  /** Told when some process has put something into the outbox. Must not throw. */
  onOutboxHint?(): void
  /** Told of each event that was just passed on to readers. Must not throw. */
  onDelivered?(event: StoredEvent): void
}): Hub {
  const redis = createLiveRedis({ url: options.redisUrl, name: options.name ?? 'keelson-hub', log: options.log })
  const feeds = new Map<string, Entry>()
  const counts = { backstopDelivered: 0, resyncs: 0 }
  let isDegraded = false
  let isClosed = false

  const setDegraded = (degraded: boolean): void => {
    if (degraded === isDegraded) return
    isDegraded = degraded
    for (const { feed } of feeds.values()) feed.broadcast(viewerFrame('stream.degraded', feed.projectId, { degraded }))
  }
  /** Never rejects: without Redis the regular look serves the feed, and `recover` subscribes. */
  const subscribe = async (entry: Entry): Promise<void> => {
    if (entry.isSubscribed) return
    entry.isSubscribed = true
    const channel = channelOf(entry.feed.projectId)
    try {
      await within(REDIS_TIMEOUT_MS, redis.subscribe(channel, entry.listener))
      if (feeds.get(entry.feed.projectId) !== entry) await redis.unsubscribe(channel, entry.listener)
    } catch {
      entry.isSubscribed = false
    }
  }
  /** After a loss the subscriptions are back by themselves; what was said meanwhile is read again. */
  const recover = (): void => {
    setDegraded(false)
    for (const entry of feeds.values()) {
      void subscribe(entry)
        .then(() => entry.feed.catchUp())
        .then(() => entry.feed.reloadParts())
    }
  }
  let hearsHints = options.onOutboxHint === undefined
  const hearHints = async (): Promise<void> => {
    if (hearsHints) return
    hearsHints = true
    try {
      await within(
        REDIS_TIMEOUT_MS,
        redis.subscribe(OUTBOX_CHANNEL, () => options.onOutboxHint?.()),
      )
    } catch {
      // Tried again when Redis is back; until then the sweep finds what a hint would have said.
      hearsHints = false
    }
  }
  redis.on('ready', () => {
    recover()
    void hearHints()
  })
  redis.on('error', () => setDegraded(true))
  connectInBackground(redis)

  const open = (projectId: string) => {
    const known = feeds.get(projectId)
    if (known !== undefined) return known
    const feed = new Feed({
      projectId,
      source: options.source,
      readOpenParts: () => within(REDIS_TIMEOUT_MS, redis.readOpenParts(projectId)),
      onBackstop: (count) => {
        counts.backstopDelivered += count
      },
      ...(options.onDelivered ? { onDelivered: options.onDelivered } : {}),
    })
    const listener = (text: string): void => feed.receive(decodeBatch(text))
    const entry: Entry = { feed, ready: Promise.resolve(), users: 0, isSubscribed: false, listener, linger: undefined }
    feeds.set(projectId, entry)
    entry.ready = subscribe(entry).then(() => feed.start())
    entry.ready.catch(() => drop(projectId))
    return entry
  }

  const drop = (projectId: string): void => {
    const entry = feeds.get(projectId)
    if (entry === undefined) return
    feeds.delete(projectId)
    clearTimeout(entry.linger)
    entry.feed.stop()
    redis.unsubscribe(channelOf(projectId), entry.listener).catch(() => undefined)
  }

  const enter = async (projectId: string): Promise<Feed> => {
    const entry = open(projectId)
    clearTimeout(entry.linger)
    entry.users++
    try {
      await entry.ready
      return entry.feed
    } catch (error) {
      entry.users--
      throw error
    }
  }

  const exit = (feed: Feed): void => {
    const entry = feeds.get(feed.projectId)
    if (entry?.feed !== feed || --entry.users > 0) return
    clearTimeout(entry.linger)
    entry.linger = setTimeout(() => entry.users === 0 && drop(feed.projectId), LINGER_MS)
    entry.linger.unref()
  }

  const look = async (): Promise<void> => {
    const looked = redis.isReady
      ? within(REDIS_TIMEOUT_MS, redis.set(LOOK_KEY, '', { EX: LOOK_KEY_SECONDS })).then(
          () => isDegraded && recover(),
          () => setDegraded(true),
        )
      : setDegraded(true)
    const ids = [...feeds.keys()]
    for (let i = 0; i < ids.length; i += PAGE) {
      const seqs = await within(LOOK_TIMEOUT_MS, options.source.latestSeqs(ids.slice(i, i + PAGE)))
      for (const [projectId, seq] of seqs) {
        const feed = feeds.get(projectId)?.feed
        if (feed !== undefined && seq > feed.lastSeq) void feed.catchUp()
      }
    }
    await looked
  }

  let lookTimer: NodeJS.Timeout
  const lookAgain = (): void => {
    lookTimer = setTimeout(() => {
      // A failed look means that Postgres is away; readiness says so, and the next look comes in a second.
      void look()
        .catch(() => undefined)
        .finally(() => isClosed || lookAgain())
    }, LOOK_EVERY_MS)
    lookTimer.unref()
  }
  lookAgain()

  const join = async (request: JoinRequest, sink: Sink): Promise<Joined> => {
    const feed = await enter(request.projectId)
    const viewer: Viewer = { send: (frame) => isMeant(request, frame) && sink.send(frame) }
    let hasLeft = false
    const leave = (): void => {
      if (hasLeft) return
      hasLeft = true
      feed.viewers.delete(viewer)
      exit(feed)
    }
    try {
      const cursor = await startingPoint(feed, request, options.source)
      if (cursor.isResync) {
        counts.resyncs++
        const payload = { latestSeq: cursor.seq }
        sink.send(viewerFrame('stream.resync', request.projectId, payload, { id: cursor.seq }))
      }
      await replay(feed, request, cursor.seq, { sink, viewer, source: options.source })
      if (isDegraded) sink.send(viewerFrame('stream.degraded', request.projectId, { degraded: true }))
      return { feed, leave }
    } catch (error) {
      leave()
      throw error
    }
  }

  return {
    prepare: async (projectId) => exit(await enter(projectId)),
    join,
    lastSeqOf: (projectId) => feeds.get(projectId)?.feed.lastSeq ?? 0,
    get status() {
      let viewers = 0
      for (const { feed } of feeds.values()) viewers += feed.viewers.size
      return { redis: redis.isReady && !isDegraded ? 'up' : 'down', feeds: feeds.size, viewers, ...counts } as const
    },
    close: () => {
      isClosed = true
      clearTimeout(lookTimer)
      for (const projectId of feeds.keys()) drop(projectId)
      redis.destroy()
    },
  }
}

function isMeant(request: JoinRequest, frame: Frame): boolean {
  // What has no task on a task's stream is what the server itself says: resync and degraded.
  if (request.taskId !== undefined && frame.taskId !== request.taskId)
    return frame.seq === null && frame.taskId === null
  return request.topics === undefined || request.topics.includes(frame.topic)
}

/**
 * A cursor is impossible when it is no number that a stream gave, lies beyond the end even after a look at Postgres, or is
 * so old that events behind it were removed.
 */
async function startingPoint(
  feed: Feed,
  request: JoinRequest,
  source: EventSource,
): Promise<{ seq: number; isResync: boolean }> {
  if (request.after === 'latest') return { seq: feed.lastSeq, isResync: false }
  if (request.after !== 'invalid' && request.after <= feed.lastSeq) {
    const isKept = feed.isWholeAfter(request.after) || request.after >= (await source.prunedSeq(request))
    return isKept ? { seq: request.after, isResync: false } : { seq: feed.lastSeq, isResync: true }
  }
  const seqs = await source.latestSeqs([request.projectId])
  const latest = Math.max(feed.lastSeq, seqs.get(request.projectId) ?? 0)
  if (request.after !== 'invalid' && request.after <= latest) return { seq: request.after, isResync: false }
  return { seq: latest, isResync: true }
}

/**
 * Sends what lies between the cursor and the feed's end, from Postgres page by page at the reader's pace, then attaches
 * the viewer in the same tick in which nothing is left. Ends early when the reader is gone.
 */
async function replay(
  feed: Feed,
  request: JoinRequest,
  from: number,
  to: { sink: Sink; viewer: Viewer; source: EventSource },
): Promise<void> {
  let cursor = from
  let limit = PAGE
  for (let idleRounds = 0; idleRounds < MAX_IDLE_ROUNDS; ) {
    if (cursor > feed.lastSeq) await feed.catchUp()
    const recent = cursor > feed.lastSeq ? undefined : feed.recentAfter(cursor)
    if (recent !== undefined) {
      for (const frame of recent) to.viewer.send(frame)
      for (const frame of feed.attach(to.viewer)) to.viewer.send(frame)
      return
    }
    const known = feed.lastSeq
    const { projectId, taskId, topics } = request
    const filter = {
      projectId,
      ...(taskId === undefined ? {} : { taskId }),
      ...(topics === undefined ? {} : { topics }),
    }
    const page = await to.source.readEvents({ ...filter, after: cursor, limit })
    idleRounds = page.length === 0 ? idleRounds + 1 : 0
    let bytes = 0
    let stride = 0
    for (const event of page) {
      const frame = eventFrame(event)
      bytes += frame.bytes.length
      stride += frame.bytes.length
      to.sink.send(frame)
      if (stride < STRIDE_BYTES) continue
      stride = 0
      if (!(await to.sink.drained())) return
    }
    const last = page.at(-1)?.seq ?? cursor
    cursor = page.length < limit ? Math.max(last, known) : last
    if (bytes > PAGE_BYTES) limit = Math.max(10, Math.floor(limit / 4))
    if (!(await to.sink.drained())) return
  }
  throw new AppError('store_unavailable', 'The events cannot be read right now.', { retryAfterMs: 1_000 })
}
