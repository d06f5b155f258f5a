import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener } from '@hono/node-server'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Previews } from './preview/previews.ts'

const REQUEST_TIMEOUT_MS = 30_000
/** An archive may be half a gigabyte over a slow line. */
const UPLOAD_TIMEOUT_MS = 30 * 60_000
const UPLOAD_PATH = /^\/api\/workspace\/[^/?]+\/archive(\?|$)/
const HEADERS_TIMEOUT_MS = 10_000
/** Above the 60 s of common proxies, so that they close first and never send into a closing connection. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000

const MALFORMED = JSON.stringify({
  error: { code: 'bad_request', message: 'The request is not valid HTTP.' },
  requestId: 'none',
})

const LIMITS = {
  requestTimeout: UPLOAD_TIMEOUT_MS,
  headersTimeout: HEADERS_TIMEOUT_MS,
  keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
}

/** HTTP/1.1 only: Hono's stream helper and Node's HTTP/2 do not agree, and proxies speak HTTP/2 to browsers. */
export function createHttpServer(app: OpenAPIHono, previews: Previews | null = null): Server {
  const listener = getRequestListener(app.fetch, { errorHandler: () => malformed() })
  const serve = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const preview = previews?.targetOf(incoming) ?? null
    if (previews !== null && preview !== null) return previews.handle(incoming, outgoing, preview)
    if (!UPLOAD_PATH.test(incoming.url ?? '')) refuseSlowBody(incoming, outgoing)
    void listener(incoming, outgoing)
  }
  const server = createServer(LIMITS, serve)
  // What Node's parser refuses never reaches the app; answer in the same shape, then close.
  server.on('clientError', (_error, socket) => refuse(socket as Socket))
  if (previews !== null) takeUpgrades(server, serve, previews)
  return server
}

/**
 * WebSockets go to previews. Whoever offers another protocol (HTTP/2, say) means a request that is answered as it is: Node
 * would take it from the server, so it is given, without the offer, to a second one that knows of no upgrades.
 */
function takeUpgrades(server: Server, serve: RequestListener, previews: Previews): void {
  const plain = createServer(LIMITS, serve)
  plain.on('clientError', (_error, socket) => refuse(socket as Socket))
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
    const preview = previews.targetOf(incoming)
    const isWebSocket = incoming.headers.upgrade?.toLowerCase() === 'websocket'
    if (preview !== null && isWebSocket) return previews.upgrade(incoming, socket, head, preview)
    socket.unshift(Buffer.concat([Buffer.from(headWithoutUpgrade(incoming), 'latin1'), head]))
    plain.emit('connection', socket)
  })
  server.on('close', () => plain.closeAllConnections())
}

function headWithoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const [name = '', value = ''] = rawHeaders.slice(i, i + 2)
    if (!/^(upgrade|connection|http2-settings)$/i.test(name)) text += `${name}: ${value}\r\n`
  }
  // One request on it: the next one might offer again, and this server would not hear it.
  return `${text}Connection: close\r\n\r\n`
}

/** Listens on host and port; settles with the port that was taken. Rejects when it is in use. */
export function listen(server: Server, options: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => {
      server.removeListener('error', reject)
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : options.port)
    })
  })
}

/** Stops listening, lets requests finish for `timeoutMs`, then drops what is left. */
export async function closeHttpServer(server: Server, timeoutMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), timeoutMs)
  await closed
  clearTimeout(timer)
}

/** A body that is not an upload is small: one that takes long is not waited for. */
function refuseSlowBody(incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (incoming.complete) return
  const timer = setTimeout(() => {
    if (!incoming.complete) refuse(incoming.socket)
  }, REQUEST_TIMEOUT_MS)
  incoming.once('end', () => clearTimeout(timer))
  outgoing.once('close', () => clearTimeout(timer))
}

function malformed(): Response {
  return new Response(MALFORMED, { status: 400, headers: { 'content-type': 'application/json' } })
}

function refuse(socket: Socket): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const head = `HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n`
  socket.end(`${head}content-length: ${Buffer.byteLength(MALFORMED)}\r\n\r\n${MALFORMED}`)
}
