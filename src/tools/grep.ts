import { z } from 'zod'
import { cleanText, cutText } from '../shared/text/clean-text.ts'
import { defineTool, refusal } from './define-tool.ts'
import { findFile } from './look-alike.ts'
import { search } from './search.ts'
import { findSearchExclusions } from './search-exclusions.ts'
import { showCharacters } from './shown-text.ts'
import { toWorkspacePath } from './workspace-path.ts'

const MAX_LINES = 100
const MAX_LINE_CHARS = 500

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

/** Searches file contents, sorted by path, at most 100 lines of at most 500 characters. */
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
    const target = toWorkspacePath(input.path ?? '.', sandbox.root)
    if (!target.ok) return refusal(target.message)
    const { path, note } = await findFile(sandbox, target.path)
    const stat = await sandbox.stat(path)
    if (stat === null) return refusal(`${path} does not exist.`)
    if (input.glob?.startsWith('!')) return refusal('glob must not begin with "!".')
    const leftOut =
      stat.kind === 'directory' ? await findSearchExclusions(sandbox, path, `${path}/${input.glob ?? ''}`) : null
    const found = await search([...argsFor(input), ...(leftOut?.globs ?? []), '--', path], '.', context)
    if (!found.ok) return refusal(found.message)
    const notes = [leftOut?.note ?? null, note === null ? null : `(${note})`].filter((line) => line !== null)
    const answer = found.lines.length === 0 ? 'No matches found.' : shownLines(found.lines, found.complete)
    return { content: [answer, ...notes].join('\n'), isError: false }
  },
})

function argsFor(input: GrepInput): string[] {
  return [
    ...modeArgs(input),
    ...(input.ignore_case === true ? ['--ignore-case'] : []),
    ...(input.glob === undefined ? [] : [`--glob=${input.glob}`]),
    `--regexp=${input.pattern}`,
  ]
}

function modeArgs(input: GrepInput): string[] {
  switch (input.output_mode ?? 'content') {
    case 'files_with_matches':
      return ['--files-with-matches']
    case 'count':
      return ['--count', '--with-filename']
    case 'content':
      return [
        '--line-number',
        '--with-filename',
        '--no-heading',
        // Parts the path from the rest, whatever characters a name has.
        '--null',
        // A minified file has lines of megabytes: ripgrep cuts them itself, before they fill the log.
        `--max-columns=${MAX_LINE_CHARS}`,
        '--max-columns-preview',
        ...(input.context === undefined ? [] : [`--context=${input.context}`]),
      ]
  }
}

function shownLines(lines: readonly string[], complete: boolean): string {
  const shown = lines.slice(0, MAX_LINES).map((line) => {
    const text = shownLine(line)
    return text.length <= MAX_LINE_CHARS ? text : `${cutText(text, MAX_LINE_CHARS)} […]`
  })
  if (lines.length <= MAX_LINES && complete) return shown.join('\n')
  const total = `${complete ? '' : 'more than '}${lines.length}`
  return [...shown, `(${total} lines found, the first ${shown.length} shown; narrow the pattern or the path)`].join(
    '\n',
  )
}

/** `path:number:text`, in lines of context `path-number-text`, with every character of the line visible. */
function shownLine(line: string): string {
  const end = line.indexOf('\0')
  const path = cleanText((end === -1 ? line : line.slice(0, end)).replace(/^\.\//, ''))
  if (end === -1) return path
  const rest = line.slice(end + 1).replace(/\r$/, '')
  const separator = /^\d+([:-])/.exec(rest)?.[1] ?? ':'
  return `${path}${separator}${showCharacters(rest.replace(/^(\d+[:-])\ufeff/, '$1'))}`
}
