import type { Stats } from 'node:fs'
import type { ByteName } from './descriptors.ts'
import type { TreeMode } from './entry-mode.ts'
import type { ObjectStore, TreeEntry } from './objects.ts'
import { type CachedDirectory, STAT_NUMBERS } from './stat-cache.ts'

/** A file that changed this shortly before it was read may change again within the same tick of the file clock. */
export const RACY_MS = 100

/** One directory while it is walked: what is found, next to what was found the last time. */
export class SnapshotListing {
  readonly #names: readonly ByteName[]
  readonly #before: CachedDirectory | undefined
  /** Where each name stood the last time; null: at the same place. */
  readonly #places: ReadonlyMap<ByteName, number> | null
  readonly #stats: Float64Array
  readonly #hashes: string[]
  readonly #modes: TreeMode[]
  #count = 0

  constructor(names: readonly ByteName[], before: CachedDirectory | undefined) {
    this.#names = names
    this.#before = before
    const isSame = before !== undefined && sameNames(names, before.names)
    this.#places = isSame || before === undefined ? null : new Map(before.names.map((name, index) => [name, index]))
    this.#stats = new Float64Array(names.length * STAT_NUMBERS).fill(Number.NaN)
    this.#hashes = Array<string>(names.length).fill('')
    this.#modes = Array<TreeMode>(names.length).fill('')
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** The hash of a file that is as it was; null when it must be read. */
  knownHash(index: number, stat: Stats): string | null {
    const before = this.#before
    if (before === undefined) return null
    const place = this.#places === null ? index : this.#places.get(this.#names[index] ?? '')
    if (place === undefined) return null
    const at = place * STAT_NUMBERS
    const { stats } = before
    const isSame =
      stats[at] === stat.ino &&
      stats[at + 1] === stat.size &&
      stats[at + 2] === stat.mtimeMs &&
      stats[at + 3] === stat.ctimeMs
    return isSame ? (before.hashes[place] ?? null) : null
  }

  /** `stat` is null when it must not be trusted the next time. */
  set(index: number, mode: TreeMode, hash: string, stat: Stats | null): void {
    this.#hashes[index] = hash
    this.#modes[index] = mode
    this.#count++
    if (stat === null) return
    const at = index * STAT_NUMBERS
    this.#stats[at] = stat.ino
    this.#stats[at + 1] = stat.size
    this.#stats[at + 2] = stat.mtimeMs
    this.#stats[at + 3] = stat.ctimeMs
  }

  async finish(store: ObjectStore, own: CachedDirectory['own']): Promise<CachedDirectory> {
    const [names, stats, hashes, modes] = [this.#names, this.#stats, this.#hashes, this.#modes]
    const before = this.#before
    const isSame =
      before !== undefined &&
      this.#places === null &&
      hashes.every((hash, index) => hash === before.hashes[index] && modes[index] === before.modes[index])
    if (isSame)
      return { own, names: before.names, stats, hashes: before.hashes, modes: before.modes, tree: before.tree }
    const entries: TreeEntry[] = names.flatMap((name, index) => {
      const [mode = '', hash = ''] = [modes[index], hashes[index]]
      return hash === '' ? [] : [{ mode, name, hash }]
    })
    return { own, names, stats, hashes, modes, tree: await store.putTree(entries) }
  }
}

/** What tells whether names came or went; null when they may do so again within the same tick of the file clock. */
export function numbersOf(stat: Stats): CachedDirectory['own'] {
  return stat.ctimeMs + RACY_MS < Date.now() ? [stat.ino, stat.mtimeMs, stat.ctimeMs] : null
}

/** Whether no name came or went between two looks; false where either cannot be trusted. */
export function isSameDirectory(a: CachedDirectory['own'], b: CachedDirectory['own']): boolean {
  return a !== null && b !== null && a[0] === b[0] && a[1] === b[1] && a[2] === b[2]
}

function sameNames(a: readonly ByteName[], b: readonly ByteName[]): boolean {
  return a === b || (a.length === b.length && a.every((name, index) => name === b[index]))
}
