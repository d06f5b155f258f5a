import type { IncomingMessage } from 'node:http'
import type { Origin } from '../forwarded.ts'

/** Below this every browser finds this very machine, without a name server. */
export const LOCAL_PREVIEW_DOMAIN = 'preview.localhost'
/** On a preview's origin this path is ours: it takes a ticket and gives the cookie. */
export const OPEN_PATH = '/__keelson/open'

/** Which service a request is for, and how it was named. */
export interface PreviewTarget {
  readonly serviceId: string
  /** How the browser's address names it: a host of its own, or a path below ours. */
  readonly form: 'host' | 'path'
  /** What the service is to be asked for: path and query. */
  readonly path: string
  /** What stands before it in the browser's address; empty with a host of its own. */
  readonly base: string
  /** The token in the address; null with a host of its own. */
  readonly token: string | null
  readonly origin: Origin
}

const ID = 'svc-[0-9a-z]{22}'
const PATH = new RegExp(`^/preview/(${ID})/([\\w-]{43})(/[^]*)?$`)

/** Reads from Host and path whether a request is for a preview; null: it is for us. Pure. */
export function createTargetReader(
  domains: readonly string[],
): (incoming: IncomingMessage, origin: Origin) => PreviewTarget | null {
  const names = domains.map((domain) => domain.toLowerCase().replaceAll('.', '\\.'))
  const host = new RegExp(`^(${ID})\\.(?:${names.join('|')})(?::\\d{1,5})?$`)
  return (incoming, origin) => {
    const url = incoming.url ?? '/'
    const named = host.exec(origin.host)?.[1]
    if (named !== undefined) return { serviceId: named, form: 'host', path: url, base: '', token: null, origin }
    const match = PATH.exec(url)
    if (match === null) return null
    const [, serviceId = '', token = '', path = '/'] = match
    return { serviceId, form: 'path', path, base: `/preview/${serviceId}/${token}`, token, origin }
  }
}

/** Where a service's preview is for whoever asked us at `origin`. `domain`: the operator's own, for other names than loopback. */
export function previewBase(
  origin: Origin,
  serviceId: string,
  domain: string | undefined,
): { readonly form: 'host' | 'path'; readonly url: string; readonly origin: string } {
  const protocol = origin.protocol ?? 'http:'
  const [, name = '', port = ''] = /^(.*?)(:\d+)?$/.exec(origin.host) ?? []
  const below = isLoopbackName(name) ? LOCAL_PREVIEW_DOMAIN : domain
  if (below === undefined) {
    const own = `${protocol}//${origin.host}`
    return { form: 'path', url: `${own}/preview/${serviceId}/`, origin: own }
  }
  const own = `${protocol}//${serviceId}.${below}${port}`
  return { form: 'host', url: `${own}/`, origin: own }
}

/** Whether a host name, without its port, is this machine's for itself. Pure. */
export function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name === '[::1]' || name === '0.0.0.0' || /^127(\.\d{1,3}){3}$/.test(name)
}
