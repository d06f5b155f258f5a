/** Of a line that is too long to be shown whole, such as one of a minified file or of one without line feeds, the match. */

import type { FoundLine } from './found-line.ts'
import { search } from './search.ts'
import type { ToolContext } from './tool.ts'

/** Characters that are shown before and behind a match. */
const AROUND = 120
/** Files with long lines that are looked at once more. */
const MAX_FILES = 20
/** What ripgrep writes behind the beginning of a line that it cuts. */
const CUT = / \[\.\.\. (?:omitted end of long line|\d+ more match(?:es)?)\]$/

/**
 * The same lines; those that ripgrep cut show what lies around their first match in the place of their beginning. `find` is
 * how they were found. Lines of the files in `except` stay as they are. Lines of context stay. Throws what the sandbox throws. Safe to repeat.
 */
export async function showAroundMatches(
  lines: readonly FoundLine[],
  find: { readonly pattern: string; readonly args: readonly string[] },
  except: ReadonlySet<string>,
  context: ToolContext,
): Promise<readonly FoundLine[]> {
  const long = lines.filter(
    ({ path, rest }) => !except.has(path) && rest !== null && /^\d+:/.test(rest) && CUT.test(rest),
  )
  if (long.length === 0) return lines
  const paths = [...new Set(long.map(({ path }) => path))].slice(0, MAX_FILES)
  const regexp = `--regexp=.{0,${AROUND}}(?:${find.pattern}).{0,${AROUND}}`
  const args = ['--null', '--line-number', '--with-filename', '--no-heading', '--only-matching', ...find.args, regexp]
  const found = await search([...args, '--', ...paths], '.', context, { part: '.around', at: paths[0] ?? '.' })
  // The beginnings of the lines are shown then; what was found stays found.
  if (!found.ok) return lines
  const matches = new Map<string, string>()
  for (const line of found.lines) {
    const number = /^[^\0]*\0\d+:/.exec(line)?.[0]
    if (number !== undefined && !matches.has(number)) matches.set(number, line.slice(number.length).replace(/\r$/, ''))
  }
  return lines.map((line) => {
    const number = line.rest === null ? undefined : /^\d+:/.exec(line.rest)?.[0]
    const match =
      number === undefined || !CUT.test(line.rest ?? '') ? undefined : matches.get(`${line.path}\0${number}`)
    return match === undefined ? line : { path: line.path, rest: `${number ?? ''}[…] ${match} […]` }
  })
}
