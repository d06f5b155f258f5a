import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { OpenAPIHono } from '@hono/zod-openapi'

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

/** HTTP/1.1 only: Hono's stream helper and Node's HTTP/2 do not agree, and proxies speak HTTP/2 to browsers. */
export function createHttpServer(app: OpenAPIHono): Server {
  const listener = getRequestListener(app.fetch, { errorHandler: () => malformed() })
  const server = createServer(
    { requestTimeout: UPLOAD_TIMEOUT_MS, headersTimeout: HEADERS_TIMEOUT_MS, keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS },
    (incoming, outgoing) => {
      if (!UPLOAD_PATH.test(incoming.url ?? '')) refuseSlowBody(incoming, outgoing)
      void listener(incoming, outgoing)
    },
  )
  // What Node's parser refuses never reaches the app; answer in the same shape, then close.
  server.on('clientError', (_error, socket) => refuse(socket as Socket))
  return server
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
