/** What of a folder is not taken over, and the sentences that say so. */

import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { lstat, opendir } from 'node:fs/promises'
import { join, posix } from 'node:path'
import { BUILT_NAMES, CACHE_NAMES, DEPENDENCY_NAMES, OWN_FILES, PYTHON_MANIFESTS } from '../../shared/places.ts'
import { readGitIndex } from '../git-index.ts'
import { refusedSource } from './refused-source.ts'
import { shownPath } from './shown-path.ts'

/** At any depth; an install or the next run brings them again. `node_modules` is asked about more closely. */
const REMADE = new Set([...DEPENDENCY_NAMES, ...CACHE_NAMES, ...BUILT_NAMES].filter((name) => name !== 'node_modules'))
/** Build directories with a plain name, told by the manifest beside them. */
const BUILDS: ReadonlyMap<string, readonly string[]> = new Map([
  ['target', ['Cargo.toml', 'pom.xml', 'build.sbt']],
  ['venv', PYTHON_MANIFESTS],
  ['vendor', ['composer.lock']],
])
const LOCKS = ['package-lock.json', 'npm-shrinkwrap.json', 'yarn.lock', 'pnpm-lock.yaml', 'bun.lock', 'bun.lockb']
/** A `node_modules` that nothing describes is copied when it is no larger than this. */
const MAX_UNDESCRIBED = 2_000
const MAX_NOTES = 50
/** Files with several names that are remembered. */
const MAX_LINKED = 10_000
const MAX_MANIFEST_BYTES = 1024 * 1024
const MAX_INDEX_BYTES = 64 * 1024 * 1024
const MAX_TRACKED = 100_000
const WORKTREE =
  'The folder is a git worktree or submodule: its history lies elsewhere. Use the main working tree, or clone it first.'
const BORROWED =
  'The repository borrows objects from another one (objects/info/alternates); run "git repack -a -d" and remove that file first.'

/** What is left out of a host folder while it is copied, and the sentences that say so. */
export interface FolderFilter {
  readonly notes: readonly string[]
  /** Whether a directory is not walked. `at` is a path to it, `beside` one to the directory that holds it. */
  isLeftOut(path: string, name: string, at: Buffer, beside: string): Promise<boolean>
  /** Whether it is one of the server's own files, which nobody is told of. */
  isOwn(path: string): boolean
  special(path: string): void
  /** Told of each file and directory that is taken over, for what of it cannot be: further bits, and that it is one with another. */
  taken(path: string, info: Stats): void
  unreadable(path: string): void
  /**
   * The beginning of a file as it is taken over: a repository's configuration, here or in a submodule, without what may be a
   * secret. A link to a history that is not in the folder is noted. `text` holds one character a byte.
   */
  asTaken(path: string, text: string): string
}

/**
 * Looks at the root alone. `isOwn`: it is a workspace of ours to be packed up, without `.git` and our own files. Otherwise
 * throws `project_source_failed` for a repository that works only where it is.
 */
export async function createFolderFilter(root: string, { isOwn = false } = {}): Promise<FolderFilter> {
  if (!isOwn) await refuseBoundRepository(root)
  const notes: string[] = []
  const note = (sentence: string): void => {
    if (notes.length < MAX_NOTES) notes.push(sentence)
    else if (notes.length === MAX_NOTES) notes.push('More was left out than is listed here.')
  }
  const tracked = trackedPlaces(root, note)
  const linked = new Map<string, string>()
  const told = { bits: false, links: false }

  return {
    notes,
    isOwn: (path) => isOwn && (OWN_FILES.includes(path) || path === '.git'),
    async isLeftOut(path, name, at, beside) {
      if (isOwn && path === '.git') return true
      if (tracked.has(path) || path === '.git' || path.startsWith('.git/')) return false
      const why = await whyLeftOut(name, at, beside)
      if (why !== null) note(`${shownPath(path)}: not taken over, ${why}.`)
      return why !== null
    },
    special: (path) => note(`${shownPath(path)}: not taken over, it is a device, a socket or a pipe.`),
    taken(path, info) {
      if (!told.bits && (info.mode & 0o7000) !== 0) {
        told.bits = true
        note(`${shownPath(path)}: taken over without its set-uid, set-gid or sticky bit, as is whatever else has one.`)
      }
      if (told.links || info.nlink < 2 || !info.isFile() || path.startsWith('.git/')) return
      const file = `${info.dev}:${info.ino}`
      const other = linked.get(file)
      if (other === undefined) {
        if (linked.size < MAX_LINKED) linked.set(file, path)
        return
      }
      told.links = true
      note(
        `${shownPath(path)}: a copy now, where it was one file with ${shownPath(other)}, as is whatever else is a hard link.`,
      )
    },
    unreadable: (path) => note(`${shownPath(path)}: not taken over, it cannot be read by this service.`),
    asTaken(path, text) {
      if (leadsAway(path, text))
        note(
          `${shownPath(path.slice(0, -'/.git'.length))}: taken over as files alone, it is a git worktree or submodule whose history lies elsewhere.`,
        )
      if (!GIT_CONFIG.test(path)) return text
      const clean = withoutSecrets(text)
      if (clean !== text) note(`${shownPath(path)}: taken over without the credentials in it.`)
      return clean
    },
  }
}

/** Of the folder's repository, of one below it, of their submodules and worktrees, and of bare ones by the usual name. */
const GIT_CONFIG = /(?:^|\/)(?:\.git|[^/]+\.git)\/(?:(?:modules|worktrees)\/.+\/)?config(?:\.worktree)?$/

/** Whether a `.git` below the root is a file that names a place outside of the folder, or by a path of this host. */
function leadsAway(path: string, text: string): boolean {
  const target = path.endsWith('/.git') ? /^gitdir:[ \t]*([^\n]+)/.exec(text)?.[1] : undefined
  if (target === undefined) return false
  return posix.isAbsolute(target) || posix.join(posix.dirname(path), target).startsWith('../')
}

/** Throws `project_source_failed` when the folder's repository needs files that lie outside it. */
export async function refuseBoundRepository(root: string): Promise<void> {
  const git = await kindOf(join(root, '.git'))
  if (git === 'file') throw refusedSource(WORKTREE)
  if (git !== 'directory') return
  if ((await kindOf(join(root, '.git/commondir'))) !== null) throw refusedSource(WORKTREE)
  if ((await kindOf(join(root, '.git/objects/info/alternates'))) === null) return
  throw refusedSource(BORROWED)
}

async function kindOf(path: string): Promise<'file' | 'directory' | 'other' | null> {
  try {
    const info = await lstat(path)
    return info.isFile() ? 'file' : info.isDirectory() ? 'directory' : 'other'
  } catch {
    // Missing or not ours to see: the walk will say so.
    return null
  }
}

/** Directories that hold something tracked, as far as their name could be left out. */
function trackedPlaces(root: string, note: (sentence: string) => void): Set<string> {
  const places = new Set<string>()
  const data = readPlain(join(root, '.git/index'), MAX_INDEX_BYTES)
  // A repository without an index tracks nothing yet.
  if (data === null) return places
  const index = readGitIndex(data, {
    isWanted: (name) => name.split('/').slice(0, -1).some(mayBeLeftOut),
    maxWanted: MAX_TRACKED,
    readBeside: (name) => readPlain(join(root, '.git', name), MAX_INDEX_BYTES),
  })
  if (!index.ok) {
    note(`.git/index: it ${index.reason}, so what tools make again was left out whether or not git tracks it.`)
    return places
  }
  for (const path of index.names) {
    const parts = path.split('/')
    for (let i = 0; i < parts.length - 1; i++)
      if (mayBeLeftOut(parts[i] ?? '')) places.add(parts.slice(0, i + 1).join('/'))
  }
  return places
}

function mayBeLeftOut(name: string): boolean {
  return name === 'node_modules' || REMADE.has(name) || BUILDS.has(name)
}

async function whyLeftOut(name: string, at: Buffer, beside: string): Promise<string | null> {
  if (REMADE.has(name)) return 'tools make it again'
  const manifests = BUILDS.get(name)
  if (manifests !== undefined) {
    for (const each of manifests)
      if ((await kindOf(join(beside, each))) !== null) return 'a build or an install makes it again'
    return null
  }
  if (name !== 'node_modules') return null
  if (await isDescribed(beside)) return 'an install brings it again'
  return (await isLargerThan(at, MAX_UNDESCRIBED)) ? `it holds more than ${MAX_UNDESCRIBED} files` : null
}

/** Whether an install would bring the dependencies again: a lock file, or a manifest that names some. */
async function isDescribed(directory: string): Promise<boolean> {
  for (const lock of LOCKS) if ((await kindOf(join(directory, lock))) !== null) return true
  const text = readPlain(join(directory, 'package.json'), MAX_MANIFEST_BYTES)?.toString() ?? ''
  return /"(dependencies|devDependencies|optionalDependencies)"\s*:\s*\{\s*"/.test(text)
}

async function isLargerThan(directory: Buffer, limit: number): Promise<boolean> {
  let seen = 0
  const pending = [directory]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for await (const entry of await opendir(next, { encoding: 'latin1' })) {
      if (++seen > limit) return true
      if (entry.isDirectory()) pending.push(Buffer.concat([next, Buffer.from(`/${entry.name}`, 'latin1')]))
    }
  }
  return false
}

/**
 * A file's content; null when it is not a plain file of at most `maxBytes`. A link, a pipe or a device is not opened for
 * reading: a command may have put it there, and it could end elsewhere, never, or not at all.
 */
function readPlain(path: string, maxBytes: number): Buffer | null {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    // No such file, or not ours to read: it says nothing.
    return null
  }
  try {
    const info = fstatSync(fd)
    if (!info.isFile() || info.size > maxBytes) return null
    const data = Buffer.alloc(info.size)
    return data.subarray(0, readSync(fd, data, 0, data.length, 0))
  } finally {
    closeSync(fd)
  }
}

/** Without user names and passwords in addresses, and without headers that carry tokens. Pure. */
function withoutSecrets(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/)[^/\s"@]*@/gi, '$1')
    .replace(/^[ \t]*extraheader[ \t]*=.*(\r?\n|$)/gim, '')
}
