import { readdirSync, readFileSync, statfsSync } from 'node:fs'
import { SANDBOX_HOME } from './argv.ts'

/** What the processes of one sandbox use now. `memoryBytes` counts private memory, shared memory once, and its tmpfs. */
export interface TreeUse {
  readonly processes: number
  readonly memoryBytes: number
}

const PAGE_BYTES = 4096

/** Memory file systems of the sandbox; their pages belong to no process. */
const MEMORY_MOUNTS = ['/tmp', SANDBOX_HOME, '/dev/shm']

/**
 * Looks through the namespace's own /proc, by way of its first process: that lists exactly the sandbox's processes, also
 * those that left their session or parent, and costs the same however busy the host is. Null once the namespace is gone.
 */
export function measureTree(firstPid: number, enoughProcesses: number): TreeUse | null {
  const root = `/proc/${firstPid}/root`
  try {
    const pids = readdirSync(`${root}/proc`).filter((name) => /^\d+$/.test(name))
    let memoryBytes = 0
    for (const mount of MEMORY_MOUNTS) {
      const stat = statfsSync(root + mount)
      memoryBytes += (stat.blocks - stat.bfree) * stat.bsize
    }
    // A fork bomb is judged by its number; reading every process of it would only take time.
    if (pids.length <= enoughProcesses) memoryBytes += residentBytes(`${root}/proc`, pids)
    return { processes: pids.length, memoryBytes }
  } catch {
    // ENOENT, ESRCH, EACCES: the namespace is ending.
    return null
  }
}

function residentBytes(proc: string, pids: readonly string[]): number {
  let privatePages = 0
  let sharedPages = 0
  for (const pid of pids) {
    try {
      const [, resident = 0, shared = 0] = readFileSync(`${proc}/${pid}/statm`, 'latin1').split(' ').map(Number)
      privatePages += Math.max(0, resident - shared)
      sharedPages = Math.max(sharedPages, shared)
    } catch {
      // This process ended in between; the others still count.
    }
  }
  return (privatePages + sharedPages) * PAGE_BYTES
}
