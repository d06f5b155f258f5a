import { posix } from 'node:path'
import { z } from 'zod'
import { defineTool, refusal } from './define-tool.ts'
import { findNamed } from './look-alike.ts'
import { search } from './search.ts'
import { findSearchExclusions } from './search-exclusions.ts'
import { showName } from './shown-name.ts'

const MAX_FILES = 200

const GlobInputSchema = z.strictObject({
  pattern: z
    .string()
    .min(1)
    .max(1_000)
    .describe('For example **/*.ts or src/**/*.test.js; * alone does not cross a slash.'),
  path: z.string().min(1).max(4_096).optional().describe('Directory to search in. Default: the whole workspace.'),
})

type GlobInput = z.infer<typeof GlobInputSchema>

/** Finds files by name, sorted by path, at most 200. */
export const glob = defineTool<GlobInput>({
  name: 'glob',
  description: [
    `Finds files by a glob pattern and returns their paths, sorted, at most ${MAX_FILES}.`,
    'Files that .gitignore names and installed packages (node_modules, .venv) are left out, and the answer says so.',
  ].join('\n'),
  schema: GlobInputSchema,
  readOnly: true,
  async run(input, context) {
    const { sandbox } = context
    const target = await findNamed(sandbox, input.path ?? '.')
    if (!target.ok) return refusal(target.message)
    const { path, note, similar } = target
    const stat = await sandbox.stat(path)
    if (stat === null) return refusal([`${showName(path)} does not exist.`, similar].filter(Boolean).join(' '))
    if (stat.kind !== 'directory') return refusal(`${showName(path)} is not a directory.`)
    const pattern = patternWithin(input.pattern, path, sandbox.root)
    if (pattern === null) return refusal('The pattern must not begin with "!", nor lead out of the workspace.')
    const leftOut = await findSearchExclusions(sandbox, path, `${path}/${pattern}`)
    const args = ['--files', '--null', `--glob=${pattern}`, ...leftOut.globs]
    const found = await search(args, path, context, { end: '\0', skipped: leftOut.names })
    if (!found.ok) return refusal(found.message)
    const shown = found.lines.slice(0, MAX_FILES).map((line) => showName(posix.join(path, line)))
    const answer =
      shown.length === 0 ? ['No files found.'] : [...shown, ...moreNote(found.lines.length, found.complete)]
    const notes = [leftOut.noteOf(found.note === null), found.note, note === null ? null : `(${note})`].filter(
      (line) => line !== null,
    )
    return { content: [...answer, ...notes].join('\n'), isError: false }
  },
})

/** ripgrep reads a pattern with a slash as anchored at the directory searched, one without as valid at any depth. */
function patternWithin(raw: string, base: string, root: string): string | null {
  const directory = posix.join(root, base)
  const pattern = raw.startsWith(`${directory}/`) ? raw.slice(directory.length + 1) : raw.replace(/^\.\//, '')
  if (pattern.startsWith('!') || pattern.startsWith('/') || pattern.split('/').includes('..')) return null
  return pattern
}

function moreNote(count: number, complete: boolean): string[] {
  if (count <= MAX_FILES && complete) return []
  return [`(${complete ? '' : 'more than '}${count} files found, the first ${MAX_FILES} shown; narrow the pattern)`]
}
