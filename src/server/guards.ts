import { isIP } from 'node:net'
import type { Context, MiddlewareHandler } from 'hono'
import { AppError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'
import type { Origin, ReadOrigin } from './forwarded.ts'
import { requestIdOf } from './on-error.ts'

const FIXED_HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  // A page of another origin, a preview for instance, gets neither a hold of our window nor our answers as its parts.
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

/** Gives each request an id, which every error names, and the headers that every answer has. */
export function identifyRequests(): MiddlewareHandler {
  return async (c, next) => {
    const requestId = newId('req')
    c.set('requestId', requestId)
    c.header('x-request-id', requestId)
    for (const [name, value] of Object.entries(FIXED_HEADERS)) c.header(name, value)
    await next()
  }
}

/**
 * What {@link identifyRequests} gives every answer, for the one that is written past Hono. Reading `c.res` instead would make
 * Hono merge it with the route's Response into a new one, and the mark "already sent" would be lost.
 */
export function commonHeaders(c: Context): Record<string, string> {
  return { ...FIXED_HEADERS, 'x-request-id': requestIdOf(c) }
}

/**
 * Refuses a Host that is not ours: without this a page of any web site could rebind its own name to 127.0.0.1 and read
 * our answers. A plain address cannot be rebound, so addresses pass when the server listens beyond loopback.
 */
export function requireKnownHost(options: KnownHosts, readOrigin: ReadOrigin): MiddlewareHandler {
  const isKnown = createHostCheck(options)
  return async (c, next) => {
    if (!isKnown(readOrigin(c).host)) {
      throw new AppError('forbidden_host', 'This server does not answer to that host name.')
    }
    await next()
  }
}

/** The names under which this server is called. */
export interface KnownHosts {
  readonly allowedHosts: readonly string[]
  readonly isLoopback: boolean
}

/** Whether a Host, with or without its port, is ours; see {@link requireKnownHost}. */
export function createHostCheck({ allowedHosts, isLoopback }: KnownHosts): (host: string) => boolean {
  const names = new Set(['localhost', '127.0.0.1', '[::1]', ...allowedHosts.map((name) => name.toLowerCase())])
  return (host) => {
    const name = hostNameOf(host)
    const isAddress = isIP(name.replace(/^\[|\]$/g, '')) !== 0
    return names.has(name) || (isAddress && !isLoopback)
  }
}

/** Refuses what a page of another origin makes a browser send. Reading is safe: without CORS it cannot see the answer. */
export function requireOwnOrigin(readOrigin: ReadOrigin): MiddlewareHandler {
  return async (c, next) => {
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD' && isForeign(c.req.raw, readOrigin(c))) {
      throw new AppError('forbidden_origin', 'Requests from other origins are not accepted.')
    }
    await next()
  }
}

function isForeign(request: Request, ours: Origin): boolean {
  const origin = request.headers.get('origin')
  if (origin === null) return request.headers.get('sec-fetch-site') === 'cross-site'
  if (!URL.canParse(origin)) return true
  const { host, protocol } = new URL(origin)
  return host !== ours.host || (ours.protocol !== null && protocol !== ours.protocol)
}

function hostNameOf(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, '')
}
