/** What differs between two stored trees, without any process: subtrees with the same hash are not looked into. */

import { AppError } from '../../shared/errors.ts'
import type { ByteName } from './descriptors.ts'
import { gitMode, isDirectoryMode, isLargeMode, type TreeMode } from './entry-mode.ts'
import { breathe } from './files.ts'
import { wasLeftOut } from './left-out-rules.ts'
import type { ObjectStore, TreeEntry } from './objects.ts'

/** A file, a link or a directory in a tree. */
export interface TreeNode {
  readonly mode: TreeMode
  readonly hash: string
}

/** One path that is not the same on both sides; null: it is not there. A directory is told when it itself comes, goes or has another mode. */
export interface TreeChange {
  readonly path: ByteName
  readonly from: TreeNode | null
  readonly to: TreeNode | null
}

const MAX_TREE_DEPTH = 300
const MAX_CHANGES = 500_000
const NODES_PER_BREATH = 500

/**
 * All differences, in order of paths with a directory before what is in it; null stands for no tree at all. Throws
 * `sandbox_bad_request` for a tree that is not in the store, or when there are more than 500,000.
 */
export async function compareTrees(
  store: Pick<ObjectStore, 'readTree'>,
  from: string | null,
  to: string | null,
): Promise<TreeChange[]> {
  const changes: TreeChange[] = []
  let seen = 0

  const visit = async (prefix: ByteName, a: string | null, b: string | null, depth: number): Promise<void> => {
    if (a === b) return
    if (depth > MAX_TREE_DEPTH) throw new AppError('sandbox_bad_request', 'this checkpoint is nested too deeply')
    const before = byName(a === null ? [] : await store.readTree(a))
    const after = byName(b === null ? [] : await store.readTree(b))
    for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
      if (++seen % NODES_PER_BREATH === 0) await breathe()
      const [was, is] = [before.get(name) ?? null, after.get(name) ?? null]
      if (was?.hash === is?.hash && was?.mode === is?.mode) continue
      const path = prefix + name
      const [wasDirectory, isDirectory] = [isDirectoryNode(was), isDirectoryNode(is)]
      if (!(wasDirectory && isDirectory && was?.mode === is?.mode)) changes.push({ path, from: was, to: is })
      if (changes.length > MAX_CHANGES) {
        throw new AppError('sandbox_bad_request', 'the checkpoints differ in too many files')
      }
      if (!wasDirectory && !isDirectory) continue
      await visit(
        `${path}/`,
        wasDirectory ? (was?.hash ?? null) : null,
        isDirectory ? (is?.hash ?? null) : null,
        depth + 1,
      )
    }
  }

  await visit('', from, to, 0)
  return changes
}

/** Whether there is a directory at all. Pure. */
export function isDirectoryNode(node: TreeNode | null): boolean {
  return node !== null && isDirectoryMode(node.mode)
}

function byName(entries: readonly TreeEntry[]): Map<ByteName, TreeEntry> {
  return new Map(entries.map((entry) => [entry.name, entry]))
}

/**
 * A tree as versions before this one would have stored it: git's four modes, no empty directories, no large files, nothing
 * of `.git`, no build output. A checkpoint of theirs is compared with this, so that what they did not see is no change.
 * Safe to repeat.
 */
export async function legacyTree(store: ObjectStore, tree: string): Promise<string> {
  return (await legacyDirectory(store, tree, 0)) ?? (await store.putTree([]))
}

async function legacyDirectory(store: ObjectStore, tree: string, depth: number): Promise<string | null> {
  if (depth > MAX_TREE_DEPTH) throw new AppError('sandbox_bad_request', 'this checkpoint is nested too deeply')
  const entries = await store.readTree(tree)
  const siblings = new Set(entries.map((entry) => entry.name))
  const kept: TreeEntry[] = []
  for (const { mode, name, hash } of entries) {
    if (isDirectoryMode(mode)) {
      const inner = wasLeftOut(name, siblings) ? null : await legacyDirectory(store, hash, depth + 1)
      if (inner !== null) kept.push({ mode: '40000', name, hash: inner })
    } else if (name !== '.git' && !isLargeMode(mode)) {
      kept.push({ mode: gitMode(mode), name, hash })
    }
  }
  return kept.length === 0 ? null : await store.putTree(kept)
}
