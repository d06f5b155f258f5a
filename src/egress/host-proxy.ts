/** The proxy that this host itself must use to get out, as its operator set it: `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`. */

import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'

/** Proxies for the two kinds of addresses, as URLs with their credentials; null: straight out. */
export interface HostProxies {
  readonly https: string | null
  readonly http: string | null
  /** What is reached straight: names, with or without a port, each for the names below it too; `*` for all. */
  readonly none: readonly string[]
}

/** Straight out, for everything. */
export const NO_PROXIES: HostProxies = { https: null, http: null, none: [] }

/** A host that is to be reached, and by which scheme. */
export interface Destination {
  readonly host: string
  readonly port: number
  readonly scheme: 'https' | 'http'
}

/**
 * Reads the variables that other programs take: the lower-case one counts first, `ALL_PROXY` stands for both. Those that are
 * no URL of http or https, such as SOCKS, count as none. Pure.
 */
export function hostProxiesOf(env: Readonly<Record<string, string | undefined>>): HostProxies {
  const read = (...names: readonly string[]) =>
    names.map((name) => env[name]).find((value) => value !== undefined) ?? ''
  const all = read('all_proxy', 'ALL_PROXY')
  return {
    https: urlOf(read('https_proxy', 'HTTPS_PROXY') || all),
    http: urlOf(read('http_proxy', 'HTTP_PROXY') || all),
    none: read('no_proxy', 'NO_PROXY')
      .split(/[\s,]+/)
      .map((entry) => entry.toLowerCase().replace(/^\*?\./, ''))
      .filter((entry) => entry !== ''),
  }
}

function urlOf(value: string): string | null {
  const text = value.trim()
  if (text === '') return null
  const url = text.includes('://') ? text : `http://${text}`
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol) ? new URL(url).href : null
}

/** The proxy for a destination, or null. Pure. */
export function proxyFor(proxies: HostProxies, { host, port, scheme }: Destination): URL | null {
  const proxy = proxies[scheme]
  if (proxy === null) return null
  const isStraight = proxies.none.some((entry) => {
    if (entry === '*') return true
    const [, name = entry, only] = /^(.*?)(?::(\d{1,5}))?$/.exec(entry) ?? []
    return (only === undefined || Number(only) === port) && (host === name || host.endsWith(`.${name}`))
  })
  return isStraight ? null : new URL(proxy)
}

/** The header by which a proxy knows its user; nothing when its URL names none. Pure. */
export function proxyAuthorization(proxy: URL): Record<string, string> {
  if (proxy.username === '') return {}
  const user = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(user).toString('base64')}` }
}

/**
 * A connection on which the destination's own bytes pass: straight to the address, or by CONNECT through the proxy, which
 * then gets the name. Rejects when it cannot be had in time; nothing is left open then.
 */
export function openConnection(options: {
  readonly destination: Destination
  /** What was checked; null when the name is left to the proxy. */
  readonly address: string | null
  readonly proxy: URL | null
  readonly timeoutMs: number
}): Promise<Socket> {
  const { destination, address, proxy, timeoutMs } = options
  if (proxy !== null) return connectThrough(proxy, destination, timeoutMs)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address ?? destination.host, port: destination.port })
    const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), timeoutMs)
    socket.once('error', reject)
    socket.once('close', () => clearTimeout(timer))
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.removeListener('error', reject)
      resolve(socket)
    })
  })
}

function connectThrough(proxy: URL, { host, port }: Destination, timeoutMs: number): Promise<Socket> {
  const target = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return new Promise((resolve, reject) => {
    const ask = proxy.protocol === 'https:' ? httpsRequest : httpRequest
    const asked = ask({
      host: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: portOf(proxy),
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...proxyAuthorization(proxy) },
      agent: false,
    })
    const timer = setTimeout(() => asked.destroy(new Error('the proxy does not answer in time')), timeoutMs)
    const refuse = (error: Error) => {
      clearTimeout(timer)
      reject(error)
    }
    asked.once('error', refuse)
    asked.once('response', (response) => {
      asked.destroy()
      refuse(new Error(`the proxy answered with status ${response.statusCode ?? 0}`))
    })
    asked.once('connect', (response, socket, head) => {
      clearTimeout(timer)
      if (response.statusCode !== 200) {
        socket.destroy()
        refuse(new Error(`the proxy answered with status ${response.statusCode ?? 0}`))
        return
      }
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    asked.end()
  })
}

/** The port of a proxy's URL. Pure. */
export function portOf(proxy: URL): number {
  if (proxy.port !== '') return Number(proxy.port)
  return proxy.protocol === 'https:' ? 443 : 80
}
