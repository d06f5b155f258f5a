/** What the git repositories of a workspace track, read from their index files, which a project may have written itself. */

import { closeSync, constants, openSync, readSync } from 'node:fs'
import { type ByteName, ifPossible } from './descriptors.ts'
import { RACY_MS } from './snapshot-listing.ts'
import { MAX_INDEX_BYTES, readTrackedOutput, type TrackedOutput } from './tracked-output.ts'
import type { VisitedDirectory } from './visited-directory.ts'

/** A repository that the walk is in: what it tracks of directories that are usually left out. */
export interface TrackedRepository {
  readonly at: ByteName
  readonly tracked: TrackedOutput
}

/** A workspace’s path as the repository names it. */
export function pathInRepository({ at }: TrackedRepository, path: ByteName): ByteName {
  return at === '' ? path : path.slice(at.length + 1)
}

/** What the repository of this directory tracks; null when its `.git` is no directory with an index that can be read. */
export function readRepository(here: VisitedDirectory, at: ByteName): TrackedRepository | null {
  const git = here.child('.git')
  try {
    const stat = git.stat('index')
    if (stat === null || !stat.isFile() || stat.size > MAX_INDEX_BYTES) return null
    const key = `${stat.ino}.${stat.size}.${stat.mtimeMs}.${stat.ctimeMs}`
    const known = indexes.get(key)
    if (known !== undefined) return { at, tracked: known }
    const handle = git.open()?.handle
    const data = handle === undefined ? null : ifPossible(() => readWhole(`${handle}/index`, stat.size))
    const readBeside = (name: string): Buffer | null => {
      const base = git.stat(name)
      if (base === null || !base.isFile() || base.size > MAX_INDEX_BYTES) return null
      return ifPossible(() => readWhole(`${handle}/${name}`, base.size))
    }
    const tracked = data === null ? null : readTrackedOutput(data, readBeside)
    if (tracked === null) return null
    if (stat.ctimeMs + RACY_MS < Date.now()) rememberIndex(key, tracked)
    return { at, tracked }
  } finally {
    git.close()
  }
}

/** Indexes that were read lately, by the numbers of their file. */
const indexes = new Map<string, TrackedOutput>()
const MAX_INDEXES = 32

function rememberIndex(key: string, tracked: TrackedOutput): void {
  const [oldest] = indexes.keys()
  if (indexes.size >= MAX_INDEXES && oldest !== undefined) indexes.delete(oldest)
  indexes.set(key, tracked)
}

function readWhole(file: string, sizeBytes: number): Buffer {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const data = Buffer.alloc(sizeBytes)
    return data.subarray(0, readSync(fd, data, 0, sizeBytes, 0))
  } finally {
    closeSync(fd)
  }
}
