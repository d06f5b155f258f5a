/**
 * The egress gateway process of one installation: a socket for each sandbox, and behind it the only way out that its
 * commands have. It is started detached by whichever worker or server needs it first and outlives them, so that a set-up
 * goes on while its worker dies. Its argv is one JSON object, see {@link GatewayArgs}; it reads no environment.
 *
 * 1. One gateway per directory: the abstract lock socket decides, the loser ends at once.
 * 2. A sandbox's policy is its file, read again whenever it changed; a missing or broken one allows nothing.
 * 3. It ends by itself when nobody is connected to its control socket and no command has a connection for `idleMs`.
 */

import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import type { Server as HttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { rootCertificates } from 'node:tls'
import type { Network } from '../shared/network.ts'
import { openAuthority } from './authority.ts'
import { credentialsFor, decideByPolicy, type Registry, withStoredTokens } from './decision.ts'
import { createDeniedLog } from './denied-log.ts'
import {
  type GatewayPaths,
  gatewayLockName,
  gatewayPaths,
  makeDirectory,
  makeGatewayDir,
  netPathsOf,
  replaceInOneStep,
} from './gateway-files.ts'
import { type HostProxies, NO_PROXIES } from './host-proxy.ts'
import { createEgressProxy, DEFAULT_EGRESS_LIMITS } from './proxy.ts'
import { createReadDoor } from './read-only-door.ts'
import { limitResolve, resolveBySystem } from './resolve.ts'
import { trustStoreOf } from './trust-store.ts'
import { readTrusted } from './trusted-files.ts'

/** The gateway's command line; `idleMs` after its last client and command it ends by itself. */
export interface GatewayArgs {
  readonly sandboxesDir: string
  /** Files with certificates, in PEM, that are trusted on the way out besides Node's own list. */
  readonly trustedFiles: readonly string[]
  readonly idleMs: number
}

/**
 * A line on the control socket; the answer is `{id, ok, message?}`. `tokens` replaces the stored registry tokens, which are
 * held in memory alone. Unasked comes `{used}`, the id of a token that was just sent, at most once a minute each.
 */
export type ControlRequest =
  | { readonly id: number; readonly op: 'open' | 'close'; readonly key: string }
  | { readonly id: number; readonly op: 'tokens'; readonly tokens: readonly Registry[] }

const EXIT_LOCKED = 3
/** Two hundred tokens of the greatest length. */
const MAX_LINE_CHARACTERS = 4 * 1024 * 1024
const TOLD_USE_MS = 60_000
/** Names that one sandbox may have looked up at once; see UV_THREADPOOL_SIZE in gateway-client.ts. */
const MAX_LOOKUPS = 4
const NO_NETWORK: Network = { policy: 'none', hosts: [] }

const args = JSON.parse(process.argv[2] ?? '') as GatewayArgs
const paths = gatewayPaths(args.sandboxesDir)

function listen(server: Server | HttpServer, address: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false)
      else reject(error)
    })
    server.listen(address, () => resolve(true))
  })
}

/** A JSON file's content, read again when it changed; `fallback` when it is missing or broken. */
function watchJson<T>(file: string, fallback: T): () => T {
  let known: { stamp: string; value: T } = { stamp: '', value: fallback }
  return () => {
    try {
      const stat = statSync(file)
      const stamp = `${stat.mtimeMs}.${stat.size}.${stat.ino}`
      if (stamp !== known.stamp) known = { stamp, value: JSON.parse(readFileSync(file, 'utf8')) as T }
      return known.value
    } catch {
      // Missing or half a file of somebody else's making: the safe answer, and the next look tries again.
      return fallback
    }
  }
}

async function serve({
  dir,
  control,
  registries: registriesFile,
  hostProxies: proxiesFile,
  bundle,
  trustStore,
}: GatewayPaths): Promise<void> {
  const authority = await openAuthority(dir)
  const trusted = readTrusted(args.trustedFiles)
  const certificates = [...new Set([...(trusted.length > 0 ? trusted : rootCertificates), authority.certificate])].join(
    '\n',
  )
  replaceInOneStep(bundle, certificates, 0o644)
  replaceInOneStep(trustStore, trustStoreOf(certificates), 0o644)
  const readRegistries = watchJson<{ registries: readonly Registry[] }>(registriesFile, { registries: [] })
  const hostProxies = watchJson<HostProxies>(proxiesFile, NO_PROXIES)
  let tokens: readonly Registry[] = []
  const registries = () => withStoredTokens(readRegistries().registries, tokens)
  const toldUses = new Map<string, number>()
  const onTokenUsed = (used: string): void => {
    if (Date.now() - (toldUses.get(used) ?? 0) < TOLD_USE_MS) return
    toldUses.set(used, Date.now())
    // One of them writes it down.
    const [first] = clients
    first?.write(`${JSON.stringify({ used })}\n`)
  }
  const proxies = new Map<string, HttpServer>()
  const clients = new Set<Socket>()
  let connections = 0
  let lastBusyAt = Date.now()

  const open = async (key: string): Promise<void> => {
    if (proxies.has(key)) return
    const net = netPathsOf(dir, key)
    const network = watchJson<Network>(net.policy, NO_NETWORK)
    const deny = createDeniedLog(net.denied)
    const resolve = limitResolve(resolveBySystem, MAX_LOOKUPS)
    const { door, close } = createReadDoor({
      authority,
      registries,
      trusted: [...rootCertificates, ...trusted],
      resolve,
      idleTimeoutMs: DEFAULT_EGRESS_LIMITS.idleTimeoutMs,
      maxBytes: DEFAULT_EGRESS_LIMITS.maxBytes,
      onTokenUsed,
      hostProxies,
      onRefused: (refused) => deny({ at: Date.now(), ...refused }),
    })
    const proxy = createEgressProxy({
      decide: (request) => decideByPolicy(network(), registries(), request),
      // Where some hosts are allowed and others are not, what a tunnel holds must say which one it is used for.
      mustNameHost: () => network().policy === 'hosts',
      readDoor: door,
      resolve,
      hostProxies,
      authorization: (target, path) => credentialsFor(registries(), target, path),
      onDecision: ({ at, host, port, reason }) => {
        if (reason !== undefined) deny({ at, host, port, reason })
      },
    })
    proxies.set(key, proxy)
    proxy.on('close', close)
    proxy.on('connection', (socket: Socket) => {
      connections += 1
      socket.once('close', () => {
        connections -= 1
        lastBusyAt = Date.now()
      })
    })
    makeDirectory(net.mount, 0o755)
    rmSync(net.socket, { force: true })
    if (!(await listen(proxy, net.socket))) throw new Error(`cannot listen on ${net.socket}`)
    // The command's uid differs from ours where a service was started by root; who may come here is decided by the mount.
    chmodSync(net.socket, 0o666)
  }

  const close = (key: string): void => {
    const proxy = proxies.get(key)
    proxies.delete(key)
    proxy?.closeAllConnections()
    proxy?.close()
    const net = netPathsOf(dir, key)
    for (const file of [net.mount, net.policy, net.denied]) rmSync(file, { recursive: true, force: true })
  }

  const handle = async (line: string): Promise<string> => {
    const request = JSON.parse(line) as ControlRequest
    const { id } = request
    try {
      if (request.op === 'tokens') tokens = request.tokens
      else if (request.op === 'open') await open(request.key)
      else close(request.key)
      return JSON.stringify({ id, ok: true })
    } catch (error) {
      return JSON.stringify({ id, ok: false, message: error instanceof Error ? error.message : String(error) })
    }
  }

  const onClient = (client: Socket): void => {
    clients.add(client)
    let pending = ''
    client.on('error', () => undefined) // 'close' follows
    client.on('close', () => {
      clients.delete(client)
      lastBusyAt = Date.now()
    })
    client.on('data', (chunk: Buffer) => {
      pending += chunk.toString('utf8')
      const lines = pending.split('\n')
      pending = lines.pop() ?? ''
      if (pending.length > MAX_LINE_CHARACTERS) client.destroy()
      for (const line of lines) {
        handle(line).then(
          (answer) => client.write(`${answer}\n`),
          () => client.destroy(), // not our protocol
        )
      }
    })
  }

  const end = (): void => {
    rmSync(control, { force: true })
    process.exit(0)
  }

  // Commands that outlived the gateway before this one go on through it.
  for (const name of readdirSync(dir)) {
    if (/^[0-9a-f]{24}$/.test(name) && existsSync(netPathsOf(dir, name).socket)) await open(name)
  }
  const server = createServer(onClient)
  rmSync(control, { force: true })
  if (!(await listen(server, control))) throw new Error(`cannot listen on ${control}`)
  chmodSync(control, 0o600)
  setInterval(
    () => {
      if (clients.size > 0 || connections > 0) lastBusyAt = Date.now()
      if (Date.now() - lastBusyAt >= args.idleMs || !existsSync(dir)) end()
    },
    Math.min(1_000, args.idleMs),
  )
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, end)
  // The terminal or the log of whoever started it may go.
  process.on('SIGHUP', () => undefined)
}

makeGatewayDir(paths.dir)
const lock = createServer((socket) => socket.destroy())
if (await listen(lock, gatewayLockName(paths.dir))) await serve(paths)
else process.exit(EXIT_LOCKED)
