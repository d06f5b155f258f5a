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

/** Reads where a request came to, see {@link Origin}. */
export type ReadOrigin = (c: Context) => Origin

/** The same for a request that Hono does not see. */
export type ReadRequestOrigin = (incoming: IncomingMessage) => Origin

/**
 * Reads X-Forwarded-Proto, -Host and -For, and only from the proxies at `trusted`: addresses or subnets (`10.0.0.0/8`).
 * Anybody else could write there what they like. The entries were checked by config.ts.
 */
export function createOriginReader(trusted: readonly string[]): ReadOrigin {
  const read = createReader(trusted)
  return (c) =>
    read({
      peer: peerOf(c),
      host: c.req.header('host') ?? new URL(c.req.url).host,
      header: (name) => c.req.header(name),
    })
}

/** As {@link createOriginReader}, for requests as Node gives them. */
export function createRequestOriginReader(trusted: readonly string[]): ReadRequestOrigin {
  const read = createReader(trusted)
  return ({ headers, socket }) =>
    read({
      peer: socket.remoteAddress ?? 'local',
      host: headers.host ?? '',
      header: (name) => {
        const value = headers[name]
        return Array.isArray(value) ? value.join(',') : value
      },
    })
}

interface Asked {
  readonly peer: string
  readonly host: string
  header(name: string): string | undefined
}

function createReader(trusted: readonly string[]): (asked: Asked) => Origin {
  const list = toBlockList(trusted)
  const isTrusted = (address: string): boolean => {
    const bare = address.replace(/^::ffff:/i, '')
    const family = isIP(bare)
    return family !== 0 && list.check(bare, family === 4 ? 'ipv4' : 'ipv6')
  }
  return ({ peer, host: asked, header }) => {
    const host = asked.toLowerCase()
    if (trusted.length === 0 || !isTrusted(peer)) return { protocol: null, host, address: peer }
    const protocol = lastOf(header('x-forwarded-proto'))?.toLowerCase()
    // From the right: what stands left of the first address that is no proxy of ours was written by the client.
    const chain = partsOf(header('x-forwarded-for'))
    return {
      protocol: protocol === 'https' ? 'https:' : protocol === 'http' ? 'http:' : null,
      host: lastOf(header('x-forwarded-host'))?.toLowerCase() ?? host,
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
