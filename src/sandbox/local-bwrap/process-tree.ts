import { readdirSync, readFileSync, readlinkSync, statfsSync } from 'node:fs'
import { SANDBOX_HOME } from './argv.ts'

/** What the processes of one sandbox use now. */
export interface TreeUse {
  /** Threads count, as the kernel's own limit counts them. */
  readonly processes: number
  /**
   * Their memory, what is shared divided among those who share it, the sandbox's memory file systems, and the most that its
   * sockets can hold.
   */
  readonly memoryBytes: number
}

const PAGE_BYTES = 4096

/** Memory file systems of the sandbox; their pages belong to no process. */
const MEMORY_MOUNTS = ['/tmp', SANDBOX_HOME, '/dev/shm']

/** What the kernel keeps for a file of a memory file system, be it empty. */
const NAME_BYTES = 1024

/** Fewer sockets than this hold too little to be worth a guess, and ordinary programs have them. */
const FEW_SOCKETS = 64

let cachedSocketBytes: number | undefined

/** The most that one socket holds for its reader: the kernel doubles what a program may ask for. */
function socketBytes(): number {
  cachedSocketBytes ??= 2 * Number(readFileSync('/proc/sys/net/core/wmem_max', 'latin1'))
  return cachedSocketBytes
}

/**
 * Looks through the namespace's own /proc, by way of its first process: that lists exactly the sandbox's processes, also
 * those that left their session or parent. What it costs is bounded by the limits: processes beyond `enoughProcesses` are
 * not read, and shared memory is shared out only when the sum of all could be above `enoughBytes`. Null once the namespace
 * is gone.
 */
export function measureTree(firstPid: number, enoughProcesses: number, enoughBytes: number): TreeUse | null {
  const root = `/proc/${firstPid}/root`
  try {
    // Until the sandbox is mounted this is the host's own /proc: then it knows us.
    if (isOurs(`${root}/proc`)) return null
    const pids = readdirSync(`${root}/proc`).filter((name) => /^\d+$/.test(name))
    // A fork bomb is judged by its number; reading every process of it would only take time.
    if (pids.length > enoughProcesses) return { processes: pids.length, memoryBytes: 0 }
    const others = mountedBytes(root) + socketsOf(firstPid)
    const { threads, residentBytes } = countAll(`${root}/proc`, pids)
    if (threads > enoughProcesses || residentBytes + others <= enoughBytes) {
      return { processes: threads, memoryBytes: residentBytes + others }
    }
    return { processes: threads, memoryBytes: proportionalBytes(`${root}/proc`, pids) + others }
  } catch {
    // ENOENT, ESRCH, EACCES: the namespace is ending.
    return null
  }
}

function isOurs(proc: string): boolean {
  try {
    return readlinkSync(`${proc}/self`) !== ''
  } catch {
    return false // ENOENT: this process is not in that namespace
  }
}

function mountedBytes(root: string): number {
  let bytes = 0
  for (const mount of MEMORY_MOUNTS) {
    const stat = statfsSync(root + mount)
    bytes += (stat.blocks - stat.bfree) * stat.bsize + (stat.files - stat.ffree) * NAME_BYTES
  }
  return bytes
}

/** What is written to a socket and not yet read is nobody's memory; the kernel tells how many sockets there are. */
function socketsOf(firstPid: number): number {
  const text = readFileSync(`/proc/${firstPid}/net/sockstat`, 'latin1')
  const sockets = Number(/^sockets: used (\d+)/m.exec(text)?.[1] ?? 0)
  return sockets < FEW_SOCKETS ? 0 : sockets * socketBytes()
}

/** Threads of all processes, and the sum of what each has in memory: shared memory counts for each that has it. */
function countAll(proc: string, pids: readonly string[]): { threads: number; residentBytes: number } {
  let threads = 0
  let pages = 0
  for (const pid of pids) {
    try {
      const stat = readFileSync(`${proc}/${pid}/stat`, 'latin1')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      threads += Number(fields[17])
      pages += Number(fields[21])
    } catch {
      // This process ended in between; the others still count.
    }
  }
  return { threads, residentBytes: pages * PAGE_BYTES }
}

/** The same with each shared page divided among those who share it: the sum is what they hold together. */
function proportionalBytes(proc: string, pids: readonly string[]): number {
  let bytes = 0
  for (const pid of pids) {
    try {
      const text = readFileSync(`${proc}/${pid}/smaps_rollup`, 'latin1')
      bytes += 1024 * Number(/^Pss: +(\d+) kB/m.exec(text)?.[1] ?? 0)
    } catch {
      // This process ended in between; the others still count.
    }
  }
  return bytes
}
