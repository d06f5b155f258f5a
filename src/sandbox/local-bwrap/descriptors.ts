/**
 * Directories of a workspace by descriptor. Each is opened relative to its parent (/proc/self/fd/N/name is Linux' openat
 * for us), without following links: a path may be as long as it likes, and what a command renames meanwhile leads nowhere
 * else. Names are byte strings (latin1), since file names need not be UTF-8.
 */

import { closeSync, constants, fstatSync, lstatSync, opendirSync, openSync, type Stats } from 'node:fs'
import { O_PATH } from './confined.ts'

const { O_DIRECTORY, O_NOFOLLOW } = constants
const NAMES_A_CALL = 512

/** Name of an entry, or a path of names, one character a byte. */
export type ByteName = string

/** A directory that is held open, so that nobody can put another one in its place. Whoever opened it closes it. */
export interface OpenDirectory {
  readonly fd: number
  /** Path through which the kernel reaches this very directory. */
  readonly handle: string
  readonly stat: Stats
  close(): void
}

/** Whether a name is the same as text and in bytes. Pure. */
export function isPlain(name: ByteName): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range of bytes that are the same in both encodings
  return /^[\x00-\x7f]*$/.test(name)
}

/** A path as the file system calls take it: text as long as it is plain, which is quicker, else its bytes. */
export function toFsPath(path: ByteName): string | Buffer {
  return isPlain(path) ? path : Buffer.from(path, 'latin1')
}

/** How a byte name is shown and stored: as UTF-8, U+FFFD where it is none. */
export function toShown(path: ByteName): string {
  return Buffer.from(path, 'latin1').toString('utf8')
}

/** A name in UTF-8 as one character a byte. Pure. */
export function toBytes(path: string): ByteName {
  return Buffer.from(path, 'utf8').toString('latin1')
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** Codes that say something about one entry and nothing about the file system or this process. */
const ENTRY_CODES: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTDIR',
  'ELOOP',
  'EACCES',
  'EPERM',
  'ENAMETOOLONG',
  'ENXIO',
  'ENODEV',
  'EIO',
  'ESTALE',
])

/** Runs `work`; null when the one entry it is about cannot be had: gone, locked, of another kind. Other failures are thrown. */
export function ifPossible<T>(work: () => T): T | null {
  try {
    return work()
  } catch (error) {
    if (ENTRY_CODES.has(errorCode(error))) return null
    throw error
  }
}

function open(path: string | Buffer): OpenDirectory {
  const fd = openSync(path, O_PATH | O_DIRECTORY | O_NOFOLLOW)
  return { fd, handle: `/proc/self/fd/${fd}`, stat: fstatSync(fd), close: () => closeSync(fd) }
}

/** Opens a directory by its path, which no command can change; null when there is none. The caller closes it. */
export function openRoot(path: string): OpenDirectory | null {
  return ifPossible(() => open(path))
}

/** Opens a directory in another one; null when it is not there, not a directory or locked. The caller closes it. */
export function openChild(parent: OpenDirectory, name: ByteName): OpenDirectory | null {
  return ifPossible(() => open(toFsPath(`${parent.handle}/${name}`)))
}

/** What lies under a name, a link itself and not what it names; null when nothing does. */
export function statChild(parent: OpenDirectory, name: ByteName): Stats | null {
  return ifPossible(() => lstatSync(toFsPath(`${parent.handle}/${name}`), { throwIfNoEntry: false }) ?? null)
}

/**
 * The names in a directory in byte order, null when it cannot be read. With more than `limit`: `many`, or the first ones
 * in the file system's own order. A few more than that are looked at, however many there are.
 */
export function readNames(directory: OpenDirectory, limit: number): ByteName[] | null | 'many'
export function readNames(directory: OpenDirectory, limit: number, beyond: 'cut'): ByteName[] | null
export function readNames(directory: OpenDirectory, limit: number, beyond?: 'cut'): ByteName[] | null | 'many' {
  return ifPossible(() => {
    const reader = opendirSync(directory.handle, { encoding: 'latin1', bufferSize: NAMES_A_CALL })
    try {
      const names: ByteName[] = []
      for (let entry = reader.readSync(); entry !== null; entry = reader.readSync()) {
        if (names.length >= limit) return beyond === 'cut' ? names : 'many'
        names.push(entry.name)
      }
      return names.sort()
    } finally {
      reader.closeSync()
    }
  })
}
