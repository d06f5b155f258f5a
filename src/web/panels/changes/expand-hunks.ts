/** The unchanged lines around and between hunks, shown by request. Pure. */

import type { PatchHunk, PatchLine } from '../../../shared/patch.ts'

/** How many lines of a gap are shown: behind the hunk before it, and before the hunk after it. */
export interface Reveal {
  readonly below: number
  readonly above: number
}

/** A file's hunks with more unchanged lines around them than a diff has by itself. */
export interface WideHunks {
  /** Unchanged lines around each change that were asked for. */
  readonly contextLines: number
  readonly hunks: readonly PatchHunk[]
  /** The patch was cut, so its last lines need not be the file's. */
  readonly truncated: boolean
}

/** A file’s diff from top to bottom: lines that are shown, and gaps that could be. */
export type DiffBlock =
  | { readonly kind: 'lines'; readonly lines: readonly PatchLine[] }
  | {
      readonly kind: 'gap'
      /** The gap lies before the hunk of this index; behind the last hunk it is their number. */
      readonly index: number
      /** Lines that are not shown; null while nobody knows where the file ends. */
      readonly hidden: number | null
      readonly heading: string
    }

/** Unchanged lines that git puts around each change by itself. */
export const PLAIN_CONTEXT_LINES = 3

const NOTHING: Reveal = { below: 0, above: 0 }

/**
 * What stands in the file's table: its hunks, the lines of gaps that were asked for and are known by `wide`, and a gap
 * wherever lines are left out. Gaps that are shown whole join the hunks on both sides.
 */
export function diffBlocksOf(
  hunks: readonly PatchHunk[],
  wide: WideHunks | null,
  reveals: ReadonlyMap<number, Reveal>,
): DiffBlock[] {
  const blocks: DiffBlock[] = []
  const known = unchangedLines(wide)
  let run: PatchLine[] = []
  for (const [index, range] of gapsOf(hunks, wide).entries()) {
    const { below, above } = reveals.get(index) ?? NOTHING
    const size = range.last === null ? null : range.last - range.first + 1
    const behind = runOf(known, range.first, 1, Math.min(below, size ?? below))
    const before = range.last === null ? [] : runOf(known, range.last, -1, Math.min(above, (size ?? 0) - behind.length))
    const hidden = size === null ? null : size - behind.length - before.length
    run.push(...behind)
    if (hidden !== 0) {
      if (run.length > 0) blocks.push({ kind: 'lines', lines: run })
      blocks.push({ kind: 'gap', index, hidden, heading: hunks[index]?.heading ?? '' })
      run = []
    }
    run.push(...before.reverse(), ...(hunks[index]?.lines ?? []))
  }
  if (run.length > 0) blocks.push({ kind: 'lines', lines: run })
  return blocks
}

/** The unchanged lines around each change that must be known to show what `reveals` asks for. */
export function contextFor(reveals: ReadonlyMap<number, Reveal>): number {
  return Math.max(0, ...[...reveals.values()].flatMap(({ below, above }) => [below, above])) + PLAIN_CONTEXT_LINES
}

interface LineRange {
  /** Numbers in the file after the change. */
  readonly first: number
  readonly last: number | null
}

/** One more than there are hunks; none for a file of which nothing is left. */
function gapsOf(hunks: readonly PatchHunk[], wide: WideHunks | null): LineRange[] {
  const ends = hunks.map(({ lines }) => ({
    first: lines.find(({ after }) => after !== null)?.after ?? null,
    last: lines.findLast(({ after }) => after !== null)?.after ?? null,
  }))
  if (ends.some(({ first }) => first === null)) return hunks.map(() => ({ first: 1, last: 0 }))
  const end = lastLine({ contextLines: PLAIN_CONTEXT_LINES, hunks, truncated: false }) ?? (wide && lastLine(wide))
  return [...ends, { first: null, last: null }].map(({ first }, index) => ({
    first: (ends[index - 1]?.last ?? 0) + 1,
    last: first === null ? end : first - 1,
  }))
}

/** The number of the file's last line, when fewer unchanged lines follow the last change than were asked for. */
function lastLine({ hunks, contextLines, truncated }: WideHunks): number | null {
  const lines = hunks.at(-1)?.lines ?? []
  const trailing = lines.length - 1 - lines.findLastIndex(({ kind }) => kind !== 'context')
  if (truncated || trailing >= contextLines) return null
  return lines.findLast(({ after }) => after !== null)?.after ?? null
}

function unchangedLines(wide: WideHunks | null): ReadonlyMap<number, PatchLine> {
  const known = new Map<number, PatchLine>()
  for (const { lines } of wide?.hunks ?? []) {
    for (const line of lines) if (line.kind === 'context' && line.after !== null) known.set(line.after, line)
  }
  return known
}

/** At most `count` known lines one after the other, from a number on. */
function runOf(known: ReadonlyMap<number, PatchLine>, from: number, step: 1 | -1, count: number): PatchLine[] {
  const run: PatchLine[] = []
  for (let at = from; run.length < count; at += step) {
    const line = known.get(at)
    if (line === undefined) break
    run.push(line)
  }
  return run
}
