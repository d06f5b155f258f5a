import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Resolve } from './resolve.ts'

/**
 * Ranges that no public service lives in (IANA special-purpose address registries): this host, private networks, carrier
 * grade NAT, link-local with its metadata services, benchmarking, multicast, reserved. The documentation ranges are left
 * out: nothing answers there unless somebody routes it on purpose.
 */
const SPECIAL_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
/** The last five hold an IPv4 address in another form, which nobody needs who has a name. */
const SPECIAL_V6 = [
  '::/128',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  '100::/64',
  '5f00::/16',
  '2001::/32',
  '2002::/16',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '::/96',
  '::ffff:0:0:0/96',
]

/**
 * Cloud metadata services are never anybody's registry, whatever a configuration says. Besides the link-local ones those of
 * Azure, Alibaba, Oracle, and by IPv6 of Amazon and Google.
 */
const NEVER_V4 = [
  '169.254.0.0/16',
  '168.63.129.16/32',
  '100.100.100.200/32',
  '192.0.0.192/32',
  '0.0.0.0/8',
  '224.0.0.0/4',
  '240.0.0.0/4',
]
const NEVER_V6 = ['fe80::/10', 'ff00::/8', '::/128', 'fd00:ec2::254/128', 'fd20:ce::254/128']

const special = blockList(SPECIAL_V4, SPECIAL_V6)
const never = blockList(NEVER_V4, NEVER_V6)

/** Who may be dialled: `public` addresses only, or `configured` ones too, which the operator named (a company's mirror). */
export type AddressRule = 'public' | 'configured'

/** Whether an address may be dialled under a rule; text that is no address may not. An own address of this host is not public. */
export function mayDial(address: string, rule: AddressRule): boolean {
  const plain = unmapped(address)
  const family = isIPv4(plain) ? 'ipv4' : isIPv6(plain) ? 'ipv6' : null
  if (family === null) return false
  if (rule === 'configured') return !never.check(plain, family)
  return !special.check(plain, family) && !ownAddresses().has(plain)
}

/** `::ffff:a.b.c.d`, in any notation, is the IPv4 address itself. */
function unmapped(address: string): string {
  const bare = address.split('%')[0] ?? ''
  if (!isIPv6(bare)) return bare
  const canonical = new URL(`http://[${bare}]/`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical)
  if (mapped === null) return canonical
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

function ownAddresses(): ReadonlySet<string> {
  return new Set(
    Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map((entry) => unmapped(entry.address))),
  )
}

function blockList(v4: readonly string[], v6: readonly string[]): BlockList {
  const list = new BlockList()
  for (const [ranges, family] of [
    [v4, 'ipv4'],
    [v6, 'ipv6'],
  ] as const) {
    for (const range of ranges) {
      const [net = '', bits] = range.split('/')
      list.addSubnet(net, Number(bits), family)
    }
  }
  return list
}

/** What a name leads to: an address that may be dialled, nothing that this host knows of, or something that may not be. */
export type Found =
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'forbidden' }

/**
 * Looks a name up: its first address, provided that every answer is allowed, since a name with one private answer among
 * public ones is an attack or a mistake.
 */
export async function lookUp(host: string, rule: AddressRule, resolve: Resolve): Promise<Found> {
  let addresses: readonly string[]
  try {
    addresses = await resolve(host)
  } catch {
    return { kind: 'unknown' }
  }
  const [first] = addresses
  if (first === undefined) return { kind: 'unknown' }
  return addresses.every((address) => mayDial(address, rule))
    ? { kind: 'address', address: first }
    : { kind: 'forbidden' }
}

/**
 * The address to dial for a name, see {@link lookUp}. null when there is none or it may not be dialled: callers say the
 * same sentence for both, so that nobody can map a private network by asking.
 */
export async function addressOf(host: string, rule: AddressRule, resolve: Resolve): Promise<string | null> {
  const found = await lookUp(host, rule, resolve)
  return found.kind === 'address' ? found.address : null
}
