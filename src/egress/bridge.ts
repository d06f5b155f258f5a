/**
 * The inner end of a door, as text, since nothing of ours is inside a sandbox: a script for node that listens on loopback,
 * passes every connection on to the door's socket, and runs a command that finds it as its proxy.
 */

export const BRIDGE_FILE = 'bridge.cjs'

/** Name of the socket in a door's directory; the bridge inside and the proxy outside must agree on it. */
export const SOCKET_FILE = 'proxy.sock'

/** `node bridge.cjs DOOR COMMAND ARGUMENT…`; ends with the command's exit code. */
export const BRIDGE = `'use strict'
const { spawn } = require('node:child_process')
const { connect, createServer } = require('node:net')
const [door, command, ...rest] = process.argv.slice(2)
const cwd = process.cwd()
// The socket's whole path may be longer than an address holds.
process.chdir(door)
const server = createServer((inner) => {
  const outer = connect('${SOCKET_FILE}')
  inner.on('error', () => outer.destroy())
  outer.on('error', () => inner.destroy())
  inner.pipe(outer)
  outer.pipe(inner)
})
server.listen(0, '127.0.0.1', () => {
  const proxy = 'http://127.0.0.1:' + server.address().port
  const env = { ...process.env }
  for (const name of ['http_proxy', 'https_proxy', 'HTTP_PROXY', 'HTTPS_PROXY']) env[name] = proxy
  for (const name of ['no_proxy', 'NO_PROXY', 'all_proxy', 'ALL_PROXY']) delete env[name]
  const child = spawn(command, rest, { cwd, env, stdio: 'inherit' })
  child.on('error', () => process.exit(127))
  child.on('close', (code) => process.exit(code === null ? 1 : code))
})
`
