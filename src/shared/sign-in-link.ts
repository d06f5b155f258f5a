import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** Long enough to change to a browser, short enough that a link in a terminal's history opens nothing. */
const VALID_MS = 10 * 60_000

/**
 * A token for a link that signs one browser in: who holds the API token makes it, and any server process knows it by the
 * same token. `nowMs` is milliseconds since the epoch. That it is used only once, the server sees to.
 */
export function makeLinkToken(apiToken: string, nowMs: number): string {
  const claim = `link.${nowMs + VALID_MS}.${randomBytes(16).toString('base64url')}`
  return `${claim}.${seal(apiToken, claim)}`
}

/** Whether a token was made by who holds the API token and is still good, at most ten minutes from now. Pure. */
export function isLinkToken(apiToken: string, token: string, nowMs: number): boolean {
  const [, claim = '', until = '', mac = ''] = /^(link\.(\d{1,16})\.[\w-]{22})\.([\w-]{43})$/.exec(token) ?? []
  const expected = Buffer.from(seal(apiToken, claim))
  const given = Buffer.from(mac)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false
  const leftMs = Number(until) - nowMs
  return leftMs > 0 && leftMs <= VALID_MS
}

function seal(apiToken: string, claim: string): string {
  return createHmac('sha256', apiToken).update(`keelson ${claim}`).digest('base64url')
}
