import { isIP } from 'node:net'
import { AppError } from '../shared/errors.ts'
import { canonicalHost } from '../shared/network.ts'

/** One sentence for all: whoever asks must not learn what is open, closed or there at all in a network of ours. */
export const HOST_REFUSED =
  'The repository’s host cannot be used: it is not a public host that can be found, and the operator has not named it in KEELSON_GIT_ORIGINS.'

/** Names that never lead to a public host. */
const PRIVATE_NAMES = /(^|\.)(localhost|local|localdomain|internal|intranet|lan|home\.arpa|corp|home|private)$/

/** Where a repository is cloned from, as the proxy is asked for it. */
export interface GitHost {
  /** Without brackets, lower case. */
  readonly host: string
  readonly port: number
  /** As it stands in a CONNECT request. */
  readonly authority: string
  /** The operator named its origin, so it may be private. */
  readonly isNamed: boolean
}

/**
 * The host of a repository's address. Says no, in the one sentence, to addresses in any notation and to names that are
 * private by their form, unless the operator named the origin; asks nobody and connects to nothing. `origins` are such as
 * `https://git.example.com:8443`. Throws `project_source_failed`. Pure.
 */
export function gitHostOf(text: string, origins: readonly string[]): GitHost {
  const refused = () => new AppError('project_source_failed', HOST_REFUSED)
  if (!URL.canParse(text)) throw refused()
  const url = new URL(text)
  if (url.protocol !== 'https:') throw refused()
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = url.port === '' ? 443 : Number(url.port)
  const isNamed = origins.includes(url.origin)
  const isPublicName =
    isIP(host) === 0 &&
    host.includes('.') &&
    canonicalHost(host) !== null &&
    !PRIVATE_NAMES.test(canonicalHost(host) ?? '')
  if (!isNamed && !isPublicName) throw refused()
  const name = isIP(host) === 0 ? (canonicalHost(host) ?? host) : host
  return { host: name, port, authority: `${url.hostname}:${port}`, isNamed }
}
