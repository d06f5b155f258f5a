import { z } from 'zod'
import { defineTool, refusal } from './define-tool.ts'
import { type FoundLine, shownLine } from './found-line.ts'
import { NAMES_CR, withLoneReturns } from './lone-returns.ts'
import { findNamed } from './look-alike.ts'
import { search } from './search.ts'
import { findSearchExclusions } from './search-exclusions.ts'
import { showName } from './shown-name.ts'
import { encodingOf } from './text-form.ts'
import type { ToolContext } from './tool.ts'
import { showAroundMatches } from './within-long-lines.ts'

const MAX_LINES = 100
const MAX_LINE_CHARS = 500
const PROBE_BYTES = 8_192

const GrepInputSchema = z.strictObject({
  pattern: z.string().min(1).max(4_000).describe('A regular expression in the syntax of ripgrep.'),
  path: z
    .string()
    .min(1)
    .max(4_096)
    .optional()
    .describe('File or directory to search in. Default: the whole workspace.'),
  glob: z.string().min(1).max(1_000).optional().describe('Only files that match this glob, for example *.ts.'),
  output_mode: z
    .enum(['content', 'files_with_matches', 'count'])
    .optional()
    .describe('content (default): path:line:text; files_with_matches: paths alone; count: path:number.'),
  ignore_case: z.boolean().optional().describe('Upper and lower case are the same. Default false.'),
  context: z.number().int().min(0).max(10).optional().describe('Lines to show before and after each match. Default 0.'),
})

type GrepInput = z.infer<typeof GrepInputSchema>

/** Searches file contents, sorted by path, at most 100 lines of at most 500 characters, of a longer one around its match. */
export const grep = defineTool<GrepInput>({
  name: 'grep',
  description: [
    `Searches the contents of files for a regular expression; at most ${MAX_LINES} lines, each cut at ${MAX_LINE_CHARS} characters.`,
    'Binary files, files that .gitignore names and installed packages (node_modules, .venv) are left out, and the answer says so.',
  ].join('\n'),
  schema: GrepInputSchema,
  readOnly: true,
  async run(input, context) {
    const { sandbox } = context
    const target = await findNamed(sandbox, input.path ?? '.')
    if (!target.ok) return refusal(target.message)
    const { path, note, similar } = target
    const stat = await sandbox.stat(path)
    if (stat === null) return refusal([`${showName(path)} does not exist.`, similar].filter(Boolean).join(' '))
    if (input.glob?.startsWith('!')) return refusal('glob must not begin with "!".')
    const leftOut =
      stat.kind === 'directory' ? await findSearchExclusions(sandbox, path, `${path}/${input.glob ?? ''}`) : null
    const end = input.output_mode === 'files_with_matches' ? '\0' : '\n'
    const args = [...globArgs(input), ...argsFor(input), ...(leftOut?.globs ?? [])]
    const found = await search([...args, '--', path], '.', context, {
      end,
      at: path,
      skipped: leftOut?.names ?? [],
    })
    if (!found.ok) return refusal(found.message)
    const { lines, paths } = await withLoneReturns(
      found.lines.length === 0 ? [] : linesOf(found.lines, input),
      {
        pattern: input.pattern,
        mode: input.output_mode ?? 'content',
        args: argsFor({
          ...input,
          output_mode: input.output_mode === 'files_with_matches' ? 'count' : input.output_mode,
        }),
        globs: [...globArgs(input), ...(leftOut?.globs ?? [])],
        at: path,
        skipped: leftOut?.names ?? [],
        isSeparated: (input.context ?? 0) > 0,
      },
      context,
    )
    const shown = await showAroundMatches(lines.slice(0, MAX_LINES), patternArgs(input), paths, context)
    const notes = [
      leftOut?.noteOf(found.note === null) ?? null,
      found.note,
      note === null ? null : `(${note})`,
      stat.kind === 'file' && lines.length === 0 ? await whyNotSearched(path, context) : null,
    ].filter((line) => line !== null)
    const answer = lines.length === 0 ? ['No matches found.'] : capped(shown, lines.length, found.complete)
    return { content: [...answer, ...notes].join('\n'), isError: false }
  },
})

function globArgs({ glob }: GrepInput): string[] {
  return glob === undefined ? [] : [`--glob=${glob}`]
}

function argsFor(input: GrepInput): string[] {
  return [...modeArgs(input), ...patternArgs(input).args, `--regexp=${input.pattern}`]
}

/** With CRLF as a line end `$` stands before it. */
function patternArgs({ pattern, ignore_case }: GrepInput): { readonly pattern: string; readonly args: string[] } {
  const flags = [...(ignore_case === true ? ['--ignore-case'] : []), ...(NAMES_CR.test(pattern) ? [] : ['--crlf'])]
  return { pattern, args: flags }
}

function modeArgs(input: GrepInput): string[] {
  // Parts the path from the rest, whatever characters a name has.
  switch (input.output_mode ?? 'content') {
    case 'files_with_matches':
      return ['--null', '--files-with-matches']
    case 'count':
      return ['--null', '--count', '--with-filename']
    case 'content':
      return [
        '--null',
        '--line-number',
        '--with-filename',
        '--no-heading',
        // A minified file has lines of megabytes: ripgrep cuts them itself, before they fill the log.
        `--max-columns=${MAX_LINE_CHARS}`,
        '--max-columns-preview',
        ...(input.context === undefined ? [] : [`--context=${input.context}`]),
      ]
  }
}

/** A name may hold line feeds: what lies between two line feeds and has no NUL begins the name that the next one ends. */
function linesOf(raw: readonly string[], { output_mode }: GrepInput): FoundLine[] {
  if (output_mode === 'files_with_matches') return raw.map((path) => ({ path, rest: null }))
  const lines: FoundLine[] = []
  let begun: string[] = []
  for (const printed of raw) {
    // With CRLF as a line end ripgrep ends a file's last line so, too.
    const line = printed.replace(/\r{1,2}$/, '')
    const end = line.indexOf('\0')
    if (end !== -1) {
      lines.push({ path: [...begun, line.slice(0, end)].join('\n'), rest: line.slice(end + 1) })
      begun = []
    } else if (line === '--' || line.includes(': binary file matches')) lines.push({ path: line, rest: null })
    else begun.push(line)
  }
  return [...lines, ...begun.map((path) => ({ path, rest: null }))]
}

function capped(shown: readonly FoundLine[], count: number, complete: boolean): string[] {
  const lines = shown.map((line) => shownLine(line, MAX_LINE_CHARS))
  if (count <= MAX_LINES && complete) return lines
  const total = `${complete ? '' : 'more than '}${count}`
  return [...lines, `(${total} lines found, the first ${lines.length} shown; narrow the pattern or the path)`]
}

/** Of a file that was named and that ripgrep takes for none or for another text than it is: a line that says so. */
async function whyNotSearched(path: string, { sandbox }: ToolContext): Promise<string | null> {
  const { data } = await sandbox.read(path, { offset: 0, length: PROBE_BYTES })
  const form = encodingOf(data)
  if (form.kind === 'text') return null
  if (form.iconv === null) return `(${showName(path)} is a binary file; use bash to look at it)`
  return `(${showName(path)} is in ${form.name}, which is not searched; use bash: iconv -f ${form.iconv} -t UTF-8 < file)`
}
