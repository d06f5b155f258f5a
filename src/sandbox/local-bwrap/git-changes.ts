/** What lies between two stored trees as git would keep it: what a patch or a commit is made of. */

import { readFile } from 'node:fs/promises'
import { AppError } from '../../shared/errors.ts'
import { checkTrees } from '../tree-hash.ts'
import type { GitChange, GitChanges, GitFile } from '../types.ts'
import { compareTrees, isDirectoryNode, type TreeNode } from './compare-trees.ts'
import { type ByteName, toShown } from './descriptors.ts'
import { gitMode, isDirectoryMode, isLargeMode } from './entry-mode.ts'
import { decodePointer } from './large-files.ts'
import type { TreeState } from './tree-state.ts'

const IGNORE_FILE = '.gitignore'
/** A longer file of rules is not looked into. */
const MAX_IGNORE_BYTES = 256 * 1024
/** Names that git takes for its own directory on some system or other, and refuses. */
const GIT_DIRECTORY = /(^|\/)(\.git|git~1)[ .]*(\/|$)/i

/** Whether a path leads into a git directory, which is nothing that git keeps. Pure. */
export function isGitPath(path: ByteName): boolean {
  return GIT_DIRECTORY.test(path)
}

/**
 * Files and links that differ for git, in order of paths, and the `.gitignore` files of `to` above them. Throws
 * `sandbox_bad_request` for a tree that is not there and when more than `maxFiles` differ.
 */
export async function gitChangesBetween(
  trees: TreeState,
  first: string,
  second: string,
  maxFiles: number,
): Promise<GitChanges> {
  checkTrees(first, second)
  const { from, to } = await trees.comparable(first, second)
  const changes: GitChange[] = []
  const directories = new Set<ByteName>([''])
  for (const change of from === to ? [] : await compareTrees(trees.store, from, to)) {
    const [before, after] = [fileNode(change.from), fileNode(change.to)]
    if ((before === null && after === null) || isGitPath(change.path)) continue
    if (before && after && before.hash === after.hash && gitMode(before.mode) === gitMode(after.mode)) continue
    if (changes.length >= maxFiles) {
      throw new AppError('sandbox_bad_request', `More than ${maxFiles} files changed; use the archive.`)
    }
    changes.push({
      path: Buffer.from(change.path, 'latin1'),
      from: before && gitFile(trees, change.path, before),
      to: after && gitFile(trees, change.path, after),
    })
    for (let slash = change.path.lastIndexOf('/'); slash > 0; slash = change.path.lastIndexOf('/', slash - 1)) {
      directories.add(change.path.slice(0, slash))
    }
  }
  return { changes, ignoreFiles: await ignoreFilesIn(trees, to, directories) }
}

function fileNode(node: TreeNode | null): TreeNode | null {
  return node === null || isDirectoryNode(node) ? null : node
}

function gitFile(trees: TreeState, path: ByteName, { mode, hash }: TreeNode): GitFile {
  const kept = gitMode(mode)
  return {
    mode: kept === '40000' ? '100644' : kept,
    async read() {
      const blob = await trees.store.readBlob(hash)
      const pointer = isLargeMode(mode) ? decodePointer(blob) : null
      if (pointer === null) return blob
      const content = await trees.large.pathOf(pointer)
      if (content !== null) return await readFile(content)
      throw new AppError('sandbox_bad_request', `${toShown(path)} is too large to be kept in a checkpoint.`)
    },
  }
}

/** Read along the way down, each directory once. */
async function ignoreFilesIn(
  trees: TreeState,
  tree: string,
  directories: ReadonlySet<ByteName>,
): Promise<GitChanges['ignoreFiles']> {
  const found: { path: Uint8Array; data: Uint8Array }[] = []
  const visit = async (at: ByteName, hash: string): Promise<void> => {
    for (const entry of await trees.store.readTree(hash)) {
      const path = at === '' ? entry.name : `${at}/${entry.name}`
      if (isDirectoryMode(entry.mode)) {
        if (directories.has(path) && !isGitPath(path)) await visit(path, entry.hash)
      } else if (entry.name === IGNORE_FILE && gitMode(entry.mode) !== '120000' && !isLargeMode(entry.mode)) {
        const data = await trees.store.readBlob(entry.hash)
        if (data.length <= MAX_IGNORE_BYTES) found.push({ path: Buffer.from(path, 'latin1'), data })
      }
    }
  }
  await visit('', tree)
  return found
}
