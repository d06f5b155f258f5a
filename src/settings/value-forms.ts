/** The forms that settings have, as schemas for one value each. A message names what a person should write instead. */

import { isIP } from 'node:net'
import { isAbsolute } from 'node:path'
import { z } from 'zod'
import { canonicalCredentialHost } from '../credentials/credential-host.ts'

/** Text that is not blank, or nothing. */
export const optionalText = z.string().trim().min(1).optional()
/** A whole number from `min` to `max`; `fallback` where it is left out. */
export const wholeNumber = (fallback: number, min: number, max: number) =>
  z.coerce.number().int().min(min).max(max).default(fallback)
/** A number above 0, fractions included, of at most a million; `fallback` where it is left out. */
export const amount = (fallback: number) => z.coerce.number().positive().max(1_000_000).default(fallback)
/** A TCP port, or nothing. */
export const port = z.coerce.number().int().min(1).max(65_535).optional()
/** A number above 0 of at most a million, or nothing. */
export const optionalAmount = z.coerce.number().positive().max(1_000_000).optional()
/** Yes or no, in the words that zod’s `stringbool` knows; no where it is left out. */
export const flag = z.stringbool().default(false)
/** Parts with `separator` between them, trimmed, blank ones dropped; none where it is left out. */
export const separatedList = (separator: string) =>
  z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(separator)
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )

/** A path that begins at the root. */
export const absolutePath = z.string().refine(isAbsolute, 'must be an absolute path')
/** A URL of one of `protocols`, each written with its colon. */
export const urlOf = (...protocols: string[]) =>
  z
    .string()
    .refine(
      (text) => URL.canParse(text) && protocols.includes(new URL(text).protocol),
      `must be a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
    )

/**
 * Where a model's server is, as what its paths are appended to. People copy addresses with the version or the call's whole
 * path behind them, which the protocol's client appends itself.
 */
export const modelServerUrl = urlOf('http:', 'https:').transform((text, context) => {
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') {
    context.addIssue({ code: 'custom', message: 'must hold no name and password; a key goes into ANTHROPIC_API_KEY' })
    return z.NEVER
  }
  if (url.search !== '' || url.hash !== '') {
    context.addIssue({ code: 'custom', message: 'must end with the path, without ? or #' })
    return z.NEVER
  }
  const path = url.pathname.replace(/\/+$/, '').replace(/\/v1(\/messages|\/models)?$/, '')
  return `${url.origin}${path.replace(/\/+$/, '')}`
})

/** Scheme, host and port of an https address, as `URL.origin` writes it. */
export const httpsOrigin = z
  .string()
  .refine(
    (text) =>
      URL.canParse(text) && new URL(text).protocol === 'https:' && new URL(text).href === `${new URL(text).origin}/`,
    'must be origins such as https://git.example.com:8443, separated by commas',
  )
  .transform((text) => new URL(text).origin)

/** `git.example.com=gitlab`, with `@` and the API's address where it cannot be told from the host. */
export const namedForge = z.string().transform((text, context) => {
  const [, host, kind, baseUrl] = /^([^=@\s]+)=(github|gitlab|gitea|forgejo)(?:@(https:\/\/\S+?))?\/?$/.exec(text) ?? []
  const name = host === undefined ? null : canonicalCredentialHost(host)
  const isFine = baseUrl === undefined || (URL.canParse(baseUrl) && new URL(baseUrl).search === '')
  if (name === null || kind === undefined || !isFine) {
    context.addIssue({
      code: 'custom',
      message:
        'must be such as git.example.com=gitlab, or ghe.example.com=github@https://ghe.example.com/api/v3, separated by commas',
    })
    return z.NEVER
  }
  const forge = kind === 'github' || kind === 'gitlab' ? kind : 'gitea'
  return { host: name, kind: forge, baseUrl: baseUrl ?? `https://${name}${API_PATHS[forge]}` } as const
})
const API_PATHS = { github: '/api/v3', gitlab: '/api/v4', gitea: '/api/v1' } as const

/** As git writes them into a commit: without what would end the field there. */
export const personName = z
  .string()
  .trim()
  .regex(/^[^<>\p{Cc}]{1,200}$/u, 'must be a name without < and >')
/** An e-mail address as git writes it into a commit, without what would end the field. */
export const personEmail = z
  .string()
  .trim()
  .regex(/^[^<>\s\p{Cc}]{1,200}$/u, 'must be an e-mail address without < and >')

/** A DNS name with at least one dot, in small letters. */
export const domainName = z
  .string()
  .trim()
  .toLowerCase()
  .regex(
    /^(?=.{1,200}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/,
    'must be a domain name such as preview.example.com',
  )

/** One proxy, or a subnet of them, whose X-Forwarded headers count; `loopback` stands for this machine. */
export const proxyAddress = z
  .string()
  .refine(
    (text) => text === 'loopback' || isAddressOrSubnet(text),
    'must be loopback, addresses or subnets such as 10.0.0.0/8',
  )
  .transform((text) => (text === 'loopback' ? ['127.0.0.0/8', '::1'] : [text]))

function isAddressOrSubnet(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}
