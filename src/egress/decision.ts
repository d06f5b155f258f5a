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
  /** Added to requests whose path begins with it; never seen inside a sandbox. */
  readonly credentials?: readonly { readonly pathPrefix: string; readonly authorization: string }[]
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

/** What the operator's tools would send to a registry for this path: that of the longest prefix. Pure. */
export function credentialsFor(
  registries: readonly Registry[],
  target: { readonly host: string; readonly port: number },
  path: string,
): string | undefined {
  const fitting = registries
    .filter((each) => each.host === target.host && each.port === target.port)
    .flatMap((each) => each.credentials ?? [])
    .filter(({ pathPrefix }) => path.startsWith(pathPrefix))
    .sort((a, b) => b.pathPrefix.length - a.pathPrefix.length)
  return fitting[0]?.authorization
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
  if (registries.some((each) => each.host === host && each.port === port && each.scheme === scheme)) {
    return { action: 'read', addresses: 'configured' }
  }
  if (!WEB_PORTS.has(port)) return refuse(`${host}:${port} is not allowed: only the ports 80 and 443 are.`)
  if (network.policy === 'open') return { action: 'tunnel', addresses: 'public' }
  if (network.policy === 'hosts' && isListed(host, network.hosts)) return { action: 'tunnel', addresses: 'public' }
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
