import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Context, MiddlewareHandler } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { AppError } from '../shared/errors.ts'

const COOKIE = 'keelson_session'
const COOKIE_MAX_AGE_SECONDS = 30 * 86_400
const MAX_WRONG_TRIES = 20
const WINDOW_MS = 60_000
/** Addresses that are remembered; the oldest gives way, so that many addresses cannot fill the memory. */
const MAX_ADDRESSES = 10_000

/** What answers without a token. */
const PUBLIC_PATHS = new Set(['/', '/healthz', '/readyz', '/openapi.json', '/docs', '/favicon.ico', '/api/session'])

export interface Auth {
  /** Lets a request with the right token or cookie through; 401 otherwise, 429 after 20 wrong ones in a minute. */
  readonly middleware: MiddlewareHandler
  /**
   * Exchanges the setup token for the page's cookie, once, however many servers know it and however often they were
   * restarted. Throws `unauthorized`, `rate_limited`, or `store_unavailable` before it counts as used.
   */
  exchange(c: Context, setupToken: string): Promise<void>
}

/**
 * One token for the API, one cookie derived from it for the page, so that no server process keeps sessions. Without a
 * token every request is let through, which is only allowed on loopback (see config.ts).
 */
export function createAuth(options: {
  apiToken?: string | undefined
  setupToken?: string | undefined
  /** Notes that the token with this hash was used; false when it had been before. */
  claimSetupToken(hash: string): Promise<boolean>
}): Auth {
  const { apiToken } = options
  const session =
    apiToken === undefined ? '' : createHmac('sha256', apiToken).update('keelson session 1').digest('base64url')
  const tries = new WrongTries()
  const { setupToken } = options

  const isRight = (c: Context): boolean | undefined => {
    const header = c.req.header('authorization')
    if (header !== undefined) {
      const [scheme, token] = header.split(/\s+/, 2)
      return scheme?.toLowerCase() === 'bearer' && isSame(token ?? '', apiToken ?? '')
    }
    const cookie = getCookie(c, COOKIE)
    return cookie === undefined ? undefined : isSame(cookie, session)
  }

  return {
    middleware: async (c, next) => {
      if (apiToken === undefined || isPublic(c.req.path)) return await next()
      const right = isRight(c)
      // Checked before the limit, so that somebody else's wrong tries never keep the right token out.
      if (right === true) return await next()
      if (right === false) tries.count(addressOf(c))
      throw new AppError('unauthorized', 'Send the API token: Authorization: Bearer <token>.')
    },
    exchange: async (c, offered) => {
      const isRightToken = setupToken !== undefined && isSame(offered, setupToken)
      if (!isRightToken || !(await options.claimSetupToken(digestOf(offered).toString('hex')))) {
        tries.count(addressOf(c))
        throw new AppError('unauthorized', 'This link was used already or is not valid; start again to get a new one.')
      }
      setCookie(c, COOKIE, session, { httpOnly: true, sameSite: 'Strict', path: '/', maxAge: COOKIE_MAX_AGE_SECONDS })
    },
  }
}

function isPublic(path: string): boolean {
  return PUBLIC_PATHS.has(path) || path.startsWith('/assets/') || path.startsWith('/p/')
}

/** Compares digests, so that neither the time nor the length tells anything. */
function isSame(a: string, b: string): boolean {
  return timingSafeEqual(digestOf(a), digestOf(b))
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function addressOf(c: Context): string {
  const env = c.env as { incoming?: IncomingMessage } | undefined
  return env?.incoming?.socket.remoteAddress ?? 'local'
}

class WrongTries {
  readonly #byAddress = new Map<string, { count: number; since: number }>()

  /** Counts one more. Throws `rate_limited` when there were too many within the window. */
  count(address: string, now: number = Date.now()): void {
    const known = this.#byAddress.get(address)
    const entry = known !== undefined && now - known.since < WINDOW_MS ? known : { count: 0, since: now }
    entry.count++
    this.#byAddress.delete(address)
    this.#byAddress.set(address, entry)
    for (const oldest of this.#byAddress.keys()) {
      if (this.#byAddress.size <= MAX_ADDRESSES) break
      this.#byAddress.delete(oldest)
    }
    if (entry.count <= MAX_WRONG_TRIES) return
    const retryAfterMs = entry.since + WINDOW_MS - now
    throw new AppError('rate_limited', 'Too many wrong credentials; wait a minute.', { retryAfterMs })
  }
}
