/** Changes between two trees as people read them: kinds, counted lines, names as text. */

import { diffArrays } from 'diff'
import type { FileChange, FileChangeKind } from '../types.ts'
import { isDirectoryNode, type TreeChange, type TreeNode } from './compare-trees.ts'
import { type ByteName, toShown } from './descriptors.ts'
import { isLargeMode } from './entry-mode.ts'
import { breathe } from './files.ts'
import type { ObjectStore } from './objects.ts'

/** Beyond so many changed files git counts the lines of all at once. */
const MAX_COUNTED = 500
/** Lines are counted here when what differs is no larger than this, and has no more edits than that. */
const MAX_COUNTED_BYTES = 256 * 1024
const MAX_EDITS = 1_000
const COUNT_TIMEOUT_MS = 20
/** Git looks for a NUL in so many bytes. */
const BINARY_LOOK_BYTES = 8_000
const FILES_PER_BREATH = 20
const COMPARED_BYTES = 4 * 1024
const NEWLINE = 10
/** Pairs of contents whose count a sandbox remembers; forgotten as a whole when there are too many. */
const MAX_KNOWN = 5_000

/** Lines that one change adds and removes; both are 0 for a binary file. */
export interface LineCount {
  readonly added: number
  readonly removed: number
  readonly binary: boolean
}

/** Has git count the lines of all files that differ; by byte name. */
export type CountByGit = () => Promise<ReadonlyMap<ByteName, LineCount>>

/** Counts of pairs of contents, which never change: each turn compares again what earlier ones changed. */
export class KnownCounts {
  readonly #counts = new Map<string, LineCount>()

  get(change: TreeChange): LineCount | undefined {
    return this.#counts.get(keyOf(change))
  }

  set(change: TreeChange, count: LineCount): void {
    if (this.#counts.size >= MAX_KNOWN) this.#counts.clear()
    this.#counts.set(keyOf(change), count)
  }
}

function keyOf({ from, to }: TreeChange): string {
  const side = (node: TreeNode | null) => (node === null ? '' : `${node.mode} ${node.hash}`)
  return `${side(from)}:${side(to)}`
}

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
  known: KnownCounts = new KnownCounts(),
): Promise<FileChange[]> {
  const files = changes.filter((change) => !isDirectoryChange(change))
  const shown = files.length > 0 ? files : changes.filter((change, at) => isToldDirectory(change, changes[at + 1]))
  const isUnknown = (change: TreeChange) => knownCount(change) === null && known.get(change) === undefined
  const unknown = shown.filter(isUnknown)
  let git: ReadonlyMap<ByteName, LineCount> | null = unknown.length > MAX_COUNTED ? await countByGit() : null
  const described: FileChange[] = []
  for (const [index, change] of shown.entries()) {
    if (index % FILES_PER_BREATH === FILES_PER_BREATH - 1) await breathe()
    let count = knownCount(change) ?? known.get(change) ?? (git === null ? await countLines(store, change) : null)
    if (count === null) {
      git ??= await countByGit()
      count = git.get(change.path) ?? NO_LINES
    }
    known.set(change, count)
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
  const content = async (node: TreeNode | null) =>
    node === null || isDirectoryNode(node) ? Buffer.alloc(0) : await store.readBlob(node.hash)
  const [before, after] = [await content(change.from), await content(change.to)]
  if (isBinary(before) || isBinary(after)) return { added: 0, removed: 0, binary: true }
  if (before.length === 0 || after.length === 0) {
    return { added: lineCount(after), removed: lineCount(before), binary: false }
  }
  const [left, right] = differingLines(before, after)
  if (left.length > MAX_COUNTED_BYTES || right.length > MAX_COUNTED_BYTES) return null
  const options = { maxEditLength: MAX_EDITS, timeout: COUNT_TIMEOUT_MS }
  const parts = diffArrays(linesOf(left), linesOf(right), options)
  if (parts === undefined) return null
  const sum = (side: 'added' | 'removed') => parts.reduce((total, part) => total + (part[side] ? part.count : 0), 0)
  return { added: sum('added'), removed: sum('removed'), binary: false }
}

function isBinary(data: Buffer): boolean {
  return data.subarray(0, BINARY_LOOK_BYTES).includes(0)
}

function linesOf(data: Buffer): string[] {
  return data.length === 0 ? [] : data.toString('latin1').split(/(?<=\n)/)
}

/** What is left of two contents without the whole lines that they begin and end with alike. */
function differingLines(a: Buffer, b: Buffer): [Buffer, Buffer] {
  const shorter = Math.min(a.length, b.length)
  let start = 0
  while (start < shorter && a.compare(b, start, blockEnd(start, shorter), start, blockEnd(start, shorter)) === 0) {
    start = blockEnd(start, shorter)
  }
  while (start < shorter && a[start] === b[start]) start++
  start = start === 0 ? 0 : a.lastIndexOf(NEWLINE, start - 1) + 1
  const [left, right] = [a.subarray(start), b.subarray(start)]
  const most = Math.min(left.length, right.length)
  let same = 0
  while (same < most && left[left.length - 1 - same] === right[right.length - 1 - same]) same++
  const lineEnd = left.indexOf(NEWLINE, left.length - same)
  const kept = same === 0 || lineEnd === -1 ? 0 : left.length - lineEnd - 1
  return [left.subarray(0, left.length - kept), right.subarray(0, right.length - kept)]
}

function blockEnd(start: number, length: number): number {
  return Math.min(length, start + COMPARED_BYTES)
}

/** As git counts: a last line without an end is one too. */
function lineCount(data: Buffer): number {
  let lines = 0
  for (let at = data.indexOf(10); at !== -1; at = data.indexOf(10, at + 1)) lines++
  return data.length > 0 && data[data.length - 1] !== 10 ? lines + 1 : lines
}
