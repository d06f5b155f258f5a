import { createParser } from 'eventsource-parser'
import type { StreamEvent } from '../../events/topics.ts'
import { faultFrom } from '../api/fault.ts'

/** Where a stream stands, for the person who waits for it. */
export type StreamState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** `failures` counts in a row; the next try is at `retryAt` (milliseconds). */
  | { readonly kind: 'waiting'; readonly failures: number; readonly retryAt: number }
  /** No more tries: signed out, or the project is gone. */
  | { readonly kind: 'ended'; readonly code: string }

/** What a stream needs. Its callbacks are called in the order in which frames arrive and must not throw. */
export interface EventStreamOptions {
  /** The address with the cursor of this moment. */
  readonly url: () => string
  readonly onEvent: (event: StreamEvent) => void
  readonly onState: (state: StreamState) => void
}

/** An open stream; after `close` nothing is called any more but what is being read. */
export interface Stream {
  /** The machine woke, the network is back, the page is looked at again: tries now, or checks that frames still come. */
  wake(): void
  /** Begins anew from the cursor of this moment. */
  restart(): void
  close(): void
}

const MIN_BACKOFF_MS = 500
const MAX_BACKOFF_MS = 10_000
/** The server pings every 15 s; three missed ones are a dead connection. */
const SILENCE_MS = 45_000
/** The server's first frame comes at once; a proxy that holds frames back shows here. */
const FIRST_FRAME_MS = 10_000
/** A live stream that was quiet this long when the page woke is not trusted. */
const STALE_MS = 20_000
/** Frames are folded at most this long without a break: half a frame of the screen. */
const SLICE_MS = 8
/** Statuses that no more trying mends. */
const FINAL_STATUSES = new Set([400, 401, 403, 404])

/** 0.5, 1, 2, 4, 8, then 10 s, each 50 to 100 % of it, so that many pages do not come back at once. */
export function backoffMs(failures: number, random: () => number = Math.random): number {
  const full = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** Math.max(0, failures - 1))
  return full * (0.5 + random() / 2)
}

/**
 * Keeps one stream of events open until `close`: reads, watches for silence, comes back after any end. Never throws. What
 * is told twice after a reconnect is the reducer's business.
 */
export function openStream(options: EventStreamOptions): Stream {
  let isClosed = false
  let failures = 0
  let lastFrameAt = 0
  let connection = new AbortController()
  let endWait: () => void = () => {}

  const connectOnce = async (): Promise<Ended> => {
    connection = new AbortController()
    options.onState({ kind: 'connecting' })
    return await readStream(options, connection, () => {
      lastFrameAt = Date.now()
      if (failures !== 0 || !isLive) options.onState({ kind: 'live' })
      isLive = true
      failures = 0
    })
  }
  let isLive = false

  const run = async (): Promise<void> => {
    while (!isClosed) {
      isLive = false
      const ended = await connectOnce()
      if (isClosed) return
      if (ended.finalCode !== undefined) {
        options.onState({ kind: 'ended', code: ended.finalCode })
        return
      }
      if (ended.isRestart) continue
      if (!isLive) failures++
      const waitMs = ended.comeBackAfterMs ?? backoffMs(failures)
      options.onState({ kind: 'waiting', failures, retryAt: Date.now() + waitMs })
      await new Promise<void>((resolve) => {
        endWait = resolve
        setTimeout(resolve, waitMs)
      })
    }
  }
  void run()

  return {
    wake: () => {
      endWait()
      if (isLive && Date.now() - lastFrameAt > STALE_MS) connection.abort(RESTART)
    },
    restart: () => {
      endWait()
      connection.abort(RESTART)
    },
    close: () => {
      isClosed = true
      endWait()
      connection.abort()
    },
  }
}

const RESTART = new Error('restart')

interface Ended {
  readonly finalCode?: string
  readonly isRestart?: boolean
  readonly comeBackAfterMs?: number
}

async function readStream(
  options: EventStreamOptions,
  connection: AbortController,
  onFrame: () => void,
): Promise<Ended> {
  const watchdog = watchSilence(() => connection.abort())
  let comeBackAfterMs: number | undefined
  try {
    const response = await fetch(options.url(), {
      headers: { accept: 'text/event-stream' },
      credentials: 'same-origin',
      signal: connection.signal,
    })
    if (!response.ok || response.body === null) {
      const { code } = await faultFrom(response)
      return FINAL_STATUSES.has(response.status) ? { finalCode: code } : {}
    }
    await readFrames(response.body, (frame) => {
      // What is left of a stream that was closed would be folded into what the next one begins.
      if (connection.signal.aborted) return
      watchdog.heard()
      onFrame()
      const event = parseFrame(frame)
      if (event === null) return
      if (event.type === 'stream.degraded') comeBackAfterMs = event.reconnectAfterMs
      options.onEvent(event)
    })
  } catch {
    // However it broke, the way on is the same: come back with the cursor.
    if (connection.signal.reason === RESTART) return { isRestart: true }
  } finally {
    watchdog.stop()
  }
  return comeBackAfterMs === undefined ? {} : { comeBackAfterMs }
}

/**
 * Calls `onSilence` when nothing was heard for too long. A past of ten thousand frames sets two timers, not ten thousand:
 * the timer looks how long ago the last one was.
 */
function watchSilence(onSilence: () => void): { heard(): void; stop(): void } {
  let heardAt: number | null = null
  const look = (): void => {
    const leftMs = heardAt === null ? 0 : heardAt + SILENCE_MS - performance.now()
    if (leftMs <= 0) onSilence()
    else timer = setTimeout(look, leftMs)
  }
  let timer = setTimeout(look, FIRST_FRAME_MS)
  return {
    heard: () => {
      heardAt = performance.now()
    },
    stop: () => clearTimeout(timer),
  }
}

/** A server-sent event as the wire has it. */
export interface SseFrame {
  readonly event?: string | undefined
  readonly data: string
}

/**
 * Reads server-sent events until the body ends. A long past arrives in large pieces: between slices of them the page gets
 * its turn, so frames may still come after the body was aborted, for whoever aborts to drop. Throws what the body throws.
 */
export async function readFrames(body: ReadableStream<Uint8Array>, onFrame: (frame: SseFrame) => void): Promise<void> {
  const frames: SseFrame[] = []
  const parser = createParser({ onEvent: (frame) => frames.push(frame) })
  const decoder = new TextDecoder()
  const reader = body.getReader()
  let sliceEndsAt = performance.now() + SLICE_MS
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    parser.feed(decoder.decode(value, { stream: true }))
    for (const frame of frames.splice(0)) {
      onFrame(frame)
      if (performance.now() < sliceEndsAt) continue
      await pageHadItsTurn()
      sliceEndsAt = performance.now() + SLICE_MS
    }
  }
}

/** Resolves behind the keys and the drawing that wait. By a message, since timers of a hidden page are held back. */
async function pageHadItsTurn(): Promise<void> {
  const { port1, port2 } = new MessageChannel()
  await new Promise<void>((resolve) => {
    port1.addEventListener('message', () => resolve(), { once: true })
    port1.start()
    port2.postMessage(null)
  })
  port1.close()
}

/** The event in a frame; null for a ping and for what cannot be read, which a newer server may send. */
export function parseFrame(frame: SseFrame): StreamEvent | null {
  if (frame.event === 'ping') return null
  try {
    const event = JSON.parse(frame.data) as StreamEvent
    return typeof event.type === 'string' ? event : null
  } catch {
    return null
  }
}
