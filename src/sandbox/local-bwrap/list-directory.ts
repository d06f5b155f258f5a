import { opendirSync } from 'node:fs'
import { AppError } from '../../shared/errors.ts'
import type { DirectoryListing, FileEntry } from '../types.ts'
import { kindOf, type Opened, openPath } from './confined.ts'
import {
  type ByteName,
  ifPossible,
  type OpenDirectory,
  openChild,
  readNames,
  statChild,
  toShown,
} from './descriptors.ts'
import { breathe, type WorkspacePlace } from './files.ts'

const MAX_DEPTH = 32
/** Names of one directory that are looked at, and of all directories of one level together. */
const MAX_NAMES = 50_000
const MAX_LEVEL_NAMES = 100_000
const NAMES_A_CALL = 512
/** Entries looked at between two breaths of the event loop. */
const ENTRIES_PER_BREATH = 500

/** A directory that is in the listing, with what is listed of it so far. */
interface Listed {
  readonly parent: Listed | null
  readonly name: ByteName
  readonly path: string
  readonly entry: FileEntry | null
  readonly inside: Map<ByteName, { readonly entry: FileEntry; readonly directory: Listed | null }>
}

/** The names in a directory, its directories first, each in byte order; `isWhole`: there are no more. */
interface Names {
  readonly names: readonly ByteName[]
  readonly directories: number
  readonly isWhole: boolean
}

/** A directory that holds more than its share: what is left of the limit at the end is for these. */
interface Waiting {
  readonly at: Listed
  readonly cap: number
  readonly wanted: number
}

/**
 * Lists a directory in order of names, each directory before what is in it; `depth` 1 is the directory alone. Links are
 * named, not followed. When there is more than `limit`, a directory of many names pushes no other one out: each level is
 * listed before the next one, directories that hold no more than their share whole, and the others their directories first;
 * what the small ones leave is shared among the large ones. `unlisted` says what is missing, and of which directory.
 * Throws `sandbox_bad_request` when there is no such directory.
 */
export async function listDirectory(
  place: WorkspacePlace,
  relative: string,
  options: { depth: number; limit: number },
): Promise<DirectoryListing> {
  const top = openTop(place, relative)
  try {
    return await new Listing(top, top.at, options.limit).take(Math.min(options.depth, MAX_DEPTH))
  } finally {
    top.close()
  }
}

/**
 * The names in one directory in byte order; none, and `truncated`, when there are more than `limit` or it cannot be read.
 * Throws as {@link listDirectory} does.
 */
export function namesInDirectory(
  place: WorkspacePlace,
  relative: string,
  limit: number,
): { names: string[]; truncated: boolean } {
  const top = openTop(place, relative)
  try {
    const names = readNames(top, limit)
    if (names === null || names === 'many') return { names: [], truncated: true }
    return { names: names.map(toShown), truncated: false }
  } finally {
    top.close()
  }
}

function openTop(place: WorkspacePlace, relative: string): Opened {
  const top = openPath(place.workspace, relative)
  if (top === null) throw new AppError('sandbox_bad_request', `there is no directory ${relative || '.'}`)
  if (top.stat.isDirectory()) return top
  top.close()
  throw new AppError('sandbox_bad_request', `${relative} is not a directory`)
}

class Listing {
  readonly #top: OpenDirectory
  readonly #root: Listed
  readonly #waiting: Waiting[] = []
  readonly #unlisted = new Map<Listed, number | null>()
  #left: number
  #seen = 0

  constructor(top: OpenDirectory, at: string, limit: number) {
    this.#top = top
    this.#root = { parent: null, name: '', path: at, entry: null, inside: new Map() }
    this.#left = limit
  }

  async take(depth: number): Promise<DirectoryListing> {
    let level = [this.#root]
    for (let at = 1; at <= depth && level.length > 0; at++) level = await this.#takeLevel(level)
    const shares = fairShares(
      this.#waiting.map(({ wanted }) => wanted),
      this.#left,
    )
    for (const [index, { at, cap, wanted }] of this.#waiting.entries()) {
      const share = shares[index] ?? 0
      const taken = share === 0 ? 0 : await this.#within(at, (open) => this.#add(open, at, readTyped(open, cap), share))
      if (!this.#unlisted.has(at) && wanted > (taken ?? 0)) this.#unlisted.set(at, wanted - (taken ?? 0))
    }
    const entries = inOrder(this.#root)
    const unlisted = [...this.#unlisted].map(([at, names]) => ({ path: at.path, names }))
    return { entries, truncated: unlisted.length > 0, unlisted: unlisted.sort((a, b) => (a.path < b.path ? -1 : 1)) }
  }

  /** Lists what a level's directories hold and gives the directories that were found in them. */
  async #takeLevel(level: readonly Listed[]): Promise<Listed[]> {
    const cap = Math.min(MAX_NAMES, Math.floor(MAX_LEVEL_NAMES / level.length))
    const found: { at: Listed; names: Names }[] = []
    for (const at of level) {
      const names = await this.#within(at, (open) => readTyped(open, cap))
      await breathe()
      if (names === null || !names.isWhole) this.#unlisted.set(at, null)
      if (names !== null) found.push({ at, names })
    }
    const shares = fairShares(
      found.map(({ names }) => names.names.length),
      this.#left,
    )
    for (const [index, { at, names }] of found.entries()) {
      const count = names.names.length
      const share = shares[index] ?? 0
      const isWhole = count <= share
      // The large ones leave half of their share to what lies deeper; the end gives them what is left.
      const now = isWhole ? count : Math.min(names.directories, Math.ceil(share / 2))
      const taken = now === 0 ? 0 : await this.#within(at, (open) => this.#add(open, at, names, now))
      if (!isWhole) this.#waiting.push({ at, cap, wanted: count - (taken ?? 0) })
    }
    return found.flatMap(({ at }) => [...at.inside.values()].flatMap(({ directory }) => directory ?? []))
  }

  /** Puts up to `share` more of a directory's names into the listing and says how many it took; what is gone takes none. */
  async #add(open: OpenDirectory, at: Listed, names: Names | null, share: number): Promise<number> {
    let taken = 0
    for (const byteName of names?.names ?? []) {
      if (taken >= share) break
      if (at.inside.has(byteName)) continue
      if (++this.#seen % ENTRIES_PER_BREATH === 0) await breathe()
      const stat = statChild(open, byteName)
      taken++
      if (stat === null) continue
      const name = toShown(byteName)
      const path = at.path === '' ? name : `${at.path}/${name}`
      const kind = kindOf(stat)
      const entry = { path, name, kind, sizeBytes: kind === 'file' ? stat.size : 0 }
      const directory = kind === 'directory' ? { parent: at, name: byteName, path, entry, inside: new Map() } : null
      at.inside.set(byteName, { entry, directory })
    }
    this.#left -= taken
    return taken
  }

  /** Does something with a directory of the listing, opened step by step from the top; null when it cannot be opened. */
  async #within<T>(at: Listed, work: (open: OpenDirectory) => T | Promise<T>): Promise<T | null> {
    if (at.parent === null) return await work(this.#top)
    return await this.#within(at.parent, async (parent) => {
      const open = openChild(parent, at.name)
      if (open === null) return null
      try {
        return await work(open)
      } finally {
        open.close()
      }
    })
  }
}

/** Directories first: they can be entered, and what a large directory hides behind its files would never be seen. */
function readTyped(directory: OpenDirectory, cap: number): Names | null {
  return ifPossible(() => {
    const reader = opendirSync(directory.handle, { encoding: 'latin1', bufferSize: NAMES_A_CALL })
    try {
      const directories: ByteName[] = []
      const others: ByteName[] = []
      let isWhole = true
      for (let entry = reader.readSync(); entry !== null; entry = reader.readSync()) {
        if (directories.length + others.length >= cap) {
          isWhole = false
          break
        }
        if (entry.isDirectory()) directories.push(entry.name)
        else others.push(entry.name)
      }
      return { names: [...directories.sort(), ...others.sort()], directories: directories.length, isWhole }
    } finally {
      reader.closeSync()
    }
  })
}

/** Shares `total` out: nobody gets more than is wanted, and what some do not need is shared among the others. Pure. */
function fairShares(wanted: readonly number[], total: number): number[] {
  const shares = wanted.map(() => 0)
  const bySize = wanted.map((count, index) => ({ count, index })).sort((a, b) => a.count - b.count)
  let left = total
  for (const [turn, { count, index }] of bySize.entries()) {
    const share = Math.min(count, Math.floor(left / (wanted.length - turn)))
    shares[index] = share
    left -= share
  }
  return shares
}

function inOrder(at: Listed): FileEntry[] {
  const named = [...at.inside].sort(([a], [b]) => (a < b ? -1 : 1))
  return named.flatMap(([, { entry, directory }]) => (directory === null ? [entry] : [entry, ...inOrder(directory)]))
}
