/** A way out of a sandbox for one command: a directory with the proxy's socket, which that command alone sees. */

import { randomBytes } from 'node:crypto'
import { closeSync, constants, openSync } from 'node:fs'
import { chmod, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import path from 'node:path'
import { BRIDGE, BRIDGE_FILE, SOCKET_FILE } from './bridge.ts'

/** Doors of processes that were killed go after this long; no command lives so long. */
const STALE_MS = 24 * 3_600_000
const MAX_SWEPT = 1_000

/** A way out for one command, which finds its socket at the path that `Doors.inside` makes of the name. */
export interface Door {
  /** For `ExecSpec.door`. */
  readonly name: string
  /** Ends all connections and removes the directory. Safe to repeat. */
  close(): Promise<void>
}

/** What is needed to open a door. */
export interface DoorOptions {
  /** Where doors lie, see `Sandbox.doors`; made when it is missing. */
  readonly dir: string
  /** The proxy behind it, which does not listen yet; it ends with the door. */
  readonly proxy: Server
}

/** Opens a door; whoever opens it closes it. Throws what the file system says. */
export async function openDoor({ dir, proxy }: DoorOptions): Promise<Door> {
  const name = randomBytes(16).toString('hex')
  const place = path.join(dir, name)
  // Entered by the runner's user, listed by nobody else: the name is the secret.
  if ((await mkdir(dir, { recursive: true, mode: 0o711 })) !== undefined) await chmod(dir, 0o711)
  await sweep(dir)
  await mkdir(place, { mode: 0o755 })
  // Exactly: the umask of a started instance keeps others out, and commands belong to one of them.
  await chmod(place, 0o755)
  // A socket's address holds about a hundred bytes: it is named through the directory's descriptor.
  const fd = openSync(place, constants.O_RDONLY | constants.O_DIRECTORY)
  let isOpen = true
  const close = async (): Promise<void> => {
    if (!isOpen) return
    isOpen = false
    proxy.closeAllConnections()
    if (proxy.listening) await new Promise((resolve) => proxy.close(resolve))
    closeSync(fd)
    await rm(place, { recursive: true, force: true })
  }
  try {
    await writeFile(path.join(place, BRIDGE_FILE), BRIDGE)
    await chmod(path.join(place, BRIDGE_FILE), 0o644)
    await listen(proxy, `/proc/self/fd/${fd}/${SOCKET_FILE}`)
    return { name, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function listen(server: Server, at: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path: at, readableAll: true, writableAll: true }, () => {
      server.removeListener('error', reject)
      resolve()
    })
  })
}

async function sweep(dir: string): Promise<void> {
  for (const name of (await readdir(dir)).slice(0, MAX_SWEPT)) {
    try {
      const { mtimeMs } = await stat(path.join(dir, name))
      if (Date.now() - mtimeMs > STALE_MS) await rm(path.join(dir, name), { recursive: true, force: true })
    } catch (error) {
      // Closed just now by its owner.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
    }
  }
}
