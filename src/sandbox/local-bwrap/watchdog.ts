import { statfsSync } from 'node:fs'
import type { RunningCommand } from './command.ts'
import { watchDisk } from './disk-watch.ts'
import { type Limits, overMemory, overProcesses } from './limits.ts'
import { type MemoryFiles, measureMemoryFiles } from './memory-files.ts'
import { measureTree } from './process-tree.ts'
import type { Watch, WatchedCommand, WatchOptions } from './watch.ts'

const CHECK_MS = 50
/** Looking takes at most about a third of the time, however many processes there are. */
const REST_FACTOR = 2
const FREE_DISK_CHECK_MS = 1_000
const MEMORY_FILES_CHECK_MS = 500
/** A descriptor that waits in a socket from one look to the next counts as a memory file of at least this size. */
const SENT_FILE_BYTES = 64 * 1024 * 1024

/**
 * Ends commands that use more processes, memory or disk than they may. Where a cgroup counts a command, the kernel keeps
 * processes and memory; else this looks every 50 ms: a fork bomb or an allocator gets somewhat beyond its limit, then the
 * whole namespace dies.
 */
export function watchCommands(commands: () => readonly WatchedCommand[], options: WatchOptions): Watch {
  const { dir, limits } = options
  /** What memory files held when they were last measured, by command. */
  const memoryFiles = new WeakMap<RunningCommand, KnownFiles>()
  let isOver = false
  let trees: NodeJS.Timeout
  const look = () => {
    const startedAt = performance.now()
    for (const { command } of commands()) checkTree(command, limits, memoryFiles.get(command)?.heldBytes ?? 0)
    if (isOver) return
    trees = setTimeout(look, Math.max(CHECK_MS, (performance.now() - startedAt) * REST_FACTOR))
  }
  trees = setTimeout(look, CHECK_MS)
  const measuring = new Set<RunningCommand>()
  const files = setInterval(() => {
    for (const { command } of commands()) {
      if (command.isCounted || command.firstPid === 0 || measuring.has(command)) continue
      measuring.add(command)
      checkMemoryFiles(command, memoryFiles, options)
        // This host could not start a process: the next look asks again.
        .catch(() => undefined)
        .finally(() => measuring.delete(command))
    }
  }, MEMORY_FILES_CHECK_MS)
  const freeDisk = setInterval(() => {
    const all = commands()
    if (all.length === 0 || freeBytes(dir) >= limits.minFreeDiskBytes) return
    const reason = 'It was stopped because the disk under the workspaces is almost full.'
    for (const { command } of all) command.end({ status: 'killed', reason })
  }, FREE_DISK_CHECK_MS)
  const disk = watchDisk(commands, options)
  return {
    noteStore: disk.noteStore,
    stop() {
      isOver = true
      clearTimeout(trees)
      clearInterval(files)
      clearInterval(freeDisk)
      disk.stop()
    },
  }
}

function freeBytes(dir: string): number {
  const stat = statfsSync(dir)
  return stat.bavail * stat.bsize
}

function checkTree(command: RunningCommand, limits: Limits, memoryFileBytes: number): void {
  if (command.isCounted) return command.checkCgroup()
  if (command.firstPid === 0) return
  const use = measureTree(command.firstPid, limits.maxProcesses, limits.memoryBytes - memoryFileBytes)
  if (use === null) return
  if (use.processes > limits.maxProcesses) {
    command.end({ status: 'killed', reason: overProcesses(limits) })
  } else if (use.memoryBytes + memoryFileBytes > limits.memoryBytes) {
    command.end({ status: 'oom', reason: overMemory(limits) })
  }
}

/** What is known of a command's memory files. */
interface KnownFiles {
  /** What they hold, those that nobody can see included. */
  readonly heldBytes: number
  /** The largest that was ever seen. */
  readonly largestBytes: number
  readonly sentDescriptors: number
  /** The last look could not count the System V shared memory. */
  readonly isBlind: boolean
}

/** Nobody can look at what waits in a socket: what stays there counts as the largest file that was seen. Pure. */
function judgeFiles(before: KnownFiles | undefined, now: MemoryFiles): KnownFiles {
  const largestBytes = Math.max(now.largestBytes, before?.largestBytes ?? 0)
  const waiting = Math.min(now.sentDescriptors, before?.sentDescriptors ?? 0)
  const sentBytes = waiting * Math.max(SENT_FILE_BYTES, largestBytes)
  const kernelBytes = now.pipeBytes + now.pageTableBytes + (now.segmentBytes ?? 0)
  const heldBytes = now.sizeBytes + sentBytes + kernelBytes
  return { heldBytes, largestBytes, sentDescriptors: now.sentDescriptors, isBlind: now.segmentBytes === null }
}

async function checkMemoryFiles(
  command: RunningCommand,
  known: WeakMap<RunningCommand, KnownFiles>,
  { countsSegments }: WatchOptions,
): Promise<void> {
  const files = await measureMemoryFiles(command.firstPid, countsSegments)
  if (files === null) {
    command.end({ status: 'oom', reason: 'It was stopped because it held too many open files to count their memory.' })
    return
  }
  const before = known.get(command)
  const now = judgeFiles(before, files)
  known.set(command, now)
  // One look may meet a namespace that is just made or ending; what cannot be counted twice running is not granted.
  if (now.isBlind && before?.isBlind) {
    command.end({ status: 'oom', reason: 'It was stopped because its shared memory could not be counted.' })
  }
}
