import { chmodSync, closeSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import path from 'node:path'
import { O_PATH } from './confined.ts'

/** The socket of a service before its namespace has it. */
export interface ServiceDoor {
  /** Listens already; whoever connects waits until somebody inside accepts. */
  readonly fd: number
  /** Lets go of it here, once the service's process was started with it: before any connection is accepted. */
  handOver(): void
  /** Takes the socket's name away. Safe to repeat. */
  remove(): void
}

/**
 * Opens the socket by which a service is reached from outside. It is made here and handed into the namespace as a
 * descriptor, so that nothing a project can write to is ever connected to: inside, nobody can put a link or another socket
 * in its place. Must be handed over in the same tick. Throws what the file system says.
 */
export function openServiceDoor(dir: string, name: string): ServiceDoor {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  // A socket's address holds about a hundred bytes: it is named through the directory's descriptor.
  const directory = openSync(dir, O_PATH)
  const at = (file: string) => `/proc/self/fd/${directory}/${file}`
  const fresh = `${name}.new`
  try {
    rmSync(at(fresh), { force: true })
    const server = createServer((socket) => socket.destroy())
    // Whatever is wrong shows below as a missing descriptor.
    server.on('error', () => undefined)
    server.listen(at(fresh))
    const fd = descriptorOf(server)
    chmodSync(at(fresh), 0o600)
    // Closing removes the name that was listened on, and that is gone then.
    renameSync(at(fresh), at(name))
    return {
      fd,
      handOver() {
        server.close()
      },
      remove() {
        rmSync(path.join(dir, name), { force: true })
      },
    }
  } finally {
    closeSync(directory)
  }
}

/** Node tells nobody which descriptor a server listens on, and a child can only be given one. */
function descriptorOf(server: Server): number {
  const handle: unknown = Reflect.get(server, '_handle')
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  if (typeof fd !== 'number' || fd < 0) throw new Error('the socket of a service cannot be listened on')
  return fd
}
