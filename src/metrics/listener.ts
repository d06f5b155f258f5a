import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'

const HOST = '127.0.0.1'
const LOOPBACK_NAMES = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/i

/** A listener that serves `/metrics`. `port` is the one it took; `close` ends open requests too. */
export interface MetricsListener {
  readonly port: number
  close(): Promise<void>
}

/**
 * Serves `GET /metrics` on loopback, for a process that has no HTTP server of its own. With `token` every request needs
 * it as a bearer token; a foreign Host is refused, as at the server. Port 0 takes a free one. Rejects when the port is in
 * use.
 */
export async function startMetricsListener(options: {
  readonly port: number
  readonly token?: string | undefined
  readonly contentType: string
  text(): Promise<string>
}): Promise<MetricsListener> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
    const refused = refusal(request, options.token)
    if (refused !== null) {
      response.writeHead(refused, { 'content-type': 'text/plain' }).end(`${refused}\n`)
      return
    }
    options.text().then(
      (text) => response.writeHead(200, { 'content-type': options.contentType }).end(text),
      () => response.writeHead(500, { 'content-type': 'text/plain' }).end('500\n'),
    )
  })
  server.maxConnections = 20
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, HOST, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
  server.on('error', () => undefined)
  server.unref()
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function refusal(request: IncomingMessage, token: string | undefined): number | null {
  if (!LOOPBACK_NAMES.test(request.headers.host ?? '')) return 403
  if (token !== undefined && !isSame(request.headers.authorization ?? '', `Bearer ${token}`)) return 401
  if (request.url !== '/metrics') return 404
  return request.method === 'GET' ? null : 405
}

/** Compares digests, so that neither the time nor the length tells anything. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
