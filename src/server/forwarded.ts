import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import type { Context } from 'hono'

/** How a request reached us: as its peer says or, when that is a trusted proxy, as the proxy says. */
export interface Origin {
  /** Null when nobody who is trusted said so: a proxy that is not named may have ended TLS. */
  readonly protocol: 'http:' | 'https:' | null
  /** Name and port that the client asked for, in lower case. */
  readonly host: string
  /** The client's address; what the trusted proxies saw. */
  readonly address: string
}

export type ReadOrigin = (c: Context) => Origin

/**
 * Reads X-Forwarded-Proto, -Host and -For, and only from the proxies at `trusted`: addresses or subnets (`10.0.0.0/8`).
 * Anybody else could write there what they like. The entries were checked by config.ts.
 */
export function createOriginReader(trusted: readonly string[]): ReadOrigin {
  const list = toBlockList(trusted)
  const isTrusted = (address: string): boolean => {
    const bare = address.replace(/^::ffff:/i, '')
    const family = isIP(bare)
    return family !== 0 && list.check(bare, family === 4 ? 'ipv4' : 'ipv6')
  }
  return (c) => {
    const peer = peerOf(c)
    const host = (c.req.header('host') ?? new URL(c.req.url).host).toLowerCase()
    if (trusted.length === 0 || !isTrusted(peer)) return { protocol: null, host, address: peer }
    const protocol = lastOf(c.req.header('x-forwarded-proto'))?.toLowerCase()
    // From the right: what stands left of the first address that is no proxy of ours was written by the client.
    const chain = partsOf(c.req.header('x-forwarded-for'))
    return {
      protocol: protocol === 'https' ? 'https:' : protocol === 'http' ? 'http:' : null,
      host: lastOf(c.req.header('x-forwarded-host'))?.toLowerCase() ?? host,
      address: chain.findLast((address) => !isTrusted(address)) ?? peer,
    }
  }
}

function toBlockList(entries: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/')
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return list
}

function peerOf(c: Context): string {
  const env = c.env as { incoming?: IncomingMessage } | undefined
  return env?.incoming?.socket.remoteAddress ?? 'local'
}

function partsOf(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** Each proxy adds behind what it was given: the last one is the one that we trust. */
function lastOf(header: string | undefined): string | undefined {
  return partsOf(header).at(-1)
}
