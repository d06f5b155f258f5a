import { connect, type Socket } from 'node:net'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import type { ServiceDoors } from '../types.ts'
import { serviceSocket, withShortAddress } from './layout.ts'
import { namesIn } from './names-in.ts'
import { MAX_REACHED_PORTS } from './protocol.ts'
import { MAX_PORTS } from './service-scripts.ts'

/** A service whose own process answers within this time or counts as listening on nothing. */
const ANSWER_MS = 2_000
const MAX_ANSWER_BYTES = 1_000
const CONNECT_MS = 5_000

/** A port that a command is to find on its loopback, and the socket behind it. */
export interface ReachedPort {
  readonly port: number
  readonly socket: string
}

/** What {@link ServiceDoors} says, and what a command is told of all services of the sandbox. */
export interface LocalServiceDoors extends ServiceDoors {
  /** The ports of all services that run, each once, at most 32. Never throws for one that does not answer. */
  reached(): Promise<ReachedPort[]>
}

/** The services of one sandbox by their sockets in `dir`. Holds nothing, so any number may be open, in any process. */
export function createServiceDoors(dir: string): LocalServiceDoors {
  const open = (socket: string): Promise<Socket> => connectTo(path.join(dir, socket))
  const portsOf = async (socket: string): Promise<number[]> => {
    try {
      return readPorts(await ask(await open(socket)))
    } catch (error) {
      if (error instanceof AppError && error.code === 'sandbox_unreachable') return []
      throw error
    }
  }
  return {
    ports: (execId) => portsOf(serviceSocket(execId)),
    async connect(execId, port) {
      const socket = await open(serviceSocket(execId))
      socket.write(`${JSON.stringify({ op: 'dial', port })}\n`)
      return socket
    },
    async reached() {
      const sockets = namesIn(dir).filter((name) => name.endsWith('.sock'))
      const found = await Promise.all(
        sockets.map(async (socket) => (await portsOf(socket)).map((port) => ({ port, socket }))),
      )
      const byPort = new Map(found.flat().map((each) => [each.port, each]))
      return [...byPort.values()].slice(0, MAX_REACHED_PORTS)
    },
  }
}

function connectTo(socketPath: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => reject(new AppError('sandbox_unreachable', 'The service has ended.', { cause }))
    try {
      withShortAddress(socketPath, (address, close) => {
        const socket = connect({ path: address, allowHalfOpen: true })
        const timer = setTimeout(() => socket.destroy(new Error('the service takes no connections')), CONNECT_MS)
        const settle = () => {
          clearTimeout(timer)
          close()
        }
        socket.once('error', (error) => {
          settle()
          fail(error)
        })
        socket.once('connect', () => {
          settle()
          socket.removeAllListeners('error')
          resolve(socket)
        })
      })
    } catch (error) {
      // The directory of a sandbox that never ran a service.
      fail(error)
    }
  })
}

/** The one line that the service's side answers; an empty text when it answers nothing that fits. */
function ask(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const end = () => {
      clearTimeout(timer)
      socket.destroy()
      resolve(text)
    }
    const timer = setTimeout(end, ANSWER_MS)
    socket.on('error', () => undefined) // 'close' follows
    socket.on('close', end)
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (text.length > MAX_ANSWER_BYTES || text.includes('\n')) end()
    })
    socket.write('{"op":"ports"}\n')
  })
}

/** A project can answer anything: what is no list of ports says nothing. */
function readPorts(text: string): number[] {
  try {
    const value: unknown = JSON.parse(text)
    if (!Array.isArray(value)) return []
    const ports = value.filter((port: unknown) => Number.isInteger(port) && isPort(port))
    return [...new Set<number>(ports)].slice(0, MAX_PORTS)
  } catch {
    // Cut off or no JSON: as if it said nothing.
    return []
  }
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && value >= 1 && value <= 65_535
}
