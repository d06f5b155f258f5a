import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, type Stats } from 'node:fs'
import type { LeftOutKind } from '../../shared/left-out.ts'
import { type ByteName, ifPossible, isPlain, openRoot, readNames, toFsPath } from './descriptors.ts'
import { directoryMode, fileMode, LINK_MODE } from './entry-mode.ts'
import { breathe } from './files.ts'
import {
  encodePointer,
  type LargeFiles,
  MAX_CHECKPOINT_FILE_BYTES,
  MAX_LARGE_FILE_BYTES,
  MAX_LARGE_TOTAL_BYTES,
} from './large-files.ts'
import { isInstalledFile, leftOutKind, mayBeSource, OWN_DIRECTORY, OWN_FILE_PATHS } from './left-out-rules.ts'
import type { ObjectStore } from './objects.ts'
import { readPart } from './small-files.ts'
import { isSameDirectory, numbersOf, RACY_MS, SnapshotListing } from './snapshot-listing.ts'
import type { StatCache } from './stat-cache.ts'
import { pathInRepository, readRepository, type TrackedRepository } from './tracked-repository.ts'
import { VisitedDirectory } from './visited-directory.ts'

/** Directories below this depth are left out: each level costs an open descriptor. */
export const MAX_TREE_DEPTH = 128
/** A directory with more names is left out whole, so that what a checkpoint holds does not hang on their order. */
export const MAX_NAMES = 50_000
/** Entries of one checkpoint; directories beyond are left out. */
const MAX_ENTRIES = 500_000
/** Left-out places that are told one by one. */
export const MAX_LEFT_OUT = 10_000
const ENTRIES_PER_BREATH = 500
/** Files read between two breaths of the event loop: small ones are read without a wait. */
const READ_FILES_PER_BREATH = 16
/** Below this length a path can be given to the kernel whole, which is quicker than by descriptor. */
const MAX_PLAIN_PATH = 3_000
const GIT_HOOK_SAMPLE = '.sample'

/** A place that a checkpoint does not hold. */
export interface LeftOutPlace {
  readonly path: ByteName
  readonly kind: LeftOutKind
  /** Whether the project's git tracks a file in it, which is in the checkpoint all the same. Takes a whole path. */
  readonly isTracked: (file: ByteName) => boolean
}

/** What one walk of a workspace found; `tree` is stored. */
export interface Snapshot {
  readonly tree: string
  readonly leftOut: readonly LeftOutPlace[]
  /** Directories that look like build output. */
  readonly buildDirectories: readonly ByteName[]
  /** How many files were read because they were new or had changed. */
  readonly readFiles: number
}

/** The workspace, and where its contents are stored. */
export interface SnapshotOptions {
  readonly workspace: string
  readonly store: ObjectStore
  readonly large: LargeFiles
  /** Whether a directory that looks like build output belongs to the project's source. */
  isSource(path: ByteName): boolean
}

/** What changes on the way down. */
interface Place {
  readonly at: ByteName
  readonly depth: number
  readonly repository: TrackedRepository | null
  /** Only what the repository tracks counts: the walk is in a directory that is left out otherwise. */
  readonly isTrackedOnly: boolean
}

/**
 * Stores all files of a workspace and returns their tree: the same files give the same tree, in any process. Walks the
 * workspace as a hostile place (see descriptors.ts); an entry that cannot be had is left out and told, never an error. Files
 * are read again only when inode, size, mtime or ctime moved: ctime cannot be set by a program, so a forged mtime does not
 * hide a change. `cache` is what the last call saw; it is brought up to date. Throws `sandbox_gone`, `sandbox_busy`.
 */
export async function takeSnapshot(options: SnapshotOptions, cache: StatCache): Promise<Snapshot | null> {
  const walk = new Walk(options, cache)
  return await walk.run()
}

class Walk {
  readonly #workspace: string
  readonly #store: ObjectStore
  readonly #large: LargeFiles
  readonly #isSource: (path: ByteName) => boolean
  readonly #cache: StatCache
  readonly #fresh: StatCache = new Map()
  readonly #leftOut: LeftOutPlace[] = []
  readonly #buildDirectories: ByteName[] = []
  #seen = 0
  #largeBytes = 0
  #readFiles = 0

  constructor({ workspace, store, large, isSource }: SnapshotOptions, cache: StatCache) {
    this.#workspace = workspace
    this.#store = store
    this.#large = large
    this.#isSource = isSource
    this.#cache = cache
  }

  async run(): Promise<Snapshot | null> {
    const root = openRoot(this.#workspace)
    if (root === null) return null
    try {
      const place = { at: '', depth: 0, repository: null, isTrackedOnly: false }
      // A workspace that cannot be read at all is an empty one that says so.
      const found = (await this.#directory(new VisitedDirectory(() => root), root.stat, place)) ?? {
        hash: await this.#store.putTree([]),
      }
      this.#cache.clear()
      for (const [at, directory] of this.#fresh) this.#cache.set(at, directory)
      return {
        tree: found.hash,
        leftOut: this.#leftOut,
        buildDirectories: this.#buildDirectories,
        readFiles: this.#readFiles,
      }
    } finally {
      root.close()
    }
  }

  #leaveOut(path: ByteName, kind: LeftOutKind, repository: TrackedRepository | null = null): void {
    if (this.#leftOut.length >= MAX_LEFT_OUT) return
    const isTracked = (file: ByteName) => repository?.tracked.files.has(pathInRepository(repository, file)) ?? false
    this.#leftOut.push({ path, kind, isTracked })
  }

  /** `seen` is what its parent says of the directory, which is opened only when that is not what it was the last time. */
  async #directory(here: VisitedDirectory, seen: Stats, place: Place): Promise<{ hash: string } | null> {
    const { at, depth } = place
    if (this.#seen > MAX_ENTRIES) return this.#skip(at)
    const before = this.#cache.get(at)
    const isAsBefore = before !== undefined && isSameDirectory(numbersOf(seen), before.own)
    const opened = isAsBefore ? null : here.open()
    // Of the directory whose names are read, should another one have taken the place of what its parent saw.
    const own = opened === null ? numbersOf(seen) : numbersOf(opened.stat)
    const names = isAsBefore ? before.names : opened === null ? null : readNames(opened, MAX_NAMES)
    if (names === null || names === 'many') return this.#skip(at)
    const isRepository = !place.isTrackedOnly && names.includes('.git')
    const repository = isRepository ? (readRepository(here, at) ?? place.repository) : place.repository
    const inner: Place = { ...place, repository }
    const listing = new SnapshotListing(names, before)
    const prefix = at === '' ? '' : `${at}/`
    const plain = `${this.#workspace}/${prefix}`
    const base = plain.length < MAX_PLAIN_PATH && typeof toFsPath(plain) === 'string' ? plain : null
    for (let index = 0; index < names.length; index++) {
      const name = names[index] ?? ''
      if (++this.#seen % ENTRIES_PER_BREATH === 0) await breathe()
      const stat = (base === null ? null : quickStat(base, name)) ?? here.stat(name)
      if (stat === null) continue
      if (stat.isDirectory()) {
        const child = await this.#child(here, { name, path: prefix + name, names, stat }, inner, depth)
        if (child !== null) listing.set(index, directoryMode(stat.mode), child, null)
      } else if (this.#counts(name, place) && !keepsKnown(listing, index, stat)) {
        await this.#file(here, { name, path: prefix + name, index }, stat, listing)
      }
    }
    if (at !== '' && listing.isEmpty && !isWorthKeeping(names, place)) return null
    const directory = await listing.finish(this.#store, own)
    this.#fresh.set(at, directory)
    return { hash: directory.tree }
  }

  #skip(at: ByteName): null {
    this.#leaveOut(at === '' ? '.' : at, 'unseen')
    return null
  }

  /** Whether a file belongs to the checkpoint, as far as its name says. */
  #counts(name: ByteName, { at, repository, isTrackedOnly }: Place): boolean {
    if (at === OWN_DIRECTORY && OWN_FILE_PATHS.has(`${at}/${name}`)) return false
    if (isTrackedOnly) return repository?.tracked.files.has(pathInRepository(repository, `${at}/${name}`)) ?? false
    const path = at === '' ? name : `${at}/${name}`
    if (isInstalledFile(path)) {
      this.#buildDirectories.push(path)
      const isTracked = repository?.tracked.files.has(pathInRepository(repository, path)) ?? false
      if (isTracked || this.#isSource(path)) return true
      this.#leaveOut(path, 'dependencies', repository)
      return false
    }
    return !(name.endsWith(GIT_HOOK_SAMPLE) && isHooks(at))
  }

  /** A directory's tree; null when it is left out, or holds nothing that counts. */
  async #child(
    here: VisitedDirectory,
    { name, path, names, stat }: { name: ByteName; path: ByteName; names: readonly ByteName[]; stat: Stats },
    place: Place,
    depth: number,
  ): Promise<string | null> {
    const { repository } = place
    if (name === '.git') return place.isTrackedOnly ? null : await this.#gitDirectory(here, path)
    const kind = place.isTrackedOnly ? null : leftOutKind(path, { has: (sibling) => names.includes(sibling) })
    let isTrackedOnly = place.isTrackedOnly
    if (isTrackedOnly && !repository?.tracked.directories.has(pathInRepository(repository, path))) return null
    if (kind !== null) {
      const isBuild = mayBeSource(path)
      if (isBuild) this.#buildDirectories.push(path)
      const isTracked = repository?.tracked.directories.has(pathInRepository(repository, path)) ?? false
      if (!(isBuild && (isTracked || this.#isSource(path)))) {
        this.#leaveOut(path, kind, repository)
        if (!isTracked) return null
        isTrackedOnly = true
      }
    }
    if (depth >= MAX_TREE_DEPTH) {
      this.#leaveOut(path, 'unseen')
      return null
    }
    const child = here.child(name)
    try {
      const inner = { ...place, at: path, depth: depth + 1, isTrackedOnly }
      return (await this.#directory(child, stat, inner))?.hash ?? null
    } finally {
      child.close()
    }
  }

  /** Of a git directory only what runs or steers programs: its hooks and its configuration. The rest is git's own. */
  async #gitDirectory(here: VisitedDirectory, path: ByteName): Promise<string | null> {
    this.#leaveOut(path, 'git')
    const git = here.child('.git')
    try {
      const names = ['config', 'hooks']
      const listing = new SnapshotListing(names, this.#cache.get(path))
      const config = git.stat('config')
      if (config?.isFile()) await this.#file(git, { name: 'config', path: `${path}/config`, index: 0 }, config, listing)
      const stat = git.stat('hooks')
      if (stat?.isDirectory()) {
        const hooks = git.child('hooks')
        try {
          const place = { at: `${path}/hooks`, depth: MAX_TREE_DEPTH, repository: null, isTrackedOnly: false }
          const found = await this.#directory(hooks, stat, place)
          if (found !== null) listing.set(1, directoryMode(stat.mode), found.hash, null)
        } finally {
          hooks.close()
        }
      }
      if (listing.isEmpty) return null
      const directory = await listing.finish(this.#store, null)
      this.#fresh.set(path, directory)
      return directory.tree
    } finally {
      git.close()
    }
  }

  async #file(
    here: VisitedDirectory,
    { name, path, index }: { name: ByteName; path: ByteName; index: number },
    stat: Stats,
    listing: SnapshotListing,
  ): Promise<void> {
    const isLink = stat.isSymbolicLink()
    if (!isLink && !stat.isFile()) return this.#leaveOut(path, 'unseen')
    const isLarge = !isLink && stat.size > MAX_CHECKPOINT_FILE_BYTES
    if (isLarge && (stat.size > MAX_LARGE_FILE_BYTES || this.#largeBytes + stat.size > MAX_LARGE_TOTAL_BYTES)) {
      return this.#leaveOut(path, 'large')
    }
    if (isLarge) this.#largeBytes += stat.size
    const mode = isLink ? LINK_MODE : fileMode(stat.mode, isLarge)
    const known = listing.knownHash(index, stat)
    if (known !== null) return listing.set(index, mode, known, stat)
    const now = Date.now()
    if (++this.#readFiles % READ_FILES_PER_BREATH === 0) await breathe()
    const handle = here.open()?.handle
    if (handle === undefined) return this.#leaveOut(path, 'unseen')
    const hash = await this.#content(toFsPath(`${handle}/${name}`), isLink, isLarge)
    if (hash === null) return this.#leaveOut(path, 'unseen')
    listing.set(index, mode, hash, stat.ctimeMs + RACY_MS < now ? stat : null)
  }

  async #content(handle: string | Buffer, isLink: boolean, isLarge: boolean): Promise<string | null> {
    if (isLarge) {
      const content = await this.#large.keep(handle)
      return content === null ? null : await this.#store.putBlob(encodePointer(content))
    }
    const data = isLink ? ifPossible(() => readlinkSync(handle, { encoding: 'buffer' })) : await readRegular(handle)
    return data === null ? null : await this.#store.putBlob(data)
  }
}

/** Only looks, so it may be led astray by a rename: what is there then has other numbers and is looked at by descriptor. */
function quickStat(base: string, name: ByteName): Stats | null {
  const path = isPlain(name) ? base + name : toFsPath(base + name)
  return ifPossible(() => lstatSync(path, { throwIfNoEntry: false }) ?? null)
}

/**
 * Takes a file or link that is as it was over from the last time; false when it is to be looked at. Apart from the rest and
 * without a promise, since in most checkpoints nearly every file is one of these.
 */
function keepsKnown(listing: SnapshotListing, index: number, stat: Stats): boolean {
  const isLink = stat.isSymbolicLink()
  if (!isLink && (!stat.isFile() || stat.size > MAX_CHECKPOINT_FILE_BYTES)) return false
  const known = listing.knownHash(index, stat)
  if (known === null || known === '') return false
  listing.set(index, isLink ? LINK_MODE : fileMode(stat.mode, false), known, stat)
  return true
}

function isHooks(at: ByteName): boolean {
  return at === '.git/hooks' || at.endsWith('/.git/hooks')
}

/** An empty directory counts, unless it only looks empty because all that is in it is left out or ours. */
function isWorthKeeping(names: readonly ByteName[], { at, isTrackedOnly }: Place): boolean {
  if (isTrackedOnly || isHooks(at)) return false
  return names.length === 0 && at !== OWN_DIRECTORY
}

/** Content of a file that was regular a moment ago; null when it is not any more, or has grown too large. */
async function readRegular(handle: string | Buffer): Promise<Buffer | null> {
  let fd: number
  try {
    fd = openSync(handle, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    // Gone, replaced by a link, or unreadable for us.
    return null
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile() || stat.size > MAX_CHECKPOINT_FILE_BYTES) return null
    return await readPart(fd, 0, stat.size)
  } finally {
    closeSync(fd)
  }
}
