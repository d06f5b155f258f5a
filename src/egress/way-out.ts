import { type AddressRule, lookUp } from './addresses.ts'
import { type Destination, type HostProxies, proxyFor } from './host-proxy.ts'
import type { Resolve } from './resolve.ts'

/** How a destination is reached: the checked address, or the host's own proxy, which is then told the name. */
export interface WayOut {
  /** null only with a proxy, for a name that this host cannot resolve itself. */
  readonly address: string | null
  readonly proxy: URL | null
}

/**
 * The way to a destination, or null when there is none. A name that leads somewhere private from here is refused whether or
 * not a proxy would take it; one that is unknown here is left to the proxy, since behind one there is often no resolver.
 */
export async function wayTo(
  destination: Destination,
  rule: AddressRule,
  { resolve, proxies }: { readonly resolve: Resolve; readonly proxies: HostProxies },
): Promise<WayOut | null> {
  const proxy = proxyFor(proxies, destination)
  const found = await lookUp(destination.host, rule, resolve)
  if (found.kind === 'address') return { address: found.address, proxy }
  return found.kind === 'unknown' && proxy !== null ? { address: null, proxy } : null
}
