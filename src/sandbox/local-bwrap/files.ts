import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
} from 'node:fs'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import type { FileSlice, FileStat } from '../types.ts'
import { kindOf, openOrMakeDirectory, openPath, parentOf } from './confined.ts'
import { type OpenDirectory, openChild, openRoot, readNames, statChild } from './descriptors.ts'
import { giveToOwnerOf } from './ownership.ts'
import { readPart, writeAll } from './small-files.ts'

/** Largest part of a file that one `read` returns when the caller says nothing. */
const DEFAULT_READ_BYTES = 16 * 1024 * 1024
const MAX_MEASURED_DEPTH = 256
/** Directory entries looked at between two breaths of the event loop. */
const ENTRIES_PER_BREATH = 500

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants

/** Lets the event loop serve others; awaited by walks between two pieces of their work. */
export const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The places of one workspace; both are real paths on the same file system. */
export interface WorkspacePlace {
  readonly workspace: string
  readonly staging: string
  /** Asked before each change: throws `lease_lost` when whoever makes it was replaced. */
  check?(): void
}

/**
 * Reads a regular file, or the part `offset`/`length` of it. `sha256` is there when the whole file was read. Throws
 * `sandbox_bad_request` when there is no such file, when it is not a regular one or leads outside.
 */
export async function readFileSlice(
  place: WorkspacePlace,
  relative: string,
  options: { offset?: number; length?: number; maxBytes?: number } = {},
): Promise<FileSlice> {
  const found = openPath(place.workspace, relative)
  if (found === null) throw new AppError('sandbox_bad_request', `there is no file ${relative}`)
  try {
    if (found.stat.isDirectory()) throw new AppError('sandbox_bad_request', `${relative} is a directory`)
    if (!found.stat.isFile()) throw new AppError('sandbox_bad_request', `${relative} is not a regular file`)
    // Opens the very object that was checked, so it is a regular file still.
    const fd = openSync(found.handle, O_RDONLY | O_NONBLOCK)
    try {
      return await readSlice(fd, options)
    } finally {
      closeSync(fd)
    }
  } finally {
    found.close()
  }
}

async function readSlice(
  fd: number,
  options: { offset?: number; length?: number; maxBytes?: number },
): Promise<FileSlice> {
  const sizeBytes = fstatSync(fd).size
  const offset = Math.max(0, options.offset ?? 0)
  const wanted = Math.min(options.length ?? Number.MAX_SAFE_INTEGER, options.maxBytes ?? DEFAULT_READ_BYTES)
  const read = await readPart(fd, offset, Math.max(0, Math.min(wanted, sizeBytes - offset)))
  if (offset > 0 || read.length < sizeBytes) return { data: read, sizeBytes }
  return { data: read, sizeBytes, sha256: createHash('sha256').update(read).digest('hex') }
}

/**
 * Replaces or makes a file in one step: written in `staging`, where no command can reach it, then renamed through the
 * checked directory. A symlink that stays inside the workspace is followed to the file it names. The mode of the file that
 * was there is kept unless `mode` says otherwise. Safe to repeat.
 */
export async function writeFileWhole(
  place: WorkspacePlace,
  relative: string,
  data: Uint8Array | string,
  mode?: number,
): Promise<void> {
  const target = writeTarget(place.workspace, relative)
  place.check?.()
  const directory = openOrMakeDirectory(place.workspace, parentOf(target.at))
  try {
    const staged = await makeStaged(place, () => stage(place, data, mode ?? target.mode ?? 0o644))
    try {
      renameSync(staged, `${directory.handle}/${path.posix.basename(target.at)}`)
    } catch (error) {
      rmSync(staged, { force: true })
      place.check?.()
      throw new AppError('sandbox_bad_request', `${relative} cannot be written`, { cause: error })
    }
  } finally {
    directory.close()
  }
}

async function stage(place: WorkspacePlace, data: Uint8Array | string, mode: number): Promise<string> {
  const staged = path.join(place.staging, randomBytes(9).toString('hex'))
  const fd = openSync(staged, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600)
  try {
    await writeAll(fd, data)
    // After creation, since the mode of `open` is cut by this process's umask.
    fchmodSync(fd, mode & 0o777)
    giveToOwnerOf(place.workspace, staged)
    return staged
  } finally {
    closeSync(fd)
  }
}

/** Makes something in the staging directory, which is gone for whoever was replaced: `lease_lost` then. */
export async function makeStaged<T>(place: WorkspacePlace, make: () => Promise<T>): Promise<T> {
  try {
    return await make()
  } catch (error) {
    place.check?.()
    throw error
  }
}

/** Where a write to a path really goes, and the mode of what is there. */
function writeTarget(workspace: string, relative: string): { at: string; mode: number | null } {
  if (relative === '') throw new AppError('sandbox_bad_request', 'the workspace itself is a directory')
  const found = openPath(workspace, relative)
  if (found === null) {
    const link = openPath(workspace, relative, true)
    if (link === null) return { at: relative, mode: null }
    link.close()
    throw new AppError('sandbox_bad_request', `${relative} is a link to a file that does not exist in the workspace`)
  }
  found.close()
  if (found.stat.isDirectory()) throw new AppError('sandbox_bad_request', `${relative} is a directory`)
  if (!found.stat.isFile()) throw new AppError('sandbox_bad_request', `${relative} is not a regular file`)
  return { at: found.at, mode: found.stat.mode }
}

/** Kind, size and mode of what is at a path, the link itself when it is one; null when there is nothing. */
export function statPath(place: WorkspacePlace, relative: string): FileStat | null {
  const found = openPath(place.workspace, relative, true)
  if (found === null) return null
  found.close()
  return { kind: kindOf(found.stat), sizeBytes: found.stat.size, mode: found.stat.mode & 0o7777 }
}

/** Removes a file, a link or an empty directory; true when it is gone, false when it is a directory with something in it. */
export function removeOne(place: WorkspacePlace, relative: string): boolean {
  if (relative === '') throw new AppError('sandbox_bad_request', 'the workspace itself cannot be removed')
  const directory = openPath(place.workspace, parentOf(relative))
  if (directory === null) return true
  const name = `${directory.handle}/${path.posix.basename(relative)}`
  try {
    const stat = lstatSync(name, { throwIfNoEntry: false })
    if (stat === undefined) return true
    place.check?.()
    if (stat.isDirectory()) rmdirSync(name)
    else unlinkSync(name)
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code === 'ENOENT') return true
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false
    if (error instanceof AppError) throw error
    throw new AppError('sandbox_bad_request', `${relative} cannot be removed`, { cause: error })
  } finally {
    directory.close()
  }
}

/**
 * Bytes on disk and number of files, hard links once. Never follows links; stops counting at `maxEntries`. What cannot be
 * looked at is not counted.
 */
export async function measureWorkspace(place: WorkspacePlace, maxEntries = 500_000) {
  const total = { sizeBytes: 0, files: 0 }
  const linked = new Set<number>()
  let seen = 0

  const measure = async (directory: OpenDirectory, depth: number): Promise<void> => {
    for (const name of readNames(directory, maxEntries - seen, 'cut') ?? []) {
      if (++seen % ENTRIES_PER_BREATH === 0) await breathe()
      const stat = statChild(directory, name)
      if (stat === null) continue
      if (stat.nlink > 1 && !stat.isDirectory()) {
        if (linked.has(stat.ino)) continue
        linked.add(stat.ino)
      }
      total.sizeBytes += stat.blocks * 512
      if (!stat.isDirectory()) total.files++
      const child = stat.isDirectory() && depth < MAX_MEASURED_DEPTH ? openChild(directory, name) : null
      if (child === null) continue
      try {
        await measure(child, depth + 1)
      } finally {
        child.close()
      }
    }
  }

  const root = openRoot(place.workspace)
  if (root === null) return total
  try {
    await measure(root, 0)
    return total
  } finally {
    root.close()
  }
}
