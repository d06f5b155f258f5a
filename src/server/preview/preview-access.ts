import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Db } from '../../db/client.ts'
import { addTicket, redeemTicket } from '../../db/workspace/previews.ts'
import type { ServiceRow } from '../../db/workspace/services.ts'
import type { Auth } from '../auth.ts'
import type { PreviewTarget } from './preview-target.ts'

/** A ticket is used at once by the page that asked for it. */
export const TICKET_SECONDS = 60
const COOKIE_SECONDS = 12 * 3_600
/** One for a window of its own, one for our page's frame, where browsers take only cookies of this kind. */
const COOKIE = 'keelson_preview'
const FRAME_COOKIE = 'keelson_preview_frame'
/** Everything that we set or that a browser sends to us: no project sees or sets one of these. */
export const OWN_COOKIES = /^(?:__Host-|__Secure-)?keelson_/i

type Sealing = Pick<ServiceRow, 'id' | 'secret'>

/** A new ticket that opens a service's preview once within a minute. Throws `store_unavailable`. */
export async function issueTicket(db: Db, serviceId: string): Promise<string> {
  const ticket = randomBytes(32).toString('base64url')
  await addTicket(db, { hash: hashOf(ticket), serviceId, forSeconds: TICKET_SECONDS })
  return ticket
}

/** Uses a ticket up. Throws `store_unavailable`. */
export async function takeTicket(db: Db, serviceId: string, ticket: string): Promise<boolean> {
  return await redeemTicket(db, { hash: hashOf(ticket), serviceId })
}

/** What stands in the address where a preview has no host of its own: as long as the service runs. Pure. */
export function pathToken(service: Sealing): string {
  return seal(service, 'path')
}

/** The cookies, as Set-Cookie headers, that let a browser see the preview for twelve hours. */
export function accessCookies(service: Sealing, now: number): string[] {
  const expiresAt = now + COOKIE_SECONDS * 1_000
  const value = `${expiresAt}.${seal(service, `cookie ${expiresAt}`)}`
  const common = `Path=/; HttpOnly; Max-Age=${COOKIE_SECONDS}`
  return [
    `${COOKIE}=${value}; ${common}; SameSite=Lax`,
    `${FRAME_COOKIE}=${value}; ${common}; SameSite=None; Secure; Partitioned`,
  ]
}

/**
 * By what a request may see the preview; null: by nothing. `token` is our API token, which the project must not see; where
 * this server asks nobody for one, everybody counts as having the cookie. Throws `rate_limited` after too many wrong tokens.
 */
export function accessOf(
  incoming: IncomingMessage,
  target: PreviewTarget,
  service: Sealing,
  auth: Pick<Auth, 'isOpen' | 'takesToken'>,
): 'token' | 'cookie' | 'path' | null {
  if (target.token !== null) return isSame(target.token, pathToken(service)) ? 'path' : null
  const values = cookiesOf(incoming.headers.cookie).filter(([name]) => name === COOKIE || name === FRAME_COOKIE)
  if (values.some(([, value]) => isCookieOf(service, value, Date.now()))) return 'cookie'
  if (auth.isOpen) return 'cookie'
  const { authorization } = incoming.headers
  return auth.takesToken(authorization, target.origin.address) ? 'token' : null
}

/** A Cookie header's pairs, in order; at most 200. Pure. */
export function cookiesOf(header: string | undefined): [name: string, value: string][] {
  return (header ?? '')
    .split(';', 200)
    .map((pair): [string, string] => {
      const at = pair.indexOf('=')
      return at < 0 ? ['', pair.trim()] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
    })
    .filter(([name, value]) => name !== '' || value !== '')
}

function isCookieOf(service: Sealing, value: string, now: number): boolean {
  const match = /^(\d{1,15})\.([\w-]{43})$/.exec(value)
  if (match === null) return false
  const [, expiresAt = '', sealed = ''] = match
  return Number(expiresAt) > now && isSame(sealed, seal(service, `cookie ${expiresAt}`))
}

function seal({ id, secret }: Sealing, what: string): string {
  return createHmac('sha256', Buffer.from(secret, 'hex')).update(`keelson preview 1 ${id} ${what}`).digest('base64url')
}

function isSame(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(hashOf(a)), Buffer.from(hashOf(b)))
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
