/** A unified diff as git prints it, taken apart. Pure; knows nothing of files. */

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
  /** Where it begins in the file as it is after the change; without lines there, the line behind the gap. */
  readonly firstAfter: number
  readonly lines: readonly PatchLine[]
}

/** What a diff says of one file; without hunks when it is binary, or only renamed or of another mode. */
export interface PatchFile {
  /** Relative to the workspace, after a rename; empty when the diff was cut before it was told. */
  readonly path: string
  readonly kind: 'create' | 'modify' | 'delete'
  readonly binary: boolean
  readonly hunks: readonly PatchHunk[]
}

interface OpenFile {
  path: string
  kind: PatchFile['kind']
  binary: boolean
  hunks: OpenHunk[]
}

interface OpenHunk extends PatchHunk {
  lines: PatchLine[]
}

/** A hunk that is being read: lines that it still owes, and the numbers of the next one. */
interface Cursor {
  readonly lines: PatchLine[]
  oldLeft: number
  newLeft: number
  before: number
  after: number
}

/**
 * The files of a diff in its own order. Understands new, deleted, renamed, binary and mode-only entries, quoted names, diffs
 * without `diff --git` lines and a patch that was cut anywhere. A line inside a hunk is never taken for a header, whatever it
 * looks like, since a hunk says how many lines it has.
 */
export function parsePatch(patch: string): PatchFile[] {
  const files: OpenFile[] = []
  let at: Cursor | null = null
  for (const line of patch.split('\n')) {
    const file = files.at(-1)
    if (at !== null && takeLine(line, at)) continue
    at = file === undefined ? null : openHunk(line, file)
    if (at === null) takeHeader(line, files)
  }
  return files
}

function openHunk(line: string, file: OpenFile): Cursor | null {
  const match = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)$/.exec(line)
  if (match === null) return null
  const newLeft = Number(match[4] ?? 1)
  // A hunk without new lines names the line before the gap; the next one is where the counting goes on.
  const after = newLeft === 0 ? Number(match[3]) + 1 : Number(match[3])
  const hunk: OpenHunk = { heading: match[5] ?? '', firstAfter: after, lines: [] }
  file.hunks.push(hunk)
  return { lines: hunk.lines, oldLeft: Number(match[2] ?? 1), newLeft, before: Number(match[1]), after }
}

/** Whether the line belongs to the hunk. */
function takeLine(line: string, at: Cursor): boolean {
  const mark = line[0]
  if (mark === '\\') {
    const last = at.lines.pop()
    if (last !== undefined) at.lines.push({ ...last, isUnended: true })
    return true
  }
  const rest = { text: line.slice(1), isUnended: false }
  if (mark === '+' && at.newLeft > 0) {
    at.newLeft--
    at.lines.push({ kind: 'added', before: null, after: at.after++, ...rest })
    return true
  }
  if (mark === '-' && at.oldLeft > 0) {
    at.oldLeft--
    at.lines.push({ kind: 'removed', before: at.before++, after: null, ...rest })
    return true
  }
  // Some tools strip the space of an empty context line.
  if ((mark === ' ' || line === '') && at.oldLeft > 0 && at.newLeft > 0) {
    at.oldLeft--
    at.newLeft--
    at.lines.push({ kind: 'context', before: at.before++, after: at.after++, ...rest })
    return true
  }
  return false
}

function takeHeader(line: string, files: OpenFile[]): void {
  const file = files.at(-1)
  if (line.startsWith('diff --git ')) {
    files.push({ path: pathOfGitLine(line.slice(11)), kind: 'modify', binary: false, hunks: [] })
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
  if (file === undefined || file.hunks.length > 0) {
    files.push({ path: path ?? '', kind: path === null ? 'create' : 'modify', binary: false, hunks: [] })
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
