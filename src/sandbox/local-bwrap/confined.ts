/**
 * Paths of a workspace that hostile code may be rearranging while we look. Everything here follows one rule: open first,
 * then ask the kernel what was opened (/proc/self/fd/N), and act only through that descriptor. A symlink, a `..` or a
 * rename in between can make a call fail, never make it touch anything outside the workspace. O_PATH opens nothing, so
 * fifos cannot block and devices cannot notice. Linux only, since it needs /proc.
 */

import { chmodSync, closeSync, constants, fstatSync, mkdirSync, openSync, readlinkSync, type Stats } from 'node:fs'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { giveToOwnerOf } from './ownership.ts'

/** Not exported by Node; the value is the same on x64 and arm64. */
export const O_PATH = 0o10000000
const { O_DIRECTORY, O_NOFOLLOW } = constants

/** Longest path that a caller may name. */
const MAX_PATH_BYTES = 4000
/** Of a file in a checkpoint: those are reached from directory to directory, so the kernel's limit is none. */
export const MAX_TREE_PATH_BYTES = 64 * 1024

function refuse(message: string, cause?: unknown): never {
  throw new AppError('sandbox_bad_request', message, { cause })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/**
 * Turns a caller's path into one relative to the workspace without `.` and `..` (`''` is the workspace itself). A path
 * under /workspace, as commands print it, is taken too. Throws `sandbox_bad_request`. Pure.
 */
export function relativePath(given: string, root: string, maxBytes = MAX_PATH_BYTES): string {
  if (given.includes('\0')) refuse('a path cannot hold a NUL character')
  if (Buffer.byteLength(given) > maxBytes) refuse(`a path cannot be longer than ${maxBytes} bytes`)
  let rest = given
  if (path.isAbsolute(given)) {
    const normal = path.posix.normalize(given)
    if (normal !== root && !normal.startsWith(`${root}/`)) refuse(`${given} is outside the workspace ${root}`)
    rest = normal.slice(root.length + 1)
  }
  const normal = path.posix.normalize(rest)
  if (normal === '..' || normal.startsWith('../')) refuse(`${given} leads out of the workspace`)
  return normal === '.' ? '' : normal.replace(/\/+$/, '').replace(/^\/+/, '')
}

/** What a descriptor really is open on. */
function openedPath(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`)
}

function isBelow(opened: string, workspace: string): boolean {
  return opened === workspace || opened.startsWith(`${workspace}/`)
}

/** An opened object of the workspace. Whoever gets it calls `close`. */
export interface Opened {
  readonly fd: number
  /** Path through which the kernel reaches this very object, whatever has been renamed since. */
  readonly handle: string
  /** Where it was when it was opened, relative to the workspace. */
  readonly at: string
  readonly stat: Stats
  close(): void
}

function wrap(fd: number, workspace: string, relative: string): Opened {
  try {
    const opened = openedPath(fd)
    if (!isBelow(opened, workspace)) refuse(`${relative} is a link that leads out of the workspace`)
    const at = opened.slice(workspace.length + 1)
    return { fd, handle: `/proc/self/fd/${fd}`, at, stat: fstatSync(fd), close: () => closeSync(fd) }
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/**
 * Opens a path without any effect on it; symlinks inside the workspace are followed unless `noFollow` (the last one then
 * is opened itself). Null when there is nothing. `workspace` must be a real path.
 */
export function openPath(workspace: string, relative: string, noFollow = false): Opened | null {
  try {
    const fd = openSync(path.posix.join(workspace, relative), O_PATH | (noFollow ? O_NOFOLLOW : 0))
    return wrap(fd, workspace, relative)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    if (code === 'ELOOP') refuse(`${relative} is a chain of links without an end`, error)
    if (code === 'ENAMETOOLONG') refuse(`${relative} is too long a name`, error)
    if (code === 'EACCES') refuse(`${relative} cannot be reached: permission denied`, error)
    throw error
  }
}

/** Opens a directory, making it and its parents as needed. Refuses when something else is in the way. */
export function openOrMakeDirectory(workspace: string, relative: string): Opened {
  const found = openPath(workspace, relative)
  if (found !== null) {
    if (found.stat.isDirectory()) return found
    found.close()
    refuse(`${relative} is not a directory`)
  }
  if (relative === '') throw new AppError('sandbox_gone', 'the workspace does not exist any more')
  const parent = openOrMakeDirectory(workspace, parentOf(relative))
  try {
    const name = `${parent.handle}/${path.posix.basename(relative)}`
    const isNew = makeDirectory(name)
    if (isNew) giveToOwnerOf(workspace, name)
    const made = wrap(openSync(name, O_PATH | O_DIRECTORY | O_NOFOLLOW), workspace, relative)
    // Through the descriptor, since a command may have put something else there; the umask has cut the mode.
    if (isNew) chmodSync(made.handle, 0o755)
    return made
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENOENT') {
      refuse(`${relative} cannot be made: a file or a broken link is in the way`, error)
    }
    throw error
  } finally {
    parent.close()
  }
}

/** False when there was something before. */
function makeDirectory(name: string): boolean {
  try {
    mkdirSync(name, 0o755)
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    return false
  }
}

/** The directory of a relative path, empty for the workspace itself. Pure. */
export function parentOf(relative: string): string {
  const parent = path.posix.dirname(relative)
  return parent === '.' ? '' : parent
}

/** The word that the API has for what a path is; devices, pipes and sockets are `other`. Pure. */
export function kindOf(stat: { isFile(): boolean; isDirectory(): boolean; isSymbolicLink(): boolean }) {
  if (stat.isFile()) return 'file' as const
  if (stat.isDirectory()) return 'directory' as const
  return stat.isSymbolicLink() ? ('symlink' as const) : ('other' as const)
}
