import { type DiskUse, measureDisk } from './disk-use.ts'
import { projectCacheDir, sandboxPaths } from './layout.ts'
import { inMib, type Limits } from './limits.ts'
import type { Watch, WatchedCommand, WatchOptions } from './watch.ts'

const TICK_MS = 500
/** A command that runs this long has its sandbox measured. */
const FIRST_LOOK_MS = 3_000
/** After short commands alone a sandbox is measured this often. */
const IDLE_LOOK_MS = 30_000
/** Measuring one sandbox takes at most about a twentieth of the time. */
const REST_FACTOR = 20
/** Measured at a time: a project whose files take long must not keep the others from being looked at. */
const MAX_AT_ONCE = 4
/** What is known of more sandboxes than this is forgotten, the longest unused first. */
const MAX_KNOWN = 5_000

interface Known {
  /** Null while nothing is known. */
  use: DiskUse | null
  /** Whether the last look found more than may be. */
  isOver: boolean
  measuredAt: number
  /** No look before this. */
  restUntil: number
  busySince: number | null
  isMeasuring: boolean
  /** What the sandbox holds where this process cannot look. */
  storeBytes: number
}

/**
 * Ends the commands of a sandbox that holds more bytes or names than it may, unless it is shrinking: what cleans up may go
 * on. The looking is done by child processes; a sandbox that cannot be measured in time counts as too large, and no other
 * one is concerned.
 */
export function watchDisk(commands: () => readonly WatchedCommand[], options: WatchOptions): Watch {
  const known = new Map<string, Known>()
  let measuring = 0

  const tick = () => {
    const now = Date.now()
    const busy = new Set(commands().map((each) => each.sandbox))
    for (const sandbox of busy) {
      const entry = known.get(sandbox) ?? fresh()
      // The newest use is last.
      known.delete(sandbox)
      known.set(sandbox, entry)
      entry.busySince ??= now
    }
    for (const [sandbox, entry] of known) {
      if (!busy.has(sandbox)) entry.busySince = null
      if (measuring >= MAX_AT_ONCE || entry.isMeasuring || !isDue(entry, now)) continue
      measure(sandbox, entry)
    }
    for (const sandbox of known.keys()) {
      if (known.size <= MAX_KNOWN) break
      known.delete(sandbox)
    }
  }

  const measure = (sandbox: string, entry: Known) => {
    measuring++
    entry.isMeasuring = true
    const startedAt = Date.now()
    const paths = sandboxPaths(options.dir, sandbox)
    measureDisk([paths.workspace, projectCacheDir(options.dir, sandbox)], options.bwrapPath)
      .then((use) => judge(sandbox, entry, use && { ...use, sizeBytes: use.sizeBytes + entry.storeBytes }))
      // This host could not start a process; that is not the project's fault, and the next look asks again.
      .catch(() => undefined)
      .finally(() => {
        measuring--
        entry.isMeasuring = false
        entry.measuredAt = Date.now()
        entry.restUntil = entry.measuredAt + Math.max(FIRST_LOOK_MS, (entry.measuredAt - startedAt) * REST_FACTOR)
      })
  }

  const judge = (sandbox: string, entry: Known, use: DiskUse | null) => {
    const before = entry.use
    entry.use = use
    const reason = reasonAgainst(use, options.limits)
    entry.isOver = reason !== null
    if (reason === null || isShrinking(before, use)) return
    for (const { sandbox: of, command } of commands()) if (of === sandbox) command.end({ status: 'killed', reason })
  }

  const timer = setInterval(tick, TICK_MS)
  return {
    noteStore(sandbox, storeBytes) {
      const entry = known.get(sandbox) ?? fresh()
      known.set(sandbox, entry)
      entry.storeBytes = storeBytes
    },
    stop: () => clearInterval(timer),
  }
}

function fresh(): Known {
  return {
    use: null,
    isOver: false,
    measuredAt: Date.now(),
    restUntil: 0,
    busySince: null,
    isMeasuring: false,
    storeBytes: 0,
  }
}

function isDue(entry: Known, now: number): boolean {
  if (now < entry.restUntil) return false
  if (entry.busySince === null) return now - entry.measuredAt >= IDLE_LOOK_MS && entry.use === null
  // One that was too large before is looked at before a command can add to it.
  return entry.isOver || now - entry.busySince >= FIRST_LOOK_MS || now - entry.measuredAt >= IDLE_LOOK_MS
}

function reasonAgainst(use: DiskUse | null, limits: Limits): string | null {
  if (use === null) return 'It was stopped because the files of the workspace are too many to be counted.'
  if (use.sizeBytes > limits.workspaceBytes) {
    const size = inMib(limits.workspaceBytes)
    return `It was stopped because the workspace, its checkpoints and caches hold more than ${size} MiB.`
  }
  if (use.names > limits.workspaceNames) {
    return `It was stopped because the workspace holds more than ${limits.workspaceNames} files and directories.`
  }
  return null
}

function isShrinking(before: DiskUse | null, now: DiskUse | null): boolean {
  return before !== null && now !== null && now.sizeBytes <= before.sizeBytes && now.names < before.names
}
