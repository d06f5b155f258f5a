/** A unified diff as git prints it, taken apart for the eye. Pure. */

/** A line of a hunk; numbers count from 1. */
export interface PatchLine {
  readonly kind: 'context' | 'added' | 'removed'
  /** Line number before the change; null for an added line. */
  readonly before: number | null
  /** Line number after it; null for a removed line. */
  readonly after: number | null
  readonly text: string
  /** The file ends here without a line break. */
  readonly isUnended: boolean
}

/** Lines of a file that lie together. */
export interface PatchHunk {
  /** What git writes after the numbers, usually the function that the lines lie in. */
  readonly heading: string
  readonly lines: readonly PatchLine[]
}

/**
 * The hunks of each file, in the order in which the patch names the files; a file without any (binary, renamed, mode)
 * has none. A patch that was cut anywhere gives what is there. A line that begins with `diff --git` is always a header,
 * since git puts a mark before every line of a file.
 */
export function parsePatch(patch: string): PatchHunk[][] {
  const files: PatchHunk[][] = []
  for (const section of patch.split(/^(?=diff --git )/m)) {
    if (section.startsWith('diff --git ')) files.push(hunksOf(section))
  }
  return files
}

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

interface Cursor {
  before: number
  after: number
}

function hunksOf(section: string): PatchHunk[] {
  const hunks: { heading: string; lines: PatchLine[] }[] = []
  const at: Cursor = { before: 0, after: 0 }
  const lines = section.split('\n')
  if (lines.at(-1) === '') lines.pop()
  for (const line of lines) {
    const header = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@ ?(.*)$/.exec(line)
    if (header !== null) {
      at.before = Number(header[1])
      at.after = Number(header[2])
      hunks.push({ heading: header[3] ?? '', lines: [] })
      continue
    }
    const hunk = hunks.at(-1)
    if (hunk === undefined) continue
    const last = hunk.lines.at(-1)
    if (line.startsWith('\\') && last !== undefined) hunk.lines[hunk.lines.length - 1] = { ...last, isUnended: true }
    else hunk.lines.push(lineFrom(line, at))
  }
  return hunks
}

function lineFrom(line: string, at: Cursor): PatchLine {
  const text = line.slice(1)
  switch (line[0]) {
    case '+':
      return { kind: 'added', before: null, after: at.after++, text, isUnended: false }
    case '-':
      return { kind: 'removed', before: at.before++, after: null, text, isUnended: false }
    default:
      // Some tools strip the space of an empty context line.
      return { kind: 'context', before: at.before++, after: at.after++, text, isUnended: false }
  }
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
