import { existsSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connect, type Socket } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { AppError } from '../shared/errors.ts'
import type { Network, NetworkDenial } from '../shared/network.ts'
import { type DetachedProcess, startDetached } from '../shared/start-detached.ts'
import type { Registry } from './decision.ts'
import { readDenied } from './denied-log.ts'
import type { ControlRequest, GatewayArgs } from './gateway.ts'
import { gatewayPaths, makeGatewayDir, netKey, replaceInOneStep, sandboxNetPaths } from './gateway-files.ts'
import type { HostProxies } from './host-proxy.ts'

/** What server and worker ask of the gateway, the process that holds the sandboxes' ways out. */
export interface EgressGateway {
  /**
   * Makes a policy hold for a sandbox, at once also for commands that run, and makes sure that its way out is open. Safe to
   * repeat. Throws `sandbox_unreachable` when the gateway cannot be started or does not answer.
   */
  open(sandboxId: string, network: Network): Promise<void>
  /** What was refused to a sandbox from `since` (milliseconds since the epoch) on, oldest first, at most 1,000. */
  denials(sandboxId: string, since: number): NetworkDenial[]
  /** Forgets a sandbox: its socket, policy and refusals. Safe to repeat. */
  forget(sandboxId: string): Promise<void>
  /** Leaves the gateway to the others; it ends by itself when nobody needs it. */
  disconnect(): void
}

const CONNECT_WAIT_MS = 10_000
const ANSWER_WAIT_MS = 5_000
const POLL_MS = 20
const MAX_TRIES = 3
const MAX_DENIALS = 1_000

interface Connection {
  readonly socket: Socket
  readonly pending: Map<number, (answer: Answer) => void>
}

interface Answer {
  readonly ok: boolean
  readonly message?: string
  /** The gateway went away before it answered. */
  readonly isGone?: boolean
}

/** The registry tokens that people stored. */
export interface RegistryTokens {
  /** Never rejects. */
  read(): Promise<readonly Registry[]>
  /** A token was just sent to its registry. Must not throw. */
  onUsed(id: string): void
}

/** How the gateway is reached, and started where none runs. */
export interface EgressGatewayOptions extends GatewayArgs {
  /** The proxies that this host itself must use; written to a file, since arguments are seen by every user. */
  readonly hostProxies: HostProxies
  readonly nodePath: string
  readonly tokens?: RegistryTokens | undefined
}

/** A connection to the gateway of a directory of sandboxes, made when it is first needed and again when it breaks. */
export function createEgressGateway(options: EgressGatewayOptions): EgressGateway {
  const paths = gatewayPaths(options.sandboxesDir)
  let connection: Promise<Connection> | null = null
  let lastId = 0
  let isClosed = false
  /** What was written down over the present connection: asked again at each turn, only the gateway is asked. */
  const opened = new Map<string, string>()
  let sentTokens = ''

  const connected = (): Promise<Connection> => {
    if (connection !== null) return connection
    makeGatewayDir(paths.dir)
    replaceInOneStep(paths.hostProxies, JSON.stringify(options.hostProxies), 0o600)
    const opened = connectOrStart(paths.control, options).then((socket) =>
      attach(socket, { onGone: () => forgetConnection(opened), onUsed: (id) => options.tokens?.onUsed(id) }),
    )
    opened.catch(() => forgetConnection(opened))
    connection = opened
    return opened
  }
  const forgetConnection = (which: Promise<Connection>) => {
    if (connection !== which) return
    connection = null
    sentTokens = ''
    if (isClosed || opened.size === 0) return
    opened.clear()
    // Commands that run need it: it is started again before anybody asks.
    connected()
      .then(sendTokens)
      .catch(() => undefined) // whoever needs it next hears why
  }

  /** Asks again when the gateway died meanwhile: both requests are safe to repeat. */
  const send = async (request: Unnumbered): Promise<void> => {
    for (let tries = 1; ; tries++) {
      const answer = await sendOnce(request)
      if (answer.ok) return
      if (!answer.isGone || tries === MAX_TRIES) {
        throw new AppError('sandbox_unreachable', `the egress gateway failed: ${answer.message ?? ''}`)
      }
    }
  }

  /**
   * A gateway that is new knows none, and one that ran has those of whoever changed them last. One of the version before takes
   * none: commands go on without them, and whatever else is wrong with it the next request says.
   */
  const sendTokens = async (): Promise<void> => {
    if (options.tokens === undefined) return
    const tokens = await options.tokens.read()
    const text = JSON.stringify(tokens)
    if (text === sentTokens) return
    const answer = await sendOnce({ op: 'tokens', tokens })
    if (answer.ok) sentTokens = text
  }

  const sendOnce = async (request: Unnumbered): Promise<Answer> => {
    const { socket, pending } = await connected()
    const id = ++lastId
    return await new Promise<Answer>((resolve) => {
      const timer = setTimeout(() => resolve({ ok: false, message: 'it does not answer' }), ANSWER_WAIT_MS)
      pending.set(id, (given) => {
        clearTimeout(timer)
        resolve(given)
      })
      socket.write(`${JSON.stringify({ id, ...request })}\n`)
    }).finally(() => pending.delete(id))
  }

  return {
    async open(sandboxId, network) {
      const text = JSON.stringify(network)
      const { policy } = sandboxNetPaths(paths.dir, sandboxId)
      // A sandbox that never had a way out needs no gateway to have none.
      if (network.policy === 'none' && !existsSync(policy)) return
      if (opened.get(sandboxId) !== text) {
        makeGatewayDir(paths.dir)
        replaceInOneStep(policy, text, 0o600)
      }
      await sendTokens()
      await send({ op: 'open', key: netKey(sandboxId) })
      opened.set(sandboxId, text)
    },
    denials(sandboxId, since) {
      return readDenied(sandboxNetPaths(paths.dir, sandboxId).denied, since).slice(-MAX_DENIALS)
    },
    async forget(sandboxId) {
      const { policy, mount, denied } = sandboxNetPaths(paths.dir, sandboxId)
      opened.delete(sandboxId)
      if (!existsSync(policy)) return
      // Nobody is started to forget.
      const socket = await connectTo(paths.control)
      socket?.destroy()
      if (socket !== null) await send({ op: 'close', key: netKey(sandboxId) })
      for (const file of [mount, policy, denied]) rmSync(file, { recursive: true, force: true })
    },
    disconnect() {
      isClosed = true
      connection?.then(({ socket }) => socket.end()).catch(() => undefined) // never connected: nothing to leave
      connection = null
    },
  }
}

type Unnumbered =
  | Omit<Extract<ControlRequest, { key: string }>, 'id'>
  | Omit<Extract<ControlRequest, { op: 'tokens' }>, 'id'>

function attach(socket: Socket, { onGone, onUsed }: { onGone(): void; onUsed(tokenId: string): void }): Connection {
  const pending: Connection['pending'] = new Map()
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8')
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) {
      const answer = JSON.parse(line) as (Answer & { readonly id: number }) | { readonly used: string }
      if ('used' in answer) onUsed(answer.used)
      else pending.get(answer.id)?.(answer)
    }
  })
  socket.on('error', () => undefined) // 'close' follows and tells all that wait
  socket.on('close', () => {
    onGone()
    for (const settle of pending.values()) settle({ ok: false, message: 'it went away', isGone: true })
  })
  // Whoever waits for an answer holds a timer of its own.
  socket.unref()
  return { socket, pending }
}

function connectTo(control: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(control)
    socket.once('error', () => resolve(null)) // no gateway there, or one that is just ending
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
  })
}

async function connectOrStart(control: string, options: EgressGatewayOptions): Promise<Socket> {
  const deadline = Date.now() + CONNECT_WAIT_MS
  let child: DetachedProcess | null = null
  for (;;) {
    const socket = await connectTo(control)
    if (socket !== null) return socket
    if (Date.now() > deadline) throw new AppError('sandbox_unreachable', 'the egress gateway did not start')
    if (child === null || child.exited) child = startGateway(options)
    await sleep(POLL_MS)
  }
}

/** Starts the gateway in a session of its own. From source it needs the loader that this process itself runs with. */
function startGateway({ nodePath, sandboxesDir, trustedFiles, idleMs }: EgressGatewayOptions): DetachedProcess {
  const { dir } = gatewayPaths(sandboxesDir)
  makeGatewayDir(dir)
  const isSource = import.meta.url.endsWith('.ts')
  const program = fileURLToPath(new URL(isSource ? './gateway.ts' : './gateway.js', import.meta.url))
  const loader = isSource ? ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href] : []
  const args: GatewayArgs = { sandboxesDir, trustedFiles, idleMs }
  const command = [nodePath, ...loader, '--max-old-space-size=192', program, JSON.stringify(args)]
  return startDetached(command, {
    // Each name that is looked up holds a thread until its answer: a few sandboxes with slow names must not take them all.
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', UV_THREADPOOL_SIZE: '32' },
    logFile: path.join(dir, 'gateway.log'),
  })
}
