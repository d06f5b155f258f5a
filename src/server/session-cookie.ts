import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** A browser's sign-in, as its cookie says. */
export interface SignIn {
  readonly id: string
  /** Milliseconds since 1970. */
  readonly signedInAt: number
}

/** How long a sign-in lasts. */
export const SESSION_SECONDS = 30 * 86_400

/**
 * Cookies that say who signed in when, sealed with a key that is made from the API token: no server process keeps
 * sessions, another token ends all of them, and the cookie is not the token.
 */
export class SessionCookies {
  readonly #key: Buffer

  constructor(apiToken: string) {
    this.#key = createHmac('sha256', apiToken).update('keelson session 2').digest()
  }

  /** A new sign-in's value. */
  make(now: number): string {
    const content = `s2.${randomBytes(16).toString('base64url')}.${now}`
    return `${content}.${this.#sealOf(content)}`
  }

  /** What a value says; `expired` when it was made here too long ago, null when it was not. */
  read(value: string, now: number): SignIn | 'expired' | null {
    const match = /^(s2\.([\w-]{22})\.(\d{1,15}))\.([\w-]{43})$/.exec(value)
    if (match === null) return null
    const [, content = '', id = '', at = '', seal = ''] = match
    if (!timingSafeEqual(Buffer.from(this.#sealOf(content)), Buffer.from(seal))) return null
    const signedInAt = Number(at)
    return now - signedInAt > SESSION_SECONDS * 1_000 ? 'expired' : { id, signedInAt }
  }

  #sealOf(content: string): string {
    return createHmac('sha256', this.#key).update(content).digest('base64url')
  }
}
