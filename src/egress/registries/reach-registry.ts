import { request } from 'node:http'
import { connect as tlsConnect } from 'node:tls'
import type { Registry } from '../decision.ts'
import { type HostProxies, openConnection, portOf, proxyAuthorization, proxyFor } from '../host-proxy.ts'

const TIMEOUT_MS = 8_000

/**
 * Whether a registry answers, whatever it says: null, or what went wrong in a few words. For TLS its greeting is enough,
 * with a certificate of `trusted` (PEM); otherwise a HEAD of its first page is sent. Without credentials; at most eight
 * seconds a step.
 */
export async function reachRegistry(
  registry: Registry,
  { trusted, proxies }: { readonly trusted: readonly string[]; readonly proxies: HostProxies },
): Promise<string | null> {
  try {
    if (registry.scheme === 'https') await greet(registry, trusted, proxies)
    else await head(registry, proxies)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function greet(registry: Registry, trusted: readonly string[], proxies: HostProxies): Promise<void> {
  const proxy = proxyFor(proxies, registry)
  const socket = await openConnection({ destination: registry, address: null, proxy, timeoutMs: TIMEOUT_MS })
  await new Promise<void>((resolve, reject) => {
    const tls = tlsConnect({ socket, servername: registry.host, ca: [...trusted] }, () => {
      tls.destroy()
      resolve()
    })
    tls.setTimeout(TIMEOUT_MS, () => tls.destroy(new Error('no answer within 8 s')))
    tls.once('error', reject)
  })
}

function head(registry: Registry, proxies: HostProxies): Promise<void> {
  const { host, port } = registry
  const proxy = proxyFor(proxies, registry)
  return new Promise((resolve, reject) => {
    const asked = request({
      host: proxy === null ? host : proxy.hostname.replace(/^\[|\]$/g, ''),
      port: proxy === null ? port : portOf(proxy),
      method: 'HEAD',
      path: proxy === null ? '/' : `http://${host}:${port}/`,
      headers: { host: `${host}:${port}`, ...(proxy === null ? {} : proxyAuthorization(proxy)) },
      timeout: TIMEOUT_MS,
      agent: false,
    })
    asked.once('timeout', () => asked.destroy(new Error('no answer within 8 s')))
    asked.once('error', reject)
    asked.once('response', (response) => {
      response.resume()
      resolve()
    })
    asked.end()
  })
}
