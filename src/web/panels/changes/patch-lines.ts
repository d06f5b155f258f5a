/** The lines of a diff as the eye compares them. Pure. */

import type { PatchHunk, PatchLine } from '../../../shared/patch.ts'

/** Whether two files' hunks show the same lines at the same places. */
export function isSameHunks(a: readonly PatchHunk[], b: readonly PatchHunk[]): boolean {
  const isSameLine = (line: PatchLine, other: PatchLine | undefined): boolean =>
    other !== undefined &&
    line.text === other.text &&
    line.before === other.before &&
    line.after === other.after &&
    line.isUnended === other.isUnended
  return (
    a.length === b.length &&
    a.every(({ lines, heading }, index) => {
      const other = b[index]
      if (other === undefined || other.heading !== heading || other.lines.length !== lines.length) return false
      return lines.every((line, at) => isSameLine(line, other.lines[at]))
    })
  )
}

/** Two lines side by side; one side is null where the other has no counterpart. */
export interface PatchPair {
  readonly left: PatchLine | null
  readonly right: PatchLine | null
}

/** Removed lines beside the added ones that follow them, unchanged lines beside themselves. */
export function pairLines(lines: readonly PatchLine[]): PatchPair[] {
  const pairs: PatchPair[] = []
  let removed: PatchLine[] = []
  let added: PatchLine[] = []
  const flush = (): void => {
    for (let i = 0; i < Math.max(removed.length, added.length); i++) {
      pairs.push({ left: removed[i] ?? null, right: added[i] ?? null })
    }
    removed = []
    added = []
  }
  for (const line of lines) {
    if (line.kind === 'added') added.push(line)
    else if (line.kind === 'removed') {
      if (added.length > 0) flush()
      removed.push(line)
    } else {
      flush()
      pairs.push({ left: line, right: line })
    }
  }
  flush()
  return pairs
}

/** The words in which a removed and an added line differ: where the same begins and ends on both. Null when too unlike. */
export function changedSpan(left: string, right: string): { start: number; leftEnd: number; rightEnd: number } | null {
  const shorter = Math.min(left.length, right.length)
  let start = 0
  while (start < shorter && left[start] === right[start]) start++
  let end = 0
  while (end < shorter - start && left[left.length - 1 - end] === right[right.length - 1 - end]) end++
  // Less than a third in common is a different line, where marks would only be noise.
  if (start + end < shorter / 3) return null
  return { start, leftEnd: left.length - end, rightEnd: right.length - end }
}
