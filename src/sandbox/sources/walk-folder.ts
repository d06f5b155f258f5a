/**
 * A directory of the host as a stream of entries: links as links, names as bytes, modes, empty directories. It is opened
 * step by step through descriptors, so a link that somebody puts in the way leads nowhere.
 */

import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, open, opendir, readlink } from 'node:fs/promises'
import type { WorkspaceEntry } from '../types.ts'
import { createFolderFilter, type FolderFilter } from './folder-filter.ts'
import { refusedSource } from './refused-source.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants
/** A piece of a file, the most that is in memory at once. */
const CHUNK_BYTES = 1024 * 1024
const MAX_DEPTH = 100
/** How much of a path a sentence shows. */
const MAX_SHOWN_BYTES = 200
/** Files of git that may be taken over otherwise than they are, by the end of their path. */
const LOOKED_AT = /(?:^|\/)(?:config|config\.worktree|\.git)$/

/** What was left out, in sentences that each name a path or a number; grows while the entries are read. */
export interface FolderNotes {
  readonly notes: readonly string[]
}

/**
 * Yields what is in `root`, a real path, each directory before what lies in it. Left out and noted: what an install brings
 * again, devices, sockets, pipes and what this process may not read. Throws `project_source_failed` for a repository that
 * works only where it is (a worktree, borrowed objects) and when `root` cannot be read.
 */
export async function walkFolder(root: string): Promise<FolderNotes & { entries: AsyncGenerator<WorkspaceEntry> }> {
  const leftOut = await createFolderFilter(root)
  return { notes: leftOut.notes, entries: walk(root, leftOut) }
}

/** The same for a workspace, without its history and what the server keeps there: what a person would pack up. */
export async function walkForArchive(root: string): Promise<AsyncGenerator<WorkspaceEntry>> {
  return walk(root, await createFolderFilter(root, { isOwn: true }))
}

/** The same for a workspace, all of it: only what is no file, directory or link is left out. */
export function walkAll(root: string): AsyncGenerator<WorkspaceEntry> {
  return walk(root, NOTHING_LEFT_OUT)
}

const NOTHING_LEFT_OUT: FolderFilter = {
  notes: [],
  isLeftOut: () => Promise.resolve(false),
  special: () => undefined,
  taken: () => undefined,
  unreadable: () => undefined,
  isOwn: () => false,
  asTaken: (_path, text) => text,
}

async function* walk(root: string, leftOut: FolderFilter): AsyncGenerator<WorkspaceEntry> {
  const handle = await open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  try {
    yield* walkDirectory(handle, '', 0, leftOut)
  } finally {
    await handle.close()
  }
}

async function* walkDirectory(
  handle: FileHandle,
  name: string,
  depth: number,
  leftOut: FolderFilter,
): AsyncGenerator<WorkspaceEntry> {
  if (depth > MAX_DEPTH) {
    const shown = Buffer.from(name.slice(0, MAX_SHOWN_BYTES), 'latin1').toString()
    const way = 'leave that directory out of the folder, or move it further up'
    throw refusedSource(`The folder is deeper than ${MAX_DEPTH} directories, ${way}: ${shown}…`)
  }
  const self = `/proc/self/fd/${handle.fd}`
  const directories: string[] = []
  for await (const child of namesIn(self)) {
    const path = name === '' ? child : `${name}/${child}`
    const at = Buffer.from(`${self}/${child}`, 'latin1')
    // A directory may be read and not entered, and a command may take away meanwhile what was just read.
    const info = await lookOr(lstat(at), () => leftOut.unreadable(path))
    if (info === null) continue
    if (info.isDirectory()) directories.push(child)
    else if (leftOut.isOwn(path)) continue
    else if (info.isSymbolicLink()) {
      const target = await lookOr(readlink(at, { encoding: 'buffer' }), () => leftOut.unreadable(path))
      if (target !== null) yield { kind: 'symlink', path: bytes(path), target }
    } else if (!info.isFile()) leftOut.special(path)
    else yield* regularFile(at, path, leftOut)
  }
  for (const child of directories) {
    const path = name === '' ? child : `${name}/${child}`
    const at = Buffer.from(`${self}/${child}`, 'latin1')
    if (await leftOut.isLeftOut(path, child, at, self)) continue
    const opened = await lookOr(open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), () => leftOut.unreadable(path))
    if (opened === null) continue
    try {
      const info = await opened.stat()
      leftOut.taken(path, info)
      yield { kind: 'directory', path: bytes(path), mode: info.mode & 0o777 }
      yield* walkDirectory(opened, path, depth + 1, leftOut)
    } finally {
      await opened.close()
    }
  }
}

async function* namesIn(directory: string): AsyncGenerator<string> {
  const names = await opendir(directory, { encoding: 'latin1' })
  for await (const entry of names) yield entry.name
}

async function* regularFile(at: Buffer, path: string, leftOut: FolderFilter): AsyncGenerator<WorkspaceEntry> {
  const file = await lookOr(open(at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK), () => leftOut.unreadable(path))
  if (file === null) return
  try {
    const info: Stats = await file.stat()
    if (!info.isFile()) return leftOut.special(path)
    leftOut.taken(path, info)
    const { size: sizeBytes, mtimeMs } = info
    yield {
      kind: 'file',
      path: bytes(path),
      mode: info.mode & 0o777,
      sizeBytes,
      mtimeMs,
      data: contentOf(file, path, leftOut),
    }
  } finally {
    await file.close()
  }
}

async function* contentOf(file: FileHandle, path: string, leftOut: FolderFilter): AsyncGenerator<Uint8Array> {
  const { size } = await file.stat()
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size + 1))
  for (let position = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
    if (bytesRead === 0) return
    const piece = buffer.subarray(0, bytesRead)
    // What does not fit into one piece is none of the small files that are looked at.
    const isLookedAt = position === 0 && LOOKED_AT.test(path)
    position += bytesRead
    yield isLookedAt ? Buffer.from(leftOut.asTaken(path, piece.toString('latin1')), 'latin1') : piece
  }
}

/** What says that somebody changed it under our hands; EINVAL: what was a link is none any more. */
const GONE = new Set(['ENOENT', 'ELOOP', 'ENOTDIR', 'ENXIO', 'EINVAL'])

/** Null when it is gone meanwhile (a copy is of one moment or another) or not ours to look at, which `onRefused` is told. */
async function lookOr<T>(asked: Promise<T>, onRefused: () => void): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'EACCES' || code === 'EPERM') onRefused()
    else if (!GONE.has(code)) throw error
    return null
  }
}

function bytes(path: string): Buffer {
  return Buffer.from(path, 'latin1')
}
