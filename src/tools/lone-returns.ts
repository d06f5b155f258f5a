/** Searches files whose lines end with a carriage return alone: to ripgrep each of them is one line. */

import { execIdFor, killsOnAbort, QUIET_ENV, runExec } from './exec.ts'
import type { FoundLine } from './found-line.ts'
import { search } from './search.ts'
import type { ToolContext } from './tool.ts'

/** Files that are looked at once more, and how large they may be. */
const MAX_FILES = 20
const MAX_BYTES = 10 * 1024 * 1024
const TIMEOUT_MS = 20_000
const HEAD_BYTES = 128 * 1024

/** Words: how many of ripgrep's arguments follow, they, the files. Before what a file has stands its number behind a NUL. */
const SCRIPT = `
count=$1; shift
args=("\${@:1:count}"); shift "$count"
for file; do
  number=$((number + 1))
  [ "$(head -c ${MAX_BYTES + 1} -- "$file" | wc -c)" -le ${MAX_BYTES} ] || continue
  [ "$(tr -cd '\\n' < "$file" | head -c 1 | wc -c)" = 0 ] || continue
  printf '\\0%s\\n' "$number"
  tr '\\r' '\\n' < "$file" | rg "\${args[@]}" -
done
exit 0
`

/** A pattern that names a carriage return itself looks at the bytes: no such character ends a line then. */
export const NAMES_CR = /\r|\\(?:r|x0d|x\{0*d\}|u000d|u\{0*d\})/i

/** A search that was made, and what it found. */
export interface MadeSearch {
  readonly pattern: string
  readonly mode: 'content' | 'files_with_matches' | 'count'
  /** ripgrep's arguments, with `--null` and `--with-filename`, for lines or for their number; without the place. */
  readonly args: readonly string[]
  /** Whether a line stands between lines that are apart, as it does where context is shown. */
  readonly isSeparated: boolean
  /** What is left out, the place searched, and the names that `search` does not enter. */
  readonly globs: readonly string[]
  readonly at: string
  readonly skipped: readonly string[]
}

/**
 * The lines found, with those of files of lone carriage returns as they are by such lines: their numbers, their text, and what
 * `^` and `$` find there. At most 20 such files of at most 10 MiB; of others the lines stay. `paths` are the files so searched.
 * A pattern with `^` or `$` looks through the place once more, at the same time as `found`. Throws what the sandbox throws. Safe
 * to repeat.
 */
export async function withLoneReturns(
  found: readonly FoundLine[],
  made: MadeSearch,
  context: ToolContext,
): Promise<{ readonly lines: readonly FoundLine[]; readonly paths: ReadonlySet<string> }> {
  const nothing = { lines: found, paths: new Set<string>() }
  if (NAMES_CR.test(made.pattern)) return nothing
  const candidates = [...new Set([...suspects(found, made.mode), ...(await anchored(made, context))])].slice(
    0,
    MAX_FILES,
  )
  if (candidates.length === 0) return nothing
  const within = await searchWithin(candidates, made, context)
  if (within.size === 0) return nothing
  return { lines: merge(found, within, made.isSeparated), paths: new Set(within.keys()) }
}

/** Files of which the first line is all that was found, where it holds a carriage return or may hold one. */
function suspects(found: readonly FoundLine[], mode: MadeSearch['mode']): string[] {
  if (mode === 'files_with_matches') return []
  if (mode === 'count') return found.flatMap(({ path, rest }) => (rest === '1' ? [path] : []))
  return found.flatMap(({ path, rest }) => {
    const isSuspect = rest?.startsWith('1:') === true && (rest.includes('\r') || rest.includes(' [... '))
    return isSuspect ? [path] : []
  })
}

/** Where a line's beginning or end is asked for, ripgrep finds none of them: the files that may have such lines. */
async function anchored({ pattern, at, globs, skipped }: MadeSearch, context: ToolContext): Promise<string[]> {
  if (!/(?<![\\[])[$^]/.test(pattern)) return []
  const args = ['--null', '--files-with-matches', `--max-filesize=${MAX_BYTES}`, ...globs, String.raw`--regexp=\r[^\n]`]
  const found = await search([...args, '--', at], '.', context, { end: '\0', part: '.returns', at, skipped })
  return found.ok ? [...found.lines] : []
}

/** By path what was found in each file that has no line feed; an empty list where nothing was. */
async function searchWithin(
  paths: readonly string[],
  { args, mode }: MadeSearch,
  context: ToolContext,
): Promise<ReadonlyMap<string, readonly FoundLine[]>> {
  const all = ['--no-config', '--color=never', ...args]
  const { state, head } = await runExec(
    context.sandbox,
    {
      execId: execIdFor(context.taskId, `${context.toolUseId}.within`),
      taskId: context.taskId,
      argv: ['bash', '-c', SCRIPT, 'search', String(all.length), ...all, ...paths],
      cwd: '.',
      env: QUIET_ENV,
      timeoutMs: TIMEOUT_MS,
    },
    {
      signal: context.signal,
      shouldKill: killsOnAbort,
      onProgress: () => context.onProgress(),
      headBytes: HEAD_BYTES,
      tailBytes: 0,
    },
  )
  const within = new Map<string, FoundLine[]>()
  if (state.status !== 'exited') return within
  let path = ''
  for (const line of new TextDecoder('utf-8', { ignoreBOM: true }).decode(head).split('\n').slice(0, -1)) {
    const begun = line.startsWith('\0') ? paths[Number(line.slice(1)) - 1] : undefined
    path = begun ?? path
    if (begun !== undefined) within.set(path, [])
    else within.get(path)?.push(lineOf(line, path, mode))
  }
  return within
}

function lineOf(printed: string, path: string, mode: MadeSearch['mode']): FoundLine {
  const rest = /^<stdin>\0(.*)$/s.exec(printed)?.[1]
  if (rest === undefined) return { path: printed, rest: null }
  return { path, rest: mode === 'files_with_matches' ? null : rest.replace(/\r{1,2}$/, '') }
}

/** Lines between two separators, or of one file where there are none. */
interface Block {
  readonly path: string
  readonly lines: FoundLine[]
}

function merge(found: readonly FoundLine[], within: ReadonlyMap<string, readonly FoundLine[]>, isSeparated: boolean) {
  const blocks = blocksOf(found).filter(({ path }) => !within.has(path))
  for (const [path, lines] of within) {
    const after = blocks.findIndex((block) => orderOf(block.path) > orderOf(path))
    blocks.splice(after === -1 ? blocks.length : after, 0, ...blocksOf(lines))
  }
  return blocks.flatMap(({ lines }, index) => (isSeparated && index > 0 ? [SEPARATOR, ...lines] : lines))
}

const SEPARATOR: FoundLine = { path: '--', rest: null }

function blocksOf(lines: readonly FoundLine[]): Block[] {
  const blocks: Block[] = []
  let open: Block | null = null
  for (const line of lines) {
    const isBetween = line.path === SEPARATOR.path && line.rest === null
    if (isBetween || line.path !== open?.path) open = null
    if (isBetween) continue
    if (open === null) blocks.push((open = { path: line.path, lines: [] }))
    open.lines.push(line)
  }
  return blocks
}

/** Sorts as ripgrep does: a directory's names before those of the next directory. */
function orderOf(path: string): string {
  return path.replaceAll('/', '\0')
}
