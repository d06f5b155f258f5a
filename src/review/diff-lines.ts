/** Which lines a diff touches. Pure; knows nothing of files. */

import { type PatchFile, type PatchHunk, parsePatch } from '../shared/patch.ts'

/** First and last line, counted from 1 in the file as it is after the change. */
export interface LineRange {
  readonly first: number
  readonly last: number
}

/** One file of a diff with the lines of it that are new. */
export interface ChangedFileLines {
  readonly path: string
  readonly kind: 'create' | 'modify' | 'delete'
  readonly binary: boolean
  /** Added lines, and for removed ones the lines on both sides of the gap; ascending. Empty for deleted and binary files. */
  readonly ranges: readonly LineRange[]
}

/** By path, relative to the workspace. */
export type ChangedLines = ReadonlyMap<string, ChangedFileLines>

/** The lines that each file's change touches; see {@link parsePatch} for what is understood. Pure. */
export function changedLines(patch: string): ChangedLines {
  const files = parsePatch(patch).filter(({ path }) => path !== '')
  return new Map(
    files.map(({ path, kind, binary, hunks }) => [path, { path, kind, binary, ranges: merge(rangesOf(kind, hunks)) }]),
  )
}

function rangesOf(kind: PatchFile['kind'], hunks: readonly PatchHunk[]): LineRange[] {
  const ranges: LineRange[] = []
  for (const { firstAfter, lines } of hunks) {
    let next = firstAfter
    for (const line of lines) {
      if (line.kind === 'added') ranges.push({ first: next, last: next })
      if (line.kind !== 'removed') next += 1
      else if (kind !== 'delete') ranges.push({ first: Math.max(1, next - 1), last: next })
    }
  }
  return ranges
}

function merge(ranges: readonly LineRange[]): LineRange[] {
  const merged: LineRange[] = []
  for (const range of ranges) {
    const last = merged.at(-1)
    if (last === undefined || range.first > last.last + 1) merged.push(range)
    else merged[merged.length - 1] = { first: last.first, last: Math.max(last.last, range.last) }
  }
  return merged
}

/** Git shows three unchanged lines around a change; a finding on one of them is about the change. */
const CONTEXT_LINES = 3

/** Whether the change touches this place: the file at all when `line` is absent or the file has no lines to compare. */
export function touches(changed: ChangedLines, file: string, line?: number): boolean {
  const entry = changed.get(file)
  if (entry === undefined) return false
  if (line === undefined || entry.kind === 'delete' || entry.binary || entry.ranges.length === 0) return true
  return entry.ranges.some((range) => line >= range.first - CONTEXT_LINES && line <= range.last + CONTEXT_LINES)
}
