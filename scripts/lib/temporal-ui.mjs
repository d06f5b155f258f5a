import { createServer, request } from 'node:http'
import { StartError } from './start-error.mjs'

const UPSTREAM_TIMEOUT_MS = 60_000
const MAX_SOCKETS = 200

/**
 * Temporal's Web UI answers to any name and asks nobody who they are, so a page of any web site could rebind its own name to
 * 127.0.0.1 and read it. This front passes on what is asked of 127.0.0.1 or localhost and, unless it only reads, comes from
 * the UI's own pages; all else is 403. Rejects with a StartError when it cannot listen.
 *
 * @param {{ port: number, upstream: { host: string, port: number } }} options
 * @returns {Promise<{ url: string, close: () => void }>}
 */
export async function openTemporalUi({ port, upstream }) {
  const hosts = ['127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${port}`)
  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', headers } = incoming
    const isOurs = hosts.includes((headers.host ?? '').toLowerCase())
    const isRead = method === 'GET' || method === 'HEAD'
    if (!isOurs || !(isRead || isOwnPage(headers, hosts))) {
      outgoing.writeHead(403, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
      outgoing.end(isOurs ? 'Requests from other origins are not accepted.\n' : 'This is not a name of this server.\n')
      return
    }
    const call = request(
      {
        ...upstream,
        method,
        path: incoming.url,
        headers: { ...headers, host: `${upstream.host}:${upstream.port}` },
        timeout: UPSTREAM_TIMEOUT_MS,
      },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, { ...answer.headers, 'x-frame-options': 'DENY' })
        answer.pipe(outgoing)
        answer.once('error', () => outgoing.destroy())
      },
    )
    call.once('timeout', () => call.destroy())
    call.once('error', () => {
      if (!outgoing.headersSent) outgoing.writeHead(502, { 'content-type': 'text/plain; charset=utf-8' })
      outgoing.end('Temporal does not answer.\n')
    })
    outgoing.once('close', () => call.destroy())
    incoming.pipe(call)
  })
  server.maxConnections = MAX_SOCKETS
  await new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new StartError(`Temporal's Web UI cannot listen on port ${port}.`, { cause, detail: cause.message })),
    )
    server.listen(port, '127.0.0.1', () => resolve(undefined))
  })
  // Who runs Temporal decides how long this process lives.
  server.unref()
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/**
 * @param {import('node:http').IncomingHttpHeaders} headers
 * @param {readonly string[]} hosts
 * @returns {boolean} whether a page of the UI itself sends this, or a program that is no browser
 */
function isOwnPage(headers, hosts) {
  const { origin } = headers
  if (origin === undefined)
    return headers['sec-fetch-site'] === undefined || headers['sec-fetch-site'] === 'same-origin'
  return hosts.some((host) => origin.toLowerCase() === `http://${host}`)
}
