/** Reads a unified diff as git prints it. Pure; knows nothing of files. */

export interface LineRange {
  /** First and last line, counted from 1 in the file as it is after the change. */
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

interface OpenFile {
  path: string
  kind: ChangedFileLines['kind']
  binary: boolean
  ranges: LineRange[]
}

interface Hunk {
  oldLeft: number
  newLeft: number
  newLine: number
}

/**
 * The lines that each file's change touches. Understands new, deleted, renamed, binary and mode-only entries, quoted
 * names and a patch that was cut anywhere. A line inside a hunk is never taken for a header, whatever it looks like.
 */
export function changedLines(patch: string): ChangedLines {
  const files: OpenFile[] = []
  let hunk: Hunk | null = null
  for (const line of patch.split('\n')) {
    const file = files.at(-1)
    if (hunk !== null && file !== undefined && takeHunkLine(line, hunk, file)) {
      if (hunk.oldLeft === 0 && hunk.newLeft === 0) hunk = null
      continue
    }
    hunk = file === undefined ? null : hunkFrom(line)
    if (hunk === null) takeHeader(line, files)
  }
  return new Map(
    files.filter((file) => file.path !== '').map((file) => [file.path, { ...file, ranges: merge(file.ranges) }]),
  )
}

function hunkFrom(line: string): Hunk | null {
  const match = /^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(line)
  if (match === null) return null
  const newLeft = Number(match[3] ?? 1)
  const newLine = Number(match[2])
  // A hunk without new lines names the line before the gap; the next one is where the counting goes on.
  return { oldLeft: Number(match[1] ?? 1), newLeft, newLine: newLeft === 0 ? newLine + 1 : newLine }
}

function takeHunkLine(line: string, hunk: Hunk, file: OpenFile): boolean {
  const mark = line[0]
  if (mark === '\\') return true
  if (mark === '+' && hunk.newLeft > 0) {
    file.ranges.push({ first: hunk.newLine, last: hunk.newLine })
    hunk.newLeft--
    hunk.newLine++
    return true
  }
  if (mark === '-' && hunk.oldLeft > 0) {
    if (file.kind !== 'delete') file.ranges.push({ first: Math.max(1, hunk.newLine - 1), last: hunk.newLine })
    hunk.oldLeft--
    return true
  }
  // Some tools strip the space of an empty context line.
  if ((mark === ' ' || line === '') && hunk.oldLeft > 0 && hunk.newLeft > 0) {
    hunk.oldLeft--
    hunk.newLeft--
    hunk.newLine++
    return true
  }
  return false
}

function takeHeader(line: string, files: OpenFile[]): void {
  const file = files.at(-1)
  if (line.startsWith('diff --git ')) {
    files.push({ path: pathOfGitLine(line.slice(11)), kind: 'modify', binary: false, ranges: [] })
  } else if (line.startsWith('--- ')) {
    takeOldName(line.slice(4), files)
  } else if (file === undefined) {
    return
  } else if (line.startsWith('+++ ')) {
    const path = pathOf(line.slice(4), 'b/')
    if (path === null) file.kind = 'delete'
    else file.path = path
  } else if (line.startsWith('new file mode')) file.kind = 'create'
  else if (line.startsWith('deleted file mode')) file.kind = 'delete'
  else if (line.startsWith('rename to ')) file.path = unquote(line.slice(10))
  else if (/^Binary files .* differ$/.test(line) || line === 'GIT binary patch') file.binary = true
}

function takeOldName(name: string, files: OpenFile[]): void {
  const path = pathOf(name, 'a/')
  const file = files.at(-1)
  // Without a `diff --git` line (plain `diff -u`) this line opens the file.
  if (file === undefined || file.ranges.length > 0) {
    files.push({ path: path ?? '', kind: path === null ? 'create' : 'modify', binary: false, ranges: [] })
  } else if (path === null) file.kind = 'create'
  else if (file.path === '') file.path = path
}

/** Null for /dev/null. Git ends a name that has spaces with a tab. */
function pathOf(name: string, prefix: string): string | null {
  const path = unquote(name.replace(/\r?$/, '').replace(/\t.*$/, ''))
  if (path === '/dev/null') return null
  return path.startsWith(prefix) ? path.slice(prefix.length) : path
}

/** `a/X b/X`: the only way to split a name with spaces is that both halves are the same; a rename says so further down. */
function pathOfGitLine(names: string): string {
  if (names.startsWith('"')) {
    const end = /^"(?:[^"\\]|\\.)*"/.exec(names)?.[0] ?? ''
    return pathOf(end, 'a/') ?? ''
  }
  const half = (names.length - 1) / 2
  const [left, right] = [names.slice(0, half), names.slice(half + 1)]
  return left.slice(2) === right.slice(2) ? left.slice(2) : ''
}

const ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, '\\': 92 }

/** Git's C-style quoting: octal escapes are the bytes of UTF-8. */
function unquote(name: string): string {
  if (!name.startsWith('"') || !name.endsWith('"') || name.length < 2) return name
  const bytes: number[] = []
  for (const [part] of name.slice(1, -1).matchAll(/\\[0-7]{3}|\\.|[^\\]/gsu)) {
    if (/^\\[0-7]{3}$/.test(part)) bytes.push(Number.parseInt(part.slice(1), 8))
    else if (part.startsWith('\\')) bytes.push(ESCAPES[part.slice(1)] ?? part.charCodeAt(1))
    else bytes.push(...new TextEncoder().encode(part))
  }
  return new TextDecoder().decode(Uint8Array.from(bytes))
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
