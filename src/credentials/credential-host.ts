import { isIPv4, isIPv6 } from 'node:net'
import { canonicalHost } from '../shared/network.ts'

const HTTPS_PORT = 443

/**
 * The host of a credential in the one form that is stored and compared: lower case, the port only when it is not 443
 * (`git.example.com`, `git.example.com:8443`, `[fd00::1]:8443`). null for anything else: a scheme, a path, user information,
 * a port out of range. Pure.
 */
export function canonicalCredentialHost(text: string): string | null {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:/?#@\\\s[\]]+)(?::(\d{1,5}))?$/.exec(text)
  if (match === null) return null
  const [, name = '', digits] = match
  const port = digits === undefined ? HTTPS_PORT : Number(digits)
  if (port < 1 || port > 65_535) return null
  const bare = name.replace(/^\[|\]$/g, '')
  const isBracketed = bare !== name
  const host = isBracketed ? (isIPv6(bare) ? bare : null) : isIPv4(bare) ? bare : canonicalHost(bare)
  return host === null ? null : credentialHostOf({ host, port })
}

/** The same form from a host without brackets and its port. Pure. */
export function credentialHostOf({ host, port }: { readonly host: string; readonly port: number }): string {
  const name = isIPv6(host) ? new URL(`https://[${host}]/`).hostname : host
  return port === HTTPS_PORT ? name : `${name}:${port}`
}

/** Whether the host is an address rather than a name. Pure. */
export function isAddress(host: string): boolean {
  return host.startsWith('[') || isIPv4(host.split(':')[0] ?? '')
}
