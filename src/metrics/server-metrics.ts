import type { MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import type { Depths } from '../db/stream/depths.ts'
import type { HubStatus } from '../events/hub.ts'
import { within } from '../events/live-redis.ts'
import type { StoredEvent } from '../events/topics.ts'
import { SERVER_METRICS, SHARED_METRICS } from './catalog.ts'
import { createInstruments, createRegistry, type Instruments } from './instruments.ts'
import { createEventObserver } from './observe-events.ts'

/** A scrape without the database's figures is better than none. */
const DEPTHS_TIMEOUT_MS = 2_000
/** A frame says early on when its event was told; the rest may be large. */
const TOLD_AT = /"at":(\d+)/
const HEAD = 500
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Where the gauges are read when somebody scrapes. */
export interface ServerSources {
  readonly hub: { readonly status: HubStatus }
  readonly sse: { readonly openCount: number }
  readonly publisher: { readonly status: { readonly redis: 'up' | 'down'; readonly failures: number } }
  readonly db: { readonly refusedWrites: { readonly isFailing: boolean } }
  readDepths(): Promise<Depths>
}

/** What the server counts and shows at `/metrics`. */
export interface ServerMetrics {
  readonly contentType: string
  /** Counts requests by their route's pattern; must stand before every other handler. */
  readonly middleware: MiddlewareHandler
  /** Call it with events after their commit. Never throws. */
  onEvents(events: readonly StoredEvent[]): void
  onStreamClosed(stats: { readonly reason: string; readonly frames: number; readonly bytes: number }): void
  /** Call it with each event that was just handed to readers. Never throws. */
  onDelivered(event: StoredEvent): void
  /** All of it in Prometheus' text format. Never rejects because a source is away. */
  text(sources: ServerSources): Promise<string>
}

/** The server's metrics, in a registry of their own. */
export function createServerMetrics(): ServerMetrics {
  const registry = createRegistry()
  const shared = createInstruments(registry, SHARED_METRICS)
  const own = createInstruments(registry, SERVER_METRICS)
  const catchUp = { failures: 0, backstop: 0, resyncs: 0 }
  return {
    contentType: registry.contentType,
    middleware: countRequests(own),
    onEvents: createEventObserver(shared),
    onStreamClosed({ reason, frames, bytes }) {
      own.keelson_sse_closed_total.inc({ reason })
      own.keelson_sse_frames_total.inc(frames)
      own.keelson_sse_bytes_total.inc(bytes)
    },
    onDelivered({ data }) {
      const toldAt = Number(TOLD_AT.exec(data.slice(0, HEAD))?.[1] ?? Number.NaN)
      if (toldAt > 0) own.keelson_event_delivery_seconds.observe(Math.max(0, Date.now() - toldAt) / 1_000)
    },
    async text(sources) {
      const { hub, sse, publisher, db } = sources
      const status = hub.status
      shared.keelson_redis_up.set({ part: 'hub' }, status.redis === 'up' ? 1 : 0)
      shared.keelson_redis_up.set({ part: 'publisher' }, publisher.status.redis === 'up' ? 1 : 0)
      shared.keelson_publish_failures_total.inc(publisher.status.failures - catchUp.failures)
      own.keelson_stream_backstop_total.inc(status.backstopDelivered - catchUp.backstop)
      own.keelson_stream_resyncs_total.inc(status.resyncs - catchUp.resyncs)
      Object.assign(catchUp, { failures: publisher.status.failures, backstop: status.backstopDelivered })
      catchUp.resyncs = status.resyncs
      own.keelson_stream_degraded.set(status.redis === 'up' ? 0 : 1)
      own.keelson_stream_feeds.set(status.feeds)
      own.keelson_sse_connections.set(sse.openCount)
      own.keelson_database_refuses_writes.set(db.refusedWrites.isFailing ? 1 : 0)
      await setDepths(own, sources)
      return await registry.metrics()
    },
  }
}

type Own = Instruments<typeof SERVER_METRICS>

async function setDepths(own: Own, sources: ServerSources): Promise<void> {
  try {
    const depths = await within(DEPTHS_TIMEOUT_MS, sources.readDepths())
    for (const [status, count] of Object.entries(depths.tasks)) own.keelson_tasks.set({ status }, count)
    own.keelson_outbox_entries.set(depths.outboxEntries)
    own.keelson_outbox_oldest_seconds.set(depths.outboxOldestSeconds)
  } catch {
    // An old figure would pass for a fresh one.
    own.keelson_tasks.reset()
    own.keelson_outbox_entries.remove()
    own.keelson_outbox_oldest_seconds.remove()
    own.keelson_scrape_failures_total.inc()
  }
}

function countRequests(own: Own): MiddlewareHandler {
  return async (c, next) => {
    const startedAt = performance.now()
    await next()
    const method = METHODS.has(c.req.method) ? c.req.method : 'other'
    const pattern = routePath(c, -1)
    const route = pattern.includes('*') || pattern === '' ? 'other' : pattern
    // Behind a stream there is no answer to read: it was written past Hono, and asking would spoil it.
    const status = c.finalized ? String(c.res.status) : '200'
    own.keelson_http_requests_total.inc({ method, route, status })
    own.keelson_http_request_seconds.observe({ method, route }, (performance.now() - startedAt) / 1_000)
  }
}
