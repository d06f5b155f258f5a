/** Takes a checkpoint of another sandbox over, object by object: what this one has already is neither read nor written. */

import { AppError } from '../../shared/errors.ts'
import type { LooseTrees } from '../types.ts'
import { isDirectoryMode, isLargeMode } from './entry-mode.ts'
import { breathe } from './files.ts'
import { decodePointer, type LargeFiles } from './large-files.ts'
import type { ObjectStore, TreeEntry } from './objects.ts'

const MAX_DEPTH = 300
/** Entries that are looked at; a checkpoint has at most as many. */
const MAX_ENTRIES = 500_000
const ENTRIES_PER_BREATH = 200
const GIT = '.git'

/** Where a sandbox keeps its checkpoints. */
export interface CheckpointStores {
  readonly store: ObjectStore
  readonly large: LargeFiles
}

/**
 * Stores `tree` of `from` here, with what lies in `.git` as it is in `base`, and returns its hash. A large file whose content
 * is not kept there is named here all the same, as in every checkpoint that names it. Only within `inTurn`. Throws
 * `sandbox_bad_request`, `sandbox_busy`. Safe to repeat.
 */
export async function adoptTree(to: CheckpointStores, from: LooseTrees, tree: string, base: string): Promise<string> {
  let seen = 0

  /** `known` is the tree at the same place in `base`; null: there is none. */
  const adopt = async (hash: string, known: string | null, depth: number): Promise<string> => {
    if (hash === known) return hash
    if (depth > MAX_DEPTH) throw tooLarge()
    const before = new Map((known === null ? [] : await to.store.readTree(known)).map((entry) => [entry.name, entry]))
    const kept = before.get(GIT)
    const entries: TreeEntry[] = kept === undefined ? [] : [kept]
    for (const entry of await from.readTree(hash)) {
      if (++seen % ENTRIES_PER_BREATH === 0) await breathe()
      if (seen > MAX_ENTRIES) throw tooLarge()
      if (entry.name === GIT) continue
      const own = before.get(entry.name)
      if (isDirectoryMode(entry.mode)) {
        const below = own !== undefined && isDirectoryMode(own.mode) ? own.hash : null
        entries.push({ ...entry, hash: await adopt(entry.hash, below, depth + 1) })
      } else {
        if (own?.hash !== entry.hash) await adoptBlob(entry)
        entries.push(entry)
      }
    }
    return await to.store.putTree(entries)
  }

  const adoptBlob = async ({ mode, hash }: TreeEntry): Promise<void> => {
    const data = Buffer.from(await from.readBlob(hash))
    const content = isLargeMode(mode) ? decodePointer(data) : null
    const file = content === null ? null : await from.largeFile(content)
    if (file !== null) await to.large.keep(file)
    await to.store.putBlob(data)
  }

  return await adopt(tree, base, 0)
}

function tooLarge(): AppError {
  return new AppError('sandbox_bad_request', 'this checkpoint is too large to be taken over')
}
