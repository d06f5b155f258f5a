import { type BigIntStats, constants, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { openExactDirectory } from './confined.ts'
import { breathe } from './files.ts'
import type { ObjectStore, TreeEntry, TreeMode } from './objects.ts'

/** Larger files are left out of checkpoints: they are data or build output, and diffs of them help nobody. */
export const MAX_CHECKPOINT_FILE_BYTES = 2n * 1024n * 1024n
const MAX_DEPTH = 64
const ENTRIES_PER_BREATH = 500
/** A file that changed this shortly before it was read may change again within the same tick of the file clock. */
const RACY_MS = 100n

/** Never part of a checkpoint, wherever they lie: what git, package managers and tools make again by themselves. */
const IGNORED_NAMES = new Set(
  (
    '.git node_modules .venv __pycache__ .next .nuxt .svelte-kit .turbo .parcel-cache ' +
    '.pytest_cache .mypy_cache .ruff_cache .tox .nox .gradle .terraform .cache .nyc_output'
  ).split(' '),
)

/** Build output by convention, but also plain words: ignored only beside the manifest of a tool that makes them. */
const BUILD_NAMES = new Set(['dist', 'build', 'target', 'out', 'coverage', 'venv'])
const MANIFESTS = (
  'package.json pyproject.toml setup.py requirements.txt Cargo.toml pom.xml build.gradle ' +
  'build.gradle.kts CMakeLists.txt build.sbt'
).split(' ')

/** Files that the server itself keeps in the workspace. */
const OWN_FILES = new Set(['.claude/project-context.md', '.claude/memory.md'])

/** Whether a directory is left out of checkpoints, and so of diffs and restores. Pure. */
export function isIgnoredDirectory(name: string, siblings: ReadonlySet<string>): boolean {
  if (IGNORED_NAMES.has(name)) return true
  return BUILD_NAMES.has(name) && MANIFESTS.some((manifest) => siblings.has(manifest))
}

interface Cached {
  readonly key: string
  readonly hash: string
}

export interface Snapshotter {
  /** Stores all files and returns the hash of their tree. The same files give the same hash, in any process. */
  take(): Promise<string>
}

/**
 * Walks the workspace as a hostile place (see confined.ts) and stores what it finds. Files are read again only when inode,
 * size, mtime or ctime moved: ctime cannot be set by a program, so a forged mtime does not hide a change. Not reentrant.
 */
export function createSnapshotter(workspace: string, store: ObjectStore): Snapshotter {
  let cache = new Map<string, Cached>()

  const take = async (): Promise<string> => {
    const fresh = new Map<string, Cached>()
    const walk = { seen: 0 }

    const directory = async (at: string, depth: number): Promise<string | null> => {
      const opened = openExactDirectory(workspace, Buffer.from(at, 'latin1').toString())
      if (opened === null) return null
      const entries: TreeEntry[] = []
      try {
        const names = readdirSync(opened.handle, { encoding: 'latin1' })
        const siblings = new Set(names)
        for (const name of names) {
          if (++walk.seen % ENTRIES_PER_BREATH === 0) await breathe()
          const handle = Buffer.from(`${opened.handle}/${name}`, 'latin1')
          const stat = lstatSync(handle, { bigint: true, throwIfNoEntry: false })
          if (stat === undefined) continue
          const filePath = at === '' ? name : `${at}/${name}`
          if (stat.isDirectory()) {
            if (depth >= MAX_DEPTH || isIgnoredDirectory(name, siblings)) continue
            const hash = await directory(filePath, depth + 1)
            if (hash !== null) entries.push({ mode: '40000', name, hash })
          } else if (!OWN_FILES.has(filePath) && !(name === '.git')) {
            const entry = await file(handle, filePath, name, stat)
            if (entry !== null) entries.push(entry)
          }
        }
      } finally {
        opened.close()
      }
      // Git has no empty directories, except the workspace itself.
      return entries.length === 0 && at !== '' ? null : await store.putTree(entries)
    }

    const file = async (handle: Buffer, at: string, name: string, stat: BigIntStats): Promise<TreeEntry | null> => {
      const isLink = stat.isSymbolicLink()
      if (!isLink && !stat.isFile()) return null
      if (stat.size > MAX_CHECKPOINT_FILE_BYTES) return null
      const mode: TreeMode = isLink ? '120000' : (stat.mode & 0o100n) !== 0n ? '100755' : '100644'
      const key = `${stat.ino}.${stat.size}.${stat.mtimeNs}.${stat.ctimeNs}`
      const known = cache.get(at)
      if (known?.key === key) {
        fresh.set(at, known)
        return { mode, name, hash: known.hash }
      }
      const now = BigInt(Date.now())
      const data = isLink ? readLink(handle) : await readRegular(handle)
      if (data === null) return null
      const hash = await store.putBlob(data)
      if (stat.ctimeMs + RACY_MS < now) fresh.set(at, { key, hash })
      return { mode, name, hash }
    }

    const root = await directory('', 0)
    if (root === null) throw new Error('the workspace cannot be opened')
    cache = fresh
    return root
  }

  return { take }
}

function readLink(handle: Buffer): Buffer | null {
  try {
    return readlinkSync(handle, { encoding: 'buffer' })
  } catch {
    // Replaced since it was listed; the next checkpoint sees what came instead.
    return null
  }
}

/** Content of a file that was regular a moment ago; null when it is not any more, or has grown too large. */
async function readRegular(handle: Buffer): Promise<Buffer | null> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(handle, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    // Gone, replaced by a link, or unreadable for us.
    return null
  }
  try {
    const stat = await file.stat({ bigint: true })
    if (!stat.isFile() || stat.size > MAX_CHECKPOINT_FILE_BYTES) return null
    const data = Buffer.alloc(Number(stat.size))
    const { bytesRead } = await file.read(data, 0, data.length, 0)
    return data.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
