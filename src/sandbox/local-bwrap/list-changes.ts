/** Changes between two trees as people read them: kinds, counted lines, names as text. */

import { diffArrays } from 'diff'
import type { FileChange, FileChangeKind } from '../types.ts'
import { isDirectoryNode, type TreeChange, type TreeNode } from './compare-trees.ts'
import { type ByteName, toShown } from './descriptors.ts'
import { isLargeMode, isLinkMode } from './entry-mode.ts'
import { breathe } from './files.ts'
import type { ObjectStore } from './objects.ts'

/** Beyond so many changed files git counts the lines of all at once. */
const MAX_COUNTED = 500
/** Lines are counted here in files up to this size, and as long as they have no more edits than that. */
const MAX_COUNTED_BYTES = 256 * 1024
const MAX_EDITS = 1_000
const COUNT_TIMEOUT_MS = 20
/** Git looks for a NUL in so many bytes. */
const BINARY_LOOK_BYTES = 8_000
const FILES_PER_BREATH = 20

export interface LineCount {
  readonly added: number
  readonly removed: number
  readonly binary: boolean
}

/** Has git count the lines of all files that differ; by byte name. */
export type CountByGit = () => Promise<ReadonlyMap<ByteName, LineCount>>

const NO_LINES: LineCount = { added: 0, removed: 0, binary: false }

/**
 * The changes of files and links in order of paths. Directories, of which git knows nothing, are named only when no file
 * differs: those that hold none, with a slash at the end. Lines are counted in process where that is quick; otherwise git is
 * asked once.
 */
export async function describeChanges(
  store: Pick<ObjectStore, 'readBlob'>,
  changes: readonly TreeChange[],
  countByGit: CountByGit,
): Promise<FileChange[]> {
  const files = changes.filter((change) => !isDirectoryChange(change))
  const shown = files.length > 0 ? files : changes.filter((change, at) => isToldDirectory(change, changes[at + 1]))
  let git: ReadonlyMap<ByteName, LineCount> | null = shown.length > MAX_COUNTED ? await countByGit() : null
  const described: FileChange[] = []
  for (const [index, change] of shown.entries()) {
    if (index % FILES_PER_BREATH === FILES_PER_BREATH - 1) await breathe()
    let count = git === null ? await countLines(store, change) : null
    if (count === null) {
      git ??= await countByGit()
      count = knownCount(change) ?? git.get(change.path) ?? NO_LINES
    }
    const path = isDirectoryChange(change) ? `${toShown(change.path)}/` : toShown(change.path)
    described.push({ path, kind: kindOf(change), ...count })
  }
  return described
}

function isDirectoryChange({ from, to }: TreeChange): boolean {
  return (from === null || isDirectoryNode(from)) && (to === null || isDirectoryNode(to))
}

/** A directory that comes or goes is told by its files; one without any, or with another mode, by itself. */
function isToldDirectory({ path, from, to }: TreeChange, next: TreeChange | undefined): boolean {
  return (from !== null && to !== null) || next === undefined || !next.path.startsWith(`${path}/`)
}

function kindOf(change: TreeChange): FileChangeKind {
  const { from, to } = change
  if (isDirectoryChange(change)) return from === null ? 'create' : to === null ? 'delete' : 'modify'
  if (from === null || isDirectoryNode(from)) return 'create'
  return to === null || isDirectoryNode(to) ? 'delete' : 'modify'
}

/** What is known without looking at the content; null: it must be looked at. */
function knownCount(change: TreeChange): LineCount | null {
  const { from, to } = change
  if (isDirectoryChange(change) || from?.hash === to?.hash) return NO_LINES
  const isLarge = (node: TreeNode | null) => node !== null && isLargeMode(node.mode)
  return isLarge(from) || isLarge(to) ? { added: 0, removed: 0, binary: true } : null
}

/** Null when that is too much work for this process. */
async function countLines(store: Pick<ObjectStore, 'readBlob'>, change: TreeChange): Promise<LineCount | null> {
  const known = knownCount(change)
  if (known !== null) return known
  const content = async (node: TreeNode | null) =>
    node === null || isDirectoryNode(node) ? Buffer.alloc(0) : await store.readBlob(node.hash)
  const [before, after] = [await content(change.from), await content(change.to)]
  // A file that became a link, or a link that became a file, is another thing in its place.
  const isOther =
    change.from !== null && change.to !== null && isLinkMode(change.from.mode) !== isLinkMode(change.to.mode)
  if (isBinary(before) || isBinary(after)) return { added: 0, removed: 0, binary: true }
  if (before.length === 0 || after.length === 0 || isOther) {
    return { added: lineCount(after), removed: lineCount(before), binary: false }
  }
  if (before.length > MAX_COUNTED_BYTES || after.length > MAX_COUNTED_BYTES) return null
  const options = { maxEditLength: MAX_EDITS, timeout: COUNT_TIMEOUT_MS }
  const parts = diffArrays(linesOf(before), linesOf(after), options)
  if (parts === undefined) return null
  const sum = (side: 'added' | 'removed') => parts.reduce((total, part) => total + (part[side] ? part.count : 0), 0)
  return { added: sum('added'), removed: sum('removed'), binary: false }
}

function isBinary(data: Buffer): boolean {
  return data.subarray(0, BINARY_LOOK_BYTES).includes(0)
}

function linesOf(data: Buffer): string[] {
  return data.toString('latin1').split(/(?<=\n)/)
}

/** As git counts: a last line without an end is one too. */
function lineCount(data: Buffer): number {
  let lines = 0
  for (let at = data.indexOf(10); at !== -1; at = data.indexOf(10, at + 1)) lines++
  return data.length > 0 && data[data.length - 1] !== 10 ? lines + 1 : lines
}
