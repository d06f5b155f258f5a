import { canonicalHost, isListed, type Network } from '../shared/network.ts'
import type { AddressRule } from './addresses.ts'

/** What a command asked the proxy for. `host` is canonical. */
export interface EgressRequest {
  readonly host: string
  readonly port: number
  /** `connect`: a tunnel. `http`: a plain request in absolute form. */
  readonly kind: 'connect' | 'http'
}

/**
 * `tunnel`: bytes pass as they are. `read`: the connection ends at the proxy, which passes on GET and HEAD alone. `refuse`:
 * with a sentence that says what to do.
 */
export type EgressDecision =
  | { readonly action: 'tunnel'; readonly addresses: AddressRule }
  | { readonly action: 'read'; readonly addresses: AddressRule }
  | { readonly action: 'refuse'; readonly reason: string }

/** A registry as this host's tools know it. */
export interface Registry {
  readonly host: string
  readonly port: number
  readonly scheme: 'https' | 'http'
  /** Which addresses its name may lead to; left out: whatever the operator's tools are set up for. */
  readonly addresses?: AddressRule
  /** Added to requests whose path begins with it; never seen inside a sandbox. */
  readonly credentials?: readonly RegistryCredential[]
}

/**
 * The `Authorization` of a registry for the paths that begin with `pathPrefix`. A secret: it stays in the gateway's memory and its 0600 file.
 */
export interface RegistryCredential {
  readonly pathPrefix: string
  readonly authorization: string
  /** Of a stored one, for its use to be noted. */
  readonly id?: string
}

/**
 * The registries of this host's tools with the stored tokens: a token for a registry that is known goes first there, one for
 * another host makes that a registry, at a public address. A token is never sent in plain HTTP. Pure.
 */
export function withStoredTokens(known: readonly Registry[], stored: readonly Registry[]): Registry[] {
  const isSame = (a: Registry, b: Registry) => a.host === b.host && a.port === b.port
  const merged = known.map((registry): Registry => {
    const token = registry.scheme === 'https' ? stored.find((each) => isSame(each, registry)) : undefined
    if (token === undefined) return registry
    return { ...registry, credentials: [...(token.credentials ?? []), ...(registry.credentials ?? [])] }
  })
  return [...merged, ...stored.filter((token) => !known.some((registry) => isSame(registry, token)))]
}

const WEB_PORTS: ReadonlySet<number> = new Set([80, 443])

/** The sentence for a name that leads nowhere, or somewhere private: one for both. */
export function unreachableReason(host: string): string {
  return `${host} does not exist or is not a public host.`
}

/** The sentence for whoever wants to publish. */
export function readOnlyReason(host: string): string {
  return `${host} is a registry: it can be read, not written to.`
}

/**
 * What is sent to a registry for this path: that of the longest prefix, of two alike the first. A path that leads elsewhere
 * once its dots are read (`/private/../other`) gets what belongs to both places or nothing. Pure.
 */
export function credentialFor(
  registries: readonly Registry[],
  target: { readonly host: string; readonly port: number },
  path: string,
): RegistryCredential | undefined {
  const read = URL.canParse(path, 'https://x') ? new URL(path, 'https://x').pathname : ''
  const fitting = registries
    .filter((each) => each.host === target.host && each.port === target.port)
    .flatMap((each) => each.credentials ?? [])
    .filter(({ pathPrefix }) => path.startsWith(pathPrefix) && read.startsWith(pathPrefix))
    .sort((a, b) => b.pathPrefix.length - a.pathPrefix.length)
  return fitting[0]
}

/** The same as the header's text alone. Pure. */
export function credentialsFor(...args: Parameters<typeof credentialFor>): string | undefined {
  return credentialFor(...args)?.authorization
}

/** Whether a project's command may have what it asks for. Pure. */
export function decideByPolicy(
  network: Network,
  registries: readonly Registry[],
  request: EgressRequest,
): EgressDecision {
  const { host, port } = request
  if (network.policy === 'none') return refuse(`this project's commands have no network (policy "none").`)
  const scheme = request.kind === 'http' ? 'http' : 'https'
  const registry = registries.find((each) => each.host === host && each.port === port && each.scheme === scheme)
  if (registry !== undefined) return { action: 'read', addresses: registry.addresses ?? 'configured' }
  if (!WEB_PORTS.has(port)) return refuse(`${host}:${port} is not allowed: only the ports 80 and 443 are.`)
  if (network.policy === 'open' || (network.policy === 'hosts' && isListed(host, network.hosts))) {
    // A registry's other web port is the same registry: `http://` beside `https://`, and what tries one in place of the other.
    if (!registries.some((each) => each.host === host && WEB_PORTS.has(each.port)))
      return { action: 'tunnel', addresses: 'public' }
    return port === (scheme === 'https' ? 443 : 80)
      ? { action: 'read', addresses: 'public' }
      : refuse(readOnlyReason(host))
  }
  return refuse(`${host} is not allowed by this project's network policy "${network.policy}"; a person can allow it.`)
}

function refuse(reason: string): EgressDecision {
  return { action: 'refuse', reason }
}

/**
 * `host:port` of a CONNECT or of an absolute URL's authority. null for anything that is not a plain name and port: user
 * information, addresses in any notation, control bytes, a port out of range. Pure.
 */
export function parseAuthority(authority: string, defaultPort?: number): { host: string; port: number } | null {
  const match = /^([A-Za-z0-9._-]{1,254})(?::(\d{1,5}))?$/.exec(authority)
  if (match === null) return null
  const host = canonicalHost(match[1] ?? '')
  const port = match[2] === undefined ? defaultPort : Number(match[2])
  if (host === null || port === undefined || port < 1 || port > 65_535) return null
  return { host, port }
}
