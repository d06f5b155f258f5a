import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { AppError } from '../shared/errors.ts'
import { isLinkToken } from '../shared/sign-in-link.ts'
import type { ReadOrigin } from './forwarded.ts'
import { SESSION_SECONDS, SessionCookies, type SignIn } from './session-cookie.ts'

const COOKIE = 'keelson_session'
/** Behind TLS: browsers take this name only from this very host, over TLS, for all paths. */
const SECURE_COOKIE = `__Host-${COOKIE}`
const MAX_WRONG_TRIES = 20
const WINDOW_MS = 60_000
/** Addresses that are remembered; the oldest gives way, so that many addresses cannot fill the memory. */
const MAX_ADDRESSES = 10_000
/** How long a sign-in is taken for valid without asking: so late a sign-out at another server process counts here. */
const ASKED_FOR_MS = 5_000
const MAX_SESSIONS = 1_000

/** What answers without a token. */
const PUBLIC_PATHS = new Set(['/', '/healthz', '/readyz', '/openapi.json', '/docs', '/favicon.ico', '/api/session'])

/** Who may call, and the cookies that say so. */
export interface Auth {
  /** Lets a request with the right token or cookie through; 401 otherwise, 429 after 20 wrong ones in a minute. */
  readonly middleware: MiddlewareHandler
  /**
   * Whether the request holds the right token or cookie, on a path that answers without one as well. Throws `rate_limited`
   * after 20 wrong ones in a minute.
   */
  knows(c: Context): Promise<boolean>
  /** This server asks nobody for a token. */
  readonly isOpen: boolean
  /**
   * Whether an Authorization header holds the API token; no header is no try. Throws `rate_limited` after 20 wrong ones in a
   * minute from one address.
   */
  takesToken(authorization: string | undefined, address: string): boolean
  /**
   * Exchanges the setup token, or one of a link that `keelson open` made, for the page's cookie, once, however many servers know it and however often they were
   * restarted; or the API token, as often as one likes. Throws `unauthorized`, `rate_limited`, or `store_unavailable`
   * before a setup token counts as used.
   */
  exchange(c: Context, offered: { readonly setupToken: string } | { readonly apiToken: string }): Promise<void>
  /**
   * Ends the sign-in that the request's cookie holds, or all there are, and takes the cookie back. Each server process
   * knows it at the latest after five seconds. Doing it twice is safe. Throws `store_unavailable`; then nothing ended.
   */
  signOut(c: Context, options: { readonly everywhere: boolean }): Promise<void>
}

/** Where it is written which sign-ins were ended before their time. */
export interface EndedSessions {
  isEnded(session: SignIn): Promise<boolean>
  end(which: SignIn | 'all', at: { readonly now: number; readonly keptSeconds: number }): Promise<void>
}

/**
 * One token for the API, cookies sealed with it for the page, so that no server process keeps sessions. Without a token
 * every request is let through, which is only allowed on loopback (see config.ts).
 */
export function createAuth(options: {
  apiToken?: string | undefined
  setupToken?: string | undefined
  readOrigin: ReadOrigin
  sessions: EndedSessions
  /** Notes that the token with this hash was used; false when it had been before. */
  claimSetupToken(hash: string): Promise<boolean>
}): Auth {
  const { apiToken, setupToken, readOrigin, sessions } = options
  const cookies = new SessionCookies(apiToken ?? '')
  const tries = new WrongTries()
  const asked = new AskedSessions(sessions)
  const former = cookieOfBefore(apiToken ?? '')

  /** Who the cookie says asks; `wrong` when nobody here made it, null without one that may still count. */
  const sessionOf = (c: Context): SignIn | 'wrong' | null => {
    const value = getCookie(c, SECURE_COOKIE) ?? getCookie(c, COOKIE)
    if (value === undefined || value === former) return null
    const session = cookies.read(value, Date.now())
    return session === 'expired' ? null : (session ?? 'wrong')
  }

  const isToken = (header: string): boolean => {
    const [scheme, token] = header.split(/\s+/, 2)
    return scheme?.toLowerCase() === 'bearer' && isSame(token ?? '', apiToken ?? '')
  }

  const isRight = async (c: Context): Promise<boolean | undefined> => {
    const header = c.req.header('authorization')
    if (header !== undefined) return isToken(header)
    const session = sessionOf(c)
    if (session === null || session === 'wrong') return session === null ? undefined : false
    return (await asked.isEnded(session)) ? undefined : true
  }

  /** The start's own, or one that the holder of the API token made a moment ago. */
  const isOneTimeToken = (token: string): boolean =>
    (setupToken !== undefined && isSame(token, setupToken)) ||
    (apiToken !== undefined && isLinkToken(apiToken, token, Date.now()))

  return {
    middleware: async (c, next) => {
      if (apiToken === undefined || isPublic(c.req.path)) return await next()
      const right = await isRight(c)
      // Checked before the limit, so that somebody else's wrong tries never keep the right token out.
      if (right === true) return await next()
      if (right === false) tries.count(readOrigin(c).address)
      throw new AppError('unauthorized', 'Send the API token: Authorization: Bearer <token>.')
    },
    knows: async (c) => {
      // While Postgres is away nobody can tell whether a cookie still counts: then it does not, and the path answers.
      const right = apiToken === undefined || (await isRight(c).catch(() => undefined))
      if (right === false) tries.count(readOrigin(c).address)
      return right === true
    },
    isOpen: apiToken === undefined,
    takesToken: (authorization, address) => {
      if (authorization === undefined || apiToken === undefined) return false
      const right = isToken(authorization)
      if (!right) tries.count(address)
      return right
    },
    exchange: async (c, offered) => {
      const isTaken =
        'apiToken' in offered
          ? apiToken !== undefined && isSame(offered.apiToken, apiToken)
          : isOneTimeToken(offered.setupToken) &&
            (await options.claimSetupToken(digestOf(offered.setupToken).toString('hex')))
      const { address, protocol } = readOrigin(c)
      if (!isTaken) {
        tries.count(address)
        throw new AppError(
          'unauthorized',
          'apiToken' in offered
            ? 'This is not the API token.'
            : 'This link was used already or is not valid; "keelson open" makes a new one.',
        )
      }
      const secure = protocol === 'https:'
      setCookie(c, secure ? SECURE_COOKIE : COOKIE, cookies.make(Date.now()), {
        httpOnly: true,
        sameSite: 'Strict',
        path: '/',
        secure,
        maxAge: SESSION_SECONDS,
      })
    },
    signOut: async (c, { everywhere }) => {
      const session = sessionOf(c)
      const at = { now: Date.now(), keptSeconds: SESSION_SECONDS }
      if (everywhere) await sessions.end('all', at)
      else if (session !== null && session !== 'wrong') await sessions.end(session, at)
      asked.forget(everywhere || session === 'wrong' ? null : session)
      deleteCookie(c, COOKIE, { path: '/' })
      if (readOrigin(c).protocol === 'https:') deleteCookie(c, SECURE_COOKIE, { path: '/', secure: true })
    },
  }
}

function isPublic(path: string): boolean {
  return PUBLIC_PATHS.has(path) || path.startsWith('/assets/') || path.startsWith('/p/')
}

/** What earlier versions gave every browser. It is no wrong try; who has it is asked to sign in again. */
function cookieOfBefore(apiToken: string): string {
  return createHmac('sha256', apiToken).update('keelson session 1').digest('base64url')
}

/** Compares digests, so that neither the time nor the length tells anything. */
function isSame(a: string, b: string): boolean {
  return timingSafeEqual(digestOf(a), digestOf(b))
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** Sign-ins that were found valid a moment ago, so that not every request of a page asks Postgres. */
class AskedSessions {
  readonly #sessions: EndedSessions
  readonly #validAt = new Map<string, number>()

  constructor(sessions: EndedSessions) {
    this.#sessions = sessions
  }

  /** While the store is away, one that was valid stays so: nobody can end it then either. */
  async isEnded(session: SignIn): Promise<boolean> {
    const validAt = this.#validAt.get(session.id)
    if (validAt !== undefined && Date.now() - validAt < ASKED_FOR_MS) return false
    try {
      const isEnded = await this.#sessions.isEnded(session)
      this.#validAt.delete(session.id)
      if (!isEnded) this.#remember(session.id)
      return isEnded
    } catch (error) {
      if (validAt !== undefined && error instanceof AppError && error.code === 'store_unavailable') return false
      throw error
    }
  }

  /** Asks again at the next request; null: for all. */
  forget(session: SignIn | null): void {
    if (session === null) this.#validAt.clear()
    else this.#validAt.delete(session.id)
  }

  #remember(id: string): void {
    this.#validAt.set(id, Date.now())
    for (const oldest of this.#validAt.keys()) {
      if (this.#validAt.size <= MAX_SESSIONS) break
      this.#validAt.delete(oldest)
    }
  }
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
