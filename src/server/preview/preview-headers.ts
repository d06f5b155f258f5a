/** What of a request a project's server sees, and what of its answer a browser sees. All functions here are pure. */

import type { ServiceRow } from '../../db/workspace/services.ts'
import { HOP_BY_HOP } from '../../shared/hop-by-hop.ts'
import { cookiesOf, OWN_COOKIES } from './preview-access.ts'
import { isLoopbackName, LOCAL_PREVIEW_DOMAIN, type PreviewTarget } from './preview-target.ts'

/** Names and values in turn, as Node's `rawHeaders`. */
export type RawHeaders = readonly string[]

/** Ours to say, or nothing that a project has to know. */
const REPLACED = new Set(['host', 'cookie', 'forwarded', 'origin', 'x-real-ip'])
/** An answer's words about more than its own origin. */
const DROPPED = new Set([
  'alt-svc',
  'clear-site-data',
  'public-key-pins',
  'strict-transport-security',
  'x-frame-options',
  'x-keelson-preview',
])

type Pair = readonly [name: string, value: string]

function pairsOf(raw: RawHeaders): Pair[] {
  const pairs: Pair[] = []
  for (let i = 0; i + 1 < raw.length; i += 2) pairs.push([raw[i] ?? '', raw[i + 1] ?? ''])
  return pairs
}

/** Without what is said to the next hop only, by its name or by a Connection header. */
function endToEnd(raw: RawHeaders): Pair[] {
  const pairs = pairsOf(raw)
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((one) => one.trim().toLowerCase()))
  return pairs.filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()) && !named.includes(name.toLowerCase()))
}

/** The host that the project's server is told: below `.localhost`, which dev servers accept. */
export function innerHost({ origin, serviceId }: PreviewTarget): string {
  const isLocal = origin.host.replace(/:\d+$/, '').endsWith(`.${LOCAL_PREVIEW_DOMAIN}`)
  return isLocal ? origin.host : `${serviceId}.${LOCAL_PREVIEW_DOMAIN}`
}

/**
 * The headers for the project's server. Our cookies and, with `hidesAuthorization`, our token are left out; Host and Origin
 * agree with each other, which servers compare.
 */
export function requestHeaders(
  raw: RawHeaders,
  target: PreviewTarget,
  options: { readonly hidesAuthorization: boolean; readonly upgrade?: string },
): string[] {
  const host = innerHost(target)
  const headers: Pair[] = [['Host', host]]
  for (const [name, value] of endToEnd(raw)) {
    const lower = name.toLowerCase()
    if (REPLACED.has(lower) || lower.startsWith('x-forwarded-')) continue
    if (lower === 'authorization' && options.hidesAuthorization) continue
    headers.push([name, value])
  }
  // Where a preview has no host of its own, the browser's cookies are ours.
  if (target.form === 'host') {
    for (const [name, value] of pairsOf(raw)) {
      if (name.toLowerCase() === 'cookie') headers.push(...foreignCookies(value))
      if (name.toLowerCase() === 'origin') headers.push(['Origin', innerOrigin(value, target, host)])
    }
  }
  headers.push(['X-Forwarded-For', target.origin.address], ['X-Forwarded-Host', target.origin.host])
  headers.push(['X-Forwarded-Proto', target.origin.protocol === 'https:' ? 'https' : 'http'])
  if (options.upgrade === undefined) headers.push(['Connection', 'close'])
  else headers.push(['Connection', 'Upgrade'], ['Upgrade', options.upgrade])
  return headers.flat()
}

function foreignCookies(header: string): Pair[] {
  const left = cookiesOf(header).filter(([name]) => !OWN_COOKIES.test(name))
  return left.length === 0 ? [] : [['Cookie', left.map(([name, value]) => `${name}=${value}`).join('; ')]]
}

function innerOrigin(origin: string, { origin: asked }: PreviewTarget, host: string): string {
  if (!URL.canParse(origin)) return origin
  return new URL(origin).host === asked.host ? `http://${host}` : origin
}

/** What the headers of a preview's answer depend on. */
export interface AnswerContext {
  readonly target: PreviewTarget
  readonly service: Pick<ServiceRow, 'ports'>
  /** Origins of pages that may frame a preview. */
  readonly frameAncestors: readonly string[]
  /** Host names that are ours besides loopback ones. */
  readonly ownHosts: readonly string[]
}

/** The headers for the browser; null when the answer sends it to a page of ours. */
export function answerHeaders(raw: RawHeaders, context: AnswerContext): string[] | null {
  const { target } = context
  const headers: Pair[] = []
  for (const [name, value] of endToEnd(raw)) {
    const lower = name.toLowerCase()
    if (DROPPED.has(lower)) continue
    if (lower === 'location' || lower === 'content-location' || lower === 'refresh') {
      const moved = lower === 'refresh' ? movedRefresh(value, context) : movedTo(value, context)
      if (moved === null) return null
      headers.push([name, moved])
    } else if (lower === 'set-cookie') headers.push(...ownCookie(name, value, target))
    else if (lower === 'content-security-policy') headers.push(...withoutAncestors(name, value))
    // Where a preview has no origin of its own, its pages have none at all, and whoever knows the token may read.
    else if (target.form === 'path' && /^(access-control-|service-worker-allowed$|referrer-policy$)/.test(lower))
      continue
    else headers.push([name, value])
  }
  return [...headers, ...ownWords(context)].flat()
}

/** What our proxy says with every answer: who may frame it and, without an origin of its own, that it has none. */
export function ownWords({ target, frameAncestors }: Pick<AnswerContext, 'target' | 'frameAncestors'>): Pair[] {
  const ancestors: Pair = ['Content-Security-Policy', `frame-ancestors ${["'self'", ...frameAncestors].join(' ')}`]
  if (target.form === 'host') return [ancestors]
  return [
    ancestors,
    ['Content-Security-Policy', 'sandbox allow-scripts allow-forms allow-modals allow-popups allow-downloads'],
    ['Access-Control-Allow-Origin', '*'],
    ['Referrer-Policy', 'no-referrer'],
    ['X-Content-Type-Options', 'nosniff'],
  ]
}

/** A redirect as the browser has to follow it; null when it leads to us. */
function movedTo(location: string, { target, service, ownHosts }: AnswerContext): string | null {
  const inner = `http://${innerHost(target)}`
  if (!URL.canParse(location, inner)) return location
  const url = new URL(location, inner)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return location
  const isRelative = !URL.canParse(location) && url.host === new URL(inner).host
  const name = url.hostname.toLowerCase()
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
  const isItself = url.host === new URL(inner).host || url.host === target.origin.host
  // The server's own name for itself: loopback, with a port of its own.
  const isOwnPort = isLoopbackName(name) && service.ports.includes(port)
  if (isRelative && target.base === '') return location
  if (isRelative || (isItself && target.form === 'host') || isOwnPort || url.host === new URL(inner).host) {
    const path = `${url.pathname}${url.search}${url.hash}`
    // A path that begins with two slashes would name another host.
    return `${target.base}${path.replace(/^\/{2,}/, '/')}`
  }
  if (isLoopbackName(name) || ownHosts.includes(name) || url.host === target.origin.host) return null
  return location
}

function movedRefresh(value: string, context: AnswerContext): string | null {
  const match = /^(\s*\d+\s*[;,]\s*(?:url\s*=\s*)?)(['"]?)(.*?)\2\s*$/i.exec(value)
  if (match === null) return value
  const [, before = '', , url = ''] = match
  const moved = movedTo(url, context)
  return moved === null ? null : `${before}${moved}`
}

/** A cookie for this very host alone; none of our names, and none at all where the host is ours. */
function ownCookie(header: string, value: string, { form }: PreviewTarget): Pair[] {
  const [pair = '', ...attributes] = value.split(';')
  const name = pair.slice(0, Math.max(0, pair.indexOf('='))).trim()
  if (form === 'path' || OWN_COOKIES.test(name) || OWN_COOKIES.test(pair.trim())) return []
  const left = attributes.filter((attribute) => !/^\s*domain\s*(=|$)/i.test(attribute))
  return [[header, [pair, ...left].join(';')]]
}

/** Our page is to frame it whatever it says. */
function withoutAncestors(header: string, value: string): Pair[] {
  const left = value
    .split(',')
    .map((policy) =>
      policy
        .split(';')
        .filter((directive) => !/^\s*frame-ancestors(\s|$)/i.test(directive))
        .join(';'),
    )
    .filter((policy) => policy.trim() !== '')
  return left.length === 0 ? [] : [[header, left.join(',')]]
}
