import { AppError } from '../shared/errors.ts'

/** A request that is sent on more often goes round in circles. */
const MAX_HOPS = 3
/** The statuses under which method and body stay as they are. */
const KEEPING = new Set([307, 308])

type Send = (url: string | URL, init?: RequestInit) => Promise<Response>

/**
 * `send`, which goes where the server sends a request on, as long as that is the same host, not from https to http, and
 * keeps method and body: the key and the prompt go nowhere that nobody named. Everything else that is a redirect throws
 * `model_not_found` (final), which names the address to set.
 */
export function followingRedirects(send: Send): Send {
  return async (url, init = {}) => {
    let at = new URL(url)
    for (let hops = 0; ; hops++) {
      const response = await send(at, { ...init, redirect: 'manual' })
      const target = targetOf(response, at)
      if (target === null) return response
      await response.body?.cancel()
      if (hops === MAX_HOPS || !KEEPING.has(response.status) || !isSameHost(at, target)) throw sentOn(at, target)
      at = target
    }
  }
}

function targetOf({ status, headers }: Response, from: URL): URL | null {
  const location = headers.get('location')
  if (status < 300 || status > 399 || location === null || !URL.canParse(location, from.href)) return null
  return new URL(location, from)
}

function isSameHost(from: URL, to: URL): boolean {
  return to.hostname === from.hostname && (to.protocol === from.protocol || to.protocol === 'https:')
}

function sentOn(from: URL, to: URL): AppError {
  const base = `${to.origin}${to.pathname.replace(/\/+$/, '').replace(/\/v1\/messages$/, '')}`
  const message = `The server at ${from.host} sends requests on to ${base}; set ANTHROPIC_BASE_URL to the address that answers itself.`
  return new AppError('model_not_found', message)
}
