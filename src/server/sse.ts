import type { ServerResponse } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from 'hono'
import { viewerFrame } from '../events/frame.ts'
import { AppError } from '../shared/errors.ts'
import { commonHeaders } from './guards.ts'
import { SSE_LIMITS, SseConnection, type SseLimits, type SseStats } from './sse-connection.ts'
import { rawTransport, webTransport } from './sse-transport.ts'

const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
}

/** An open stream. */
export interface SseStream {
  readonly connection: SseConnection
  /** What the route returns. */
  readonly response: Response
}

/** What a stream is of. */
export interface OpenSse {
  readonly projectId: string
  readonly taskId?: string
  readonly headers?: Readonly<Record<string, string>>
  latestSeq(): number
}

/** A place among the streams that is kept for one caller until it opens its stream or gives the place back. */
export interface SsePlace {
  /** Safe to repeat, and after `open` without effect. */
  release(): void
}

/** All SSE streams of this process; the only place that opens one. */
export interface Sse {
  /** Keeps a place, so that what is done before `open` is never followed by a refusal. Throws `rate_limited`. */
  reserve(): SsePlace
  /**
   * Opens a stream: what is sent before the route returns leaves together with the headers. Takes `place` when the caller
   * has one; throws `rate_limited` only without.
   */
  open(c: Context, options: OpenSse, place?: SsePlace): SseStream
  /** Ends every stream, telling each reader to come back after a random part of `spreadMs`, so that they do not all come at once. */
  endAll(spreadMs: number): void
  readonly openCount: number
}

/** The one place that opens streams: counted against `maxStreams`, with pings, bounded queues and an orderly end. */
export function createSse(options: {
  maxStreams: number
  limits?: SseLimits
  onClose(stats: SseStats, connection: SseConnection): void
}): Sse {
  const connections = new Set<SseConnection>()
  const reserved = new Set<SsePlace>()
  const limits = options.limits ?? SSE_LIMITS

  const reserve = (): SsePlace => {
    if (connections.size + reserved.size >= options.maxStreams) {
      throw new AppError('rate_limited', 'Too many streams are open.', { retryAfterMs: 5_000 })
    }
    const place: SsePlace = { release: () => void reserved.delete(place) }
    reserved.add(place)
    return place
  }

  const open = (c: Context, opened: OpenSse, given?: SsePlace): SseStream => {
    const place = given ?? reserve()
    place.release()
    const headers = { ...commonHeaders(c), ...SSE_HEADERS, ...opened.headers }
    const outgoing = (c.env as { outgoing?: ServerResponse } | undefined)?.outgoing
    const web = outgoing === undefined ? webTransport() : undefined
    const transport = web?.transport ?? rawTransport(outgoing as ServerResponse, headers)
    const { projectId, taskId, latestSeq } = opened
    const connection = new SseConnection({ transport, limits, projectId, taskId, latestSeq })
    connections.add(connection)
    connection.onClose((stats) => {
      connections.delete(connection)
      options.onClose(stats, connection)
    })
    return { connection, response: web ? new Response(web.body, { headers }) : RESPONSE_ALREADY_SENT }
  }

  return {
    reserve,
    open,
    endAll: (spreadMs) => {
      for (const connection of connections) {
        const reconnectAfterMs = Math.round(Math.random() * spreadMs)
        const payload = { degraded: true, reconnectAfterMs }
        connection.send(viewerFrame('stream.degraded', connection.projectId, payload, { retryMs: reconnectAfterMs }))
        connection.end('shutdown')
      }
    },
    get openCount() {
      return connections.size
    },
  }
}
