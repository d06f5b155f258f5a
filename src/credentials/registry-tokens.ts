import type { Registry } from '../egress/decision.ts'
import type { RegistryTokens } from '../egress/gateway-client.ts'
import type { Credentials, OpenCredential } from './credentials.ts'

/** What was read is good for so long: each turn of each task asks. */
const FRESH_MS = 5_000

/** The stored registry tokens as the egress gateway takes them. While the database is away the last ones stay. */
export function createRegistryTokens(options: {
  readonly credentials: Pick<Credentials, 'findAll' | 'markUsed'>
  /** Told what went wrong; must not throw. */
  onFailure(error: unknown): void
}): RegistryTokens {
  const { credentials, onFailure } = options
  let known: readonly Registry[] = []
  let readAt = Number.NEGATIVE_INFINITY
  return {
    async read() {
      if (performance.now() - readAt < FRESH_MS) return known
      try {
        known = (await credentials.findAll('registry')).map(toRegistry)
        readAt = performance.now()
      } catch (error) {
        onFailure(error)
      }
      return known
    },
    onUsed(id) {
      credentials.markUsed(id).catch(onFailure)
    },
  }
}

/** Without a user name a token is a bearer's, as npm and its kin send it. */
function toRegistry({ id, host: text, username, secret }: OpenCredential): Registry {
  const { hostname, port } = new URL(`https://${text}/`)
  const basic = () => `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}`
  const authorization = username === undefined ? `Bearer ${secret}` : basic()
  return {
    host: hostname,
    port: port === '' ? 443 : Number(port),
    scheme: 'https',
    addresses: 'public',
    credentials: [{ pathPrefix: '/', authorization, id }],
  }
}
