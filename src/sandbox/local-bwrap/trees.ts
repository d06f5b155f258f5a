/** What the stored trees of a sandbox say: changes, unified diffs, files. Whoever asks names trees by their hashes. */

import { createReadStream } from 'node:fs'
import { toPathText } from '../tree-file-path.ts'
import { checkTrees } from '../tree-hash.ts'
import type { FileChange, TreeDiff, TreeFile } from '../types.ts'
import { compareTrees, isDirectoryNode, type TreeChange } from './compare-trees.ts'
import { type ByteName, toShown } from './descriptors.ts'
import { fileMode, gitMode, isLargeMode, permissionsOf } from './entry-mode.ts'
import { decodePointer } from './large-files.ts'
import { describeChanges } from './list-changes.ts'
import { countLinesByGit, unifiedDiff } from './shadow-git.ts'
import type { TreeState } from './tree-state.ts'

/** Whether a path is one of the chosen ones or lies below one; null: all are. Pure. */
export function isChosen(path: ByteName, chosen: readonly ByteName[] | null): boolean {
  return chosen === null || chosen.some((each) => path === each || path.startsWith(`${each}/`))
}

/** Files that differ between two trees, in order of paths. Throws `sandbox_bad_request` for a tree that is not there. */
export async function changesBetween(
  trees: TreeState,
  gitDir: string,
  first: string,
  second: string,
): Promise<FileChange[]> {
  checkTrees(first, second)
  if (first === second) return []
  const { from, to } = await trees.comparable(first, second)
  const changes = await compareTrees(trees.store, from, to)
  return await describeChanges(trees.store, changes, () => countLinesByGit(gitDir, from, to), trees.counts)
}

/** The unified diff of two trees, with a head of its own for each file whose mode alone differs in what git does not keep. */
export async function patchBetween(
  trees: TreeState,
  gitDir: string,
  ends: { readonly from: string; readonly to: string },
  options: { readonly maxBytes: number; readonly paths?: readonly string[]; readonly contextLines?: number },
): Promise<TreeDiff> {
  checkTrees(ends.from, ends.to)
  if (ends.from === ends.to) return { patch: '', truncated: false }
  const { from, to } = await trees.comparable(ends.from, ends.to)
  const diff = await unifiedDiff(gitDir, from, to, options)
  if (diff.truncated) return diff
  const heads = (await compareTrees(trees.store, from, to))
    .filter((change) => isOnlyMode(change))
    .map((change) => ({ path: toShown(change.path), change }))
    .filter(({ path }) => !options.paths || isChosen(path, options.paths))
    .map(({ path, change }) => modeHead(path, change))
  const whole = diff.patch + heads.join('')
  return Buffer.byteLength(whole) <= options.maxBytes
    ? { patch: whole, truncated: false }
    : { ...diff, truncated: true }
}

function isOnlyMode({ from, to }: TreeChange): boolean {
  if (from === null || to === null || from.hash !== to.hash || isDirectoryNode(from)) return false
  return gitMode(from.mode) === gitMode(to.mode)
}

function modeHead(path: string, { from, to }: TreeChange): string {
  return `diff --git a/${path} b/${path}\nold mode ${from?.mode}\nnew mode ${to?.mode}\n`
}

/**
 * A tree's files and links with their content, one after the other, and the directories that their files do not imply. A
 * large file whose content is not kept is left out.
 */
export async function* filesOf(trees: TreeState, tree: string): AsyncGenerator<TreeFile> {
  checkTrees(tree)
  const nodes = await compareTrees(trees.store, null, tree)
  for (const [index, { path, to }] of nodes.entries()) {
    if (to === null) continue
    const name = toPathText(Buffer.from(path, 'latin1'))
    if (isDirectoryNode(to)) {
      const isEmpty = !nodes[index + 1]?.path.startsWith(`${path}/`)
      if (isEmpty || to.mode !== '40000') yield { path: name, mode: to.mode, data: Buffer.alloc(0) }
      continue
    }
    const blob = await trees.store.readBlob(to.hash)
    const pointer = isLargeMode(to.mode) ? decodePointer(blob) : null
    if (pointer === null) {
      yield { path: name, mode: to.mode, data: blob }
      continue
    }
    const kept = await trees.large.pathOf(pointer)
    if (kept === null) continue
    const mode = fileMode(permissionsOf(to.mode), false)
    const large = { sizeBytes: pointer.sizeBytes, pieces: piecesOf(kept) }
    yield { path: name, mode, data: Buffer.alloc(0), large }
  }
}

/** Opens the file when its first piece is asked for. */
async function* piecesOf(file: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(file)
}
