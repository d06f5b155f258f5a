/**
 * A cgroup for each command, where this host lets us have one: the kernel then counts all memory that a command causes
 * (socket buffers, memfd, shared memory and page tables included) and every thread, and refuses what is beyond the limit
 * before anybody has to look. Found once per runner, by {@link openCgroups}; without one the watchdog is all there is.
 *
 * 1. `<base>/<name>` is one command's; `<base>` belongs to one runner and is named by its home and identity.
 * 2. The runner itself is in `<base>/runner`: a base without a process there is nobody's, and whoever next looks for cgroups
 *    removes it. A runner that gave up being root may not remove its own base.
 */

import { createHash, randomBytes } from 'node:crypto'
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Limits } from './limits.ts'

/** Who keeps a command's memory and processes within their limits. */
export type LimitKeeper = 'cgroup-v2' | 'cgroup-v1' | 'watchdog'

/** What the kernel did to a command so far. */
export interface CgroupEvents {
  /** Processes that it ended because memory was used up. */
  readonly oomKills: number
  /** Processes and threads that it refused to make. */
  readonly refusedForks: number
}

/** The cgroup of one command. */
export interface CommandCgroup {
  /** A process that writes `0` into each of these is in it, and so is all that it starts. */
  readonly procsFiles: readonly string[]
  events(): CgroupEvents
  /** Kills what is left in it and removes it; tries for a few seconds. Safe to repeat; never throws. */
  remove(): Promise<void>
}

/** The cgroups of one runner, below a base of its own. */
export interface Cgroups {
  readonly keeper: Exclude<LimitKeeper, 'watchdog'>
  /** Makes one with these limits. Throws when the kernel refuses. */
  make(limits: Pick<Limits, 'memoryBytes' | 'maxProcesses'>): CommandCgroup
  /** Removes what commands of an earlier runner left. Called while the runner's lock is held, before the first start. */
  sweep(): Promise<void>
  /** Removes the base, as far as nobody is in it. */
  close(): void
}

/** Whose cgroups are made, and which version of them. */
export interface CgroupOptions {
  /** Base directory of the sandboxes and the runner's identity: they name the cgroup. */
  readonly dir: string
  readonly identity: string
  /** The user that the runner becomes, when it is another one than now: the cgroup is given to it. */
  readonly owner?: { readonly uid: number; readonly gid: number }
  /** Only this one is tried; default: version 2, then version 1. */
  readonly only?: Exclude<LimitKeeper, 'watchdog'>
  /** This process stays in the cgroup that it is in: it starts nothing there. */
  readonly staysOutside?: boolean
}

const PREFIX = 'keelson-'
const RUNNER = 'runner'
const YOUNG_MS = 60_000
const REMOVE_TRIES = 100
const REMOVE_PAUSE_MS = 50

/** Where the cgroups of one controller (version 1) or of all (version 2) are seen, and which one this process is in. */
interface Hierarchy {
  readonly mountPoint: string
  readonly own: string
}

/**
 * Looks for cgroups that this process may make, and makes the base of this runner's. Null when there are none: no such
 * file system, read-only, or nothing delegated to this user. Call it before the process gives up being root. Safe to
 * repeat.
 */
export function openCgroups(options: CgroupOptions): Cgroups | null {
  if (options.only !== 'cgroup-v1') {
    const found = tryOpen(() => openUnified(options))
    if (found !== null) return found
  }
  if (options.only === 'cgroup-v2') return null
  return tryOpen(() => openLegacy(options))
}

/** Removes the base of a process that has ended, and what is left in it. Safe to repeat; never throws. */
export function forgetCgroups(options: Pick<CgroupOptions, 'dir' | 'identity'>): void {
  for (const only of ['cgroup-v2', 'cgroup-v1'] as const) openCgroups({ ...options, only, staysOutside: true })?.close()
}

function tryOpen(open: () => Cgroups | null): Cgroups | null {
  try {
    return open()
  } catch {
    // EACCES, EROFS, EBUSY, ENOENT: not ours to use. The probe tells people which keeper there is.
    return null
  }
}

function baseName({ dir, identity }: CgroupOptions): string {
  return `${PREFIX}${homeHash(dir)}-${identity}`
}

function homeHash(dir: string): string {
  return createHash('sha256').update(dir).digest('hex').slice(0, 12)
}

const NETWORK_LIMIT = 'memory.kmem.tcp.limit_in_bytes'
/** That limit is this part of the memory's: what goes beyond it is not sent, and the command goes on. */
const NETWORK_PART = 8

/** Version 1: a hierarchy for memory and one for processes. They may be the same. */
function openLegacy(options: CgroupOptions): Cgroups | null {
  const [memory, pids] = [legacyHierarchy('memory'), legacyHierarchy('pids')]
  if (memory === null || pids === null) return null
  const bases = [...new Set([memory.own, pids.own])].map((own) => path.join(own, baseName(options)))
  const [memoryBase, pidsBase] = [path.join(memory.own, baseName(options)), path.join(pids.own, baseName(options))]
  const make = (limits: Pick<Limits, 'memoryBytes' | 'maxProcesses'>): CommandCgroup => {
    const name = newName()
    const dirs = bases.map((base) => path.join(base, name))
    return makeIn(dirs, () => {
      const memoryDir = path.join(memoryBase, name)
      const pidsDir = path.join(pidsBase, name)
      set(memoryDir, 'memory.limit_in_bytes', limits.memoryBytes)
      // There where the kernel counts swap; after the other limit, which it must not be below.
      if (existsSync(path.join(memoryDir, 'memory.memsw.limit_in_bytes'))) {
        set(memoryDir, 'memory.memsw.limit_in_bytes', limits.memoryBytes)
      }
      // Version 1 counts the buffers of TCP and UDP apart, and only where they have a limit of their own.
      if (existsSync(path.join(memoryDir, NETWORK_LIMIT))) {
        set(memoryDir, NETWORK_LIMIT, Math.floor(limits.memoryBytes / NETWORK_PART))
      }
      set(pidsDir, 'pids.max', limits.maxProcesses)
      return () => ({
        oomKills: readCount(memoryDir, 'memory.oom_control', 'oom_kill'),
        refusedForks: readCount(pidsDir, 'pids.events', 'max'),
      })
    })
  }
  for (const base of bases) {
    removeAbandoned(path.dirname(base))
    makeBase(base, options, [])
  }
  prove(make)
  for (const base of bases) enter(base, options)
  return cgroupsOf('cgroup-v1', bases, make)
}

/**
 * Version 2: the nearest cgroup, from this process's own upwards, that may have children with limits. One that has
 * processes of its own may not.
 */
function openUnified(options: CgroupOptions): Cgroups | null {
  const hierarchy = unifiedHierarchy()
  if (hierarchy === null) return null
  for (let at = hierarchy.own; isWithin(at, hierarchy.mountPoint); at = path.dirname(at)) {
    const found = tryOpen(() => openUnifiedAt(at, options))
    if (found !== null) return found
  }
  return null
}

function openUnifiedAt(at: string, options: CgroupOptions): Cgroups | null {
  enableControllers(at)
  const base = path.join(at, baseName(options))
  removeAbandoned(at)
  makeBase(base, options, ['cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads'])
  const make = (limits: Pick<Limits, 'memoryBytes' | 'maxProcesses'>): CommandCgroup => {
    const dir = path.join(base, newName())
    return makeIn([dir], () => {
      set(dir, 'memory.max', limits.memoryBytes)
      set(dir, 'memory.oom.group', 1)
      if (existsSync(path.join(dir, 'memory.swap.max'))) set(dir, 'memory.swap.max', 0)
      set(dir, 'pids.max', limits.maxProcesses)
      return () => ({
        oomKills: readCount(dir, 'memory.events', 'oom_kill'),
        refusedForks: readCount(dir, 'pids.events', 'max'),
      })
    })
  }
  try {
    enableControllers(base)
    prove(make)
    enter(base, options)
  } catch (error) {
    removeQuietly(base)
    throw error
  }
  return cgroupsOf('cgroup-v2', [base], make)
}

function enableControllers(dir: string): void {
  const enabled = readFileSync(path.join(dir, 'cgroup.subtree_control'), 'utf8').trim().split(' ')
  if (enabled.includes('memory') && enabled.includes('pids')) return
  set(dir, 'cgroup.subtree_control', '+memory +pids')
}

function makeBase(base: string, { owner }: CgroupOptions, files: readonly string[]): void {
  if (!existsSync(base)) mkdirSync(base)
  if (owner === undefined) return
  for (const each of [base, ...files.map((file) => path.join(base, file))]) chownSync(each, owner.uid, owner.gid)
}

/** Puts this process into its place: below the base it may move its children, and the base is known to be somebody's. */
function enter(base: string, { staysOutside }: CgroupOptions): void {
  if (staysOutside) return
  const runner = path.join(base, RUNNER)
  if (!existsSync(runner)) mkdirSync(runner)
  set(runner, 'cgroup.procs', process.pid)
}

/** Removes the bases of runners that are gone, of any home; a young one may just be entered. */
function removeAbandoned(parent: string): void {
  for (const name of childrenOf(parent)) {
    const base = path.join(parent, name)
    if (!name.startsWith(PREFIX) || !isAbandoned(base)) continue
    for (const child of [...childrenOf(base), RUNNER]) {
      killIn(path.join(base, child))
      removeQuietly(path.join(base, child))
    }
    // With a process that is just ending it stays for whoever looks next.
    removeQuietly(base)
  }
}

function isAbandoned(base: string): boolean {
  try {
    if (Date.now() - statSync(base).mtimeMs < YOUNG_MS) return false
    const procs = path.join(base, RUNNER, 'cgroup.procs')
    return !existsSync(procs) || readFileSync(procs, 'utf8').trim() === ''
  } catch {
    return false // it is gone
  }
}

/** Makes one with ordinary limits and removes it: what cannot be had is found out now and not at the first command. */
function prove(make: Cgroups['make']): void {
  const { procsFiles } = make({ memoryBytes: 64 * 1024 * 1024, maxProcesses: 8 })
  for (const file of procsFiles) rmdirSync(path.dirname(file))
}

function newName(): string {
  return randomBytes(9).toString('hex')
}

function makeIn(dirs: readonly string[], limit: () => () => CgroupEvents): CommandCgroup {
  const made: string[] = []
  try {
    for (const dir of dirs) {
      mkdirSync(dir)
      made.push(dir)
    }
    const events = limit()
    return {
      procsFiles: dirs.map((dir) => path.join(dir, 'cgroup.procs')),
      events,
      remove: () => emptyAndRemove(dirs),
    }
  } catch (error) {
    for (const dir of made) removeQuietly(dir)
    throw error
  }
}

function cgroupsOf(keeper: Cgroups['keeper'], bases: readonly string[], make: Cgroups['make']): Cgroups {
  return {
    keeper,
    make,
    async sweep() {
      const left = bases.flatMap((base) => childrenOf(base).map((name) => path.join(base, name)))
      await Promise.all(left.map((dir) => emptyAndRemove([dir])))
    },
    close() {
      for (const base of bases) {
        for (const name of [...childrenOf(base), RUNNER]) removeQuietly(path.join(base, name))
        removeQuietly(base)
      }
    },
  }
}

/** The cgroups below one; the runner's own of version 2 is not among them. */
function childrenOf(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== RUNNER)
      .map((entry) => entry.name)
  } catch {
    return [] // it is gone
  }
}

async function emptyAndRemove(dirs: readonly string[]): Promise<void> {
  for (const dir of dirs) {
    for (let tries = 0; tries < REMOVE_TRIES && existsSync(dir); tries++) {
      killIn(dir)
      if (removeQuietly(dir)) break
      await sleep(REMOVE_PAUSE_MS)
    }
  }
}

function killIn(dir: string): void {
  let pids: string[]
  try {
    pids = readFileSync(path.join(dir, 'cgroup.procs'), 'utf8').split('\n')
  } catch {
    return // it is gone
  }
  for (const pid of pids) {
    // 0 is a process that this namespace does not see.
    if (!/^[1-9]\d*$/.test(pid) || Number(pid) === process.pid) continue
    try {
      process.kill(Number(pid), 'SIGKILL')
    } catch {
      // ESRCH: it has ended in between.
    }
  }
}

function removeQuietly(dir: string): boolean {
  try {
    rmdirSync(dir)
    return true
  } catch {
    // EBUSY: processes of it are just ending; ENOENT: gone. The caller or the next runner's sweep tries again.
    return !existsSync(dir)
  }
}

function set(dir: string, file: string, value: string | number): void {
  writeFileSync(path.join(dir, file), String(value))
}

/** The number after a word in one of the kernel's `word number` files; 0 when it does not say. */
function readCount(dir: string, file: string, word: string): number {
  try {
    const text = readFileSync(path.join(dir, file), 'latin1')
    return Number(new RegExp(`^${word} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
  } catch {
    return 0 // removed already, or a kernel that does not count this
  }
}

function isWithin(dir: string, mountPoint: string): boolean {
  return dir === mountPoint || dir.startsWith(`${mountPoint}/`)
}

function legacyHierarchy(controller: string): Hierarchy | null {
  const own = ownPaths().find((line) => line.controllers.includes(controller))
  const mount = mounts('cgroup').find((each) => each.options.includes(controller))
  return own === undefined || mount === undefined ? null : hierarchyOf(mount, own.path)
}

function unifiedHierarchy(): Hierarchy | null {
  const own = ownPaths().find((line) => line.id === '0' && line.controllers.length === 0)
  const [mount] = mounts('cgroup2')
  return own === undefined || mount === undefined ? null : hierarchyOf(mount, own.path)
}

function hierarchyOf({ root, mountPoint }: CgroupMount, own: string): Hierarchy {
  const below = root === '/' ? own : own.startsWith(`${root}/`) ? own.slice(root.length) : '/'
  return { mountPoint, own: path.join(mountPoint, below).replace(/\/$/, '') }
}

interface CgroupMount {
  readonly root: string
  readonly mountPoint: string
  readonly options: readonly string[]
}

/** `id parent major:minor root mountPoint options … - type source superOptions` */
function mounts(type: string): CgroupMount[] {
  const found: CgroupMount[] = []
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    const [, , , root, mountPoint] = before.split(' ')
    const [fsType, , options = ''] = after.split(' ')
    if (fsType !== type || root === undefined || mountPoint === undefined) continue
    found.push({ root, mountPoint, options: options.split(',') })
  }
  return found
}

/** `id:controllers:path` */
function ownPaths(): { readonly id: string; readonly controllers: readonly string[]; readonly path: string }[] {
  return readFileSync('/proc/self/cgroup', 'utf8')
    .trim()
    .split('\n')
    .map((line) => {
      const [id = '', controllers = '', ...rest] = line.split(':')
      return { id, controllers: controllers.split(',').filter((each) => each !== ''), path: rest.join(':') }
    })
}
