/**
 * The inner ends of a service's socket, as text, since nothing of ours is inside a sandbox: what runs beside a service and
 * passes connections on to the ports it listens on, and what runs beside another command and offers those ports there.
 * A connection begins with one line of JSON: `{"op":"ports"}` is answered with a line and closed, `{"op":"dial","port":N}`
 * is passed on.
 */

import { PROXY_PORT } from '../network-env.ts'

/** Ports of one service that are told. */
export const MAX_PORTS = 16

const SERVICE = `'use strict'
const { readFileSync } = require('node:fs')
const { connect, createServer } = require('node:net')
const seen = new Map()
const look = () => {
  const now = new Map()
  for (const [file, any, loopback] of [['tcp', '00000000', '127.0.0.1'], ['tcp6', '0'.repeat(32), '::1']]) {
    let table = ''
    try { table = readFileSync('/proc/net/' + file, 'latin1') } catch {}
    for (const line of table.split('\\n').slice(1)) {
      const [, local, , state] = line.trim().split(/\\s+/)
      if (state !== '0A') continue
      const [address, hex] = local.split(':')
      const port = parseInt(hex, 16)
      if (port !== ${PROXY_PORT} && !now.has(port)) now.set(port, loopback)
    }
  }
  for (const port of seen.keys()) if (!now.has(port)) seen.delete(port)
  for (const [port, address] of now) seen.set(port, address)
}
const serve = (outer, line) => {
  const ask = JSON.parse(line)
  look()
  if (ask.op === 'ports') return outer.end(JSON.stringify([...seen.keys()].slice(0, ${MAX_PORTS})) + '\\n')
  const inner = connect({ port: ask.port, host: seen.get(ask.port) || '127.0.0.1', allowHalfOpen: true })
  for (const [one, other] of [[inner, outer], [outer, inner]]) {
    one.on('error', () => other.destroy())
    one.on('close', () => { if (!one.readableEnded) other.destroy() })
  }
  outer.pipe(inner)
  inner.pipe(outer)
}
const server = createServer({ allowHalfOpen: true }, (outer) => {
  outer.on('error', () => outer.destroy())
  let text = Buffer.alloc(0)
  const onData = (chunk) => {
    text = Buffer.concat([text, chunk])
    const end = text.indexOf(10)
    if (end < 0) return text.length > 1000 && outer.destroy()
    outer.off('data', onData)
    outer.pause()
    if (end + 1 < text.length) outer.unshift(text.subarray(end + 1))
    try { serve(outer, text.subarray(0, end).toString()) } catch { outer.destroy() }
  }
  outer.on('data', onData)
})
process.on('uncaughtException', () => {})
server.listen({ fd: Number(process.argv[1]) })
`

const REACH = `'use strict'
const { connect, createServer } = require('node:net')
const [dir, text] = process.argv.slice(1)
const listen = (port, host, socket) => new Promise((done) => {
  const server = createServer({ allowHalfOpen: true }, (inner) => {
    const outer = connect({ path: dir + '/' + socket, allowHalfOpen: true })
    for (const [one, other] of [[inner, outer], [outer, inner]]) {
      one.on('error', () => other.destroy())
      one.on('close', () => { if (!one.readableEnded) other.destroy() })
    }
    outer.write('{"op":"dial","port":' + port + '}\\n')
    inner.pipe(outer)
    outer.pipe(inner)
  })
  server.on('error', done)
  server.listen(port, host, done)
})
Promise.all(JSON.parse(text).flatMap(({ port, socket }) =>
  ['127.0.0.1', '::1'].map((host) => listen(port, host, socket)))).then(() => console.log('listening'))
`

/**
 * Starts the script as a child of the namespace's first process, so that a `wait` of the command never meets it, with the
 * descriptor that only it needs, and becomes the command.
 */
const BESIDE_SERVICE = `(PATH=$1 node -e "$2" "$3" </dev/null >/dev/null 2>&1 &)
eval "exec $3<&-"
shift 3
exec "$@"`

/** As above; waits until the ports are open, five seconds at most. */
const BESIDE_COMMAND = `exec 8< <(PATH=$1 node -e "$2" "$3" "$4" </dev/null 2>/dev/null &)
read -r -t 5 -u 8 _
exec 8<&-
shift 4
exec "$@"`

/** What stands before the command line of a service whose socket is the descriptor `fd`. Pure. */
export function serviceCommand(path: string, fd: number): string[] {
  return ['/bin/bash', '-c', BESIDE_SERVICE, 'keelson', path, SERVICE, String(fd)]
}

/** What stands before the command line of a command that reaches services by the sockets in `dir`. Pure. */
export function reachingCommand(
  path: string,
  dir: string,
  ports: readonly { readonly port: number; readonly socket: string }[],
): string[] {
  return ['/bin/bash', '-c', BESIDE_COMMAND, 'keelson', path, REACH, dir, JSON.stringify(ports)]
}
