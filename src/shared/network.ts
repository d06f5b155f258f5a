/** What a project's commands may reach over the network, as API, page, database and egress gateway write it. */

export const NETWORK_POLICIES = ['none', 'registries', 'hosts', 'open'] as const

/**
 * `none`: nothing. `registries`: the package registries of this host's tools, to read. `hosts`: those, and the named
 * hosts. `open`: every public host.
 */
export type NetworkPolicy = (typeof NETWORK_POLICIES)[number]

/** What a project's commands may reach. */
export interface Network {
  readonly policy: NetworkPolicy
  /** Lower-case names, `*.` in front stands for any name below. With a policy other than `hosts` they are kept, unused. */
  readonly hosts: readonly string[]
}

/** A connection that a command asked for and did not get. */
export interface NetworkDenial {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly host: string
  readonly port: number
  /** A sentence for the person and the model. */
  readonly reason: string
}

/** Entries of one policy. */
export const MAX_NETWORK_HOSTS = 200
const MAX_HOST_CHARACTERS = 253
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/
/** All digits and dots, or `0x…`: how resolvers also write an address. A name whose last label is a number is one, too. */
const NUMERIC_TAIL = /(^|\.)(\d+|0x[0-9a-f]*)$/

/**
 * A host name in the one form that policies compare: lower case, without a dot at the end, ASCII. null when it is not a
 * name: an address in any notation, an empty or malformed label, a control byte. Pure.
 */
export function canonicalHost(text: string): string | null {
  const host = (text.endsWith('.') ? text.slice(0, -1) : text).toLowerCase()
  if (host.length === 0 || host.length > MAX_HOST_CHARACTERS) return null
  if (NUMERIC_TAIL.test(host)) return null
  return host.split('.').every((label) => LABEL.test(label)) ? host : null
}

/** Why an entry of a policy's host list cannot be taken, or null when it can. Pure. */
export function hostEntryFault(entry: string): string | null {
  const name = entry.startsWith('*.') ? entry.slice(2) : entry
  if (/[:/?#@\\]/.test(entry)) return 'must be a host name alone, without scheme, port or path'
  if (canonicalHost(name) === null) return 'must be a host name such as api.example.com, not an address'
  if (entry !== entry.toLowerCase() || name.endsWith('.'))
    return 'must be written in lower case without a dot at the end'
  if (!name.includes('.')) {
    return entry === name
      ? 'must have at least two labels, as in example.com'
      : 'must not stand for a whole top-level domain'
  }
  return null
}

/** Whether a canonical host is one of the entries, which may begin with `*.`. Pure. */
export function isListed(host: string, entries: readonly string[]): boolean {
  return entries.some((entry) => (entry.startsWith('*.') ? host.endsWith(entry.slice(1)) : host === entry))
}
