/**
 * What may come into a workspace, by what is known of an entry before its bytes: names, kinds, number, sizes. Touches no
 * disk, so that a set of files can be refused before anything of it is written.
 */

import { AppError } from '../../shared/errors.ts'
import type { WorkspaceEntry } from '../types.ts'
import type { Limits } from './limits.ts'

/** Directories, files and links of one workspace. */
const MAX_ENTRIES = 200_000
/** How many directories may lead to an entry. */
const MAX_PATH_DEPTH = 100
const MAX_PATH_BYTES = 3_900
const MAX_NAME_BYTES = 255
/** All names together, since they are held in memory until the last one came. */
const MAX_NAMES_BYTES = 32 * 1024 * 1024
/** Linux takes no longer one. */
const MAX_TARGET_BYTES = 4_095
const MIB = 1024 * 1024

/** A name in bytes as latin1, and the directories that have to be made before it, the outermost first. */
export interface Admitted {
  readonly name: string
  readonly parents: readonly string[]
}

/** Counts what comes; one for each set of files. */
export class IncomingEntries {
  /** Directories by name, with the mode they get; other things with null. */
  readonly #made = new Map<string, number | null>([['', 0]])
  readonly #limits: Limits
  #namesBytes = 0
  #sizeBytes = 0
  #announcedBytes = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /**
   * Takes the next entry in; null for a directory that is there already. Throws `sandbox_bad_request` naming the limit or what
   * is wrong with the name.
   */
  admit(entry: WorkspaceEntry): Admitted | null {
    const name = checkedName(entry.path)
    this.#namesBytes += name.length
    if (this.#namesBytes > MAX_NAMES_BYTES) refuse(`the paths are more than ${mib(MAX_NAMES_BYTES)} MiB together`)
    if (entry.kind === 'directory') return this.#directory(name, entry.mode & 0o777)
    if (this.#made.has(name)) refuse(`${shown(name)} is there twice`)
    const parents = this.#ancestors(name)
    this.#note(name, null)
    if (entry.kind === 'symlink') checkedTarget(name, entry.target)
    else this.#announce(name, entry.sizeBytes)
    return { name, parents }
  }

  /** Counts bytes that were read of a file, of which `fileBytes` are that one's so far. Throws as {@link admit} does. */
  grow(name: string, bytes: number, fileBytes: number): void {
    if (fileBytes > this.#limits.fileBytes) refuse(tooLarge(name, this.#limits.fileBytes))
    this.#sizeBytes += bytes
    if (this.#sizeBytes > this.#limits.workspaceBytes) this.#tooMuch()
  }

  /** Bytes that were read of all files. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** All directories below the top with their modes, each before what lies in it. */
  directories(): [string, number][] {
    return [...this.#made].filter((one): one is [string, number] => one[1] !== null && one[0] !== '')
  }

  #directory(name: string, mode: number): Admitted | null {
    const known = this.#made.get(name)
    if (known === null) refuse(isBoth(name))
    if (known === undefined) {
      const parents = this.#ancestors(name)
      this.#note(name, mode)
      return { name, parents }
    }
    if (name !== '') this.#made.set(name, mode)
    return null
  }

  /** Notes the directories above a name that are not there yet. */
  #ancestors(name: string): string[] {
    const missing: string[] = []
    for (let at = parentOf(name); ; at = parentOf(at)) {
      const known = this.#made.get(at)
      if (known === null) refuse(isBoth(at))
      if (known !== undefined) break
      missing.push(at)
    }
    missing.reverse()
    for (const one of missing) this.#note(one, 0o755)
    return missing
  }

  #note(name: string, mode: number | null): void {
    if (this.#made.size > MAX_ENTRIES) refuse(`there are more than ${MAX_ENTRIES} files and directories`)
    this.#made.set(name, mode)
  }

  #announce(name: string, sizeBytes: number): void {
    if (sizeBytes > this.#limits.fileBytes) refuse(tooLarge(name, this.#limits.fileBytes))
    this.#announcedBytes += sizeBytes
    if (this.#announcedBytes > this.#limits.workspaceBytes) this.#tooMuch()
  }

  #tooMuch(): never {
    refuse(`the files are more than ${mib(this.#limits.workspaceBytes)} MiB, the limit of a workspace`)
  }
}

/** The name as latin1, each character a byte, without `.`, `..`, absolute or overlong names. Throws `sandbox_bad_request`. */
function checkedName(bytes: Uint8Array): string {
  const given = Buffer.from(bytes).toString('latin1')
  const name = given.replace(/^(\.\/)+/, '').replace(/\/+$/, '')
  if (name === '' || name === '.') return ''
  if (given.startsWith('/')) refuse(`${shown(given)} is an absolute name`)
  if (given.includes('\0')) refuse('a name holds a NUL byte')
  if (name.length > MAX_PATH_BYTES) refuse(`a name is longer than ${MAX_PATH_BYTES} bytes: ${shown(name)}`)
  const parts = name.split('/')
  if (parts.length > MAX_PATH_DEPTH) {
    const way = 'leave it out or move it to a directory above'
    refuse(`a file or directory lies deeper than ${MAX_PATH_DEPTH} directories, ${way}: ${shown(name)}`)
  }
  for (const part of parts) {
    if (part === '' || part === '.' || part === '..') refuse(`${shown(given)} leads out of the workspace`)
    if (part.length > MAX_NAME_BYTES) refuse(`a name is longer than ${MAX_NAME_BYTES} bytes: ${shown(part)}`)
  }
  return name
}

function checkedTarget(name: string, target: Uint8Array): void {
  if (target.length > 0 && target.length <= MAX_TARGET_BYTES && !target.includes(0)) return
  refuse(`the link ${shown(name)} has a target that no file system takes`)
}

function parentOf(name: string): string {
  const slash = name.lastIndexOf('/')
  return slash === -1 ? '' : name.slice(0, slash)
}

function isBoth(name: string): string {
  return `${shown(name)} is a file or a link and a directory at once`
}

function shown(name: string): string {
  const text = Buffer.from(name, 'latin1').toString()
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

function tooLarge(name: string, bytes: number): string {
  return `${shown(name)} is larger than ${mib(bytes)} MiB, the limit of a file`
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB)
}

function refuse(message: string): never {
  throw new AppError('sandbox_bad_request', message)
}
