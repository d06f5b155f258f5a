import { z } from 'zod'
import { defineTool, refusal } from './define-tool.ts'
import { type FilePage, readFilePage } from './file-page.ts'
import { lineEndNote } from './line-ends.ts'
import { findNamed } from './look-alike.ts'
import { numberedLine } from './numbered-lines.ts'
import { showName } from './shown-name.ts'
import { notText, statTextFile } from './text-file.ts'
import type { ToolResult } from './tool.ts'

const MAX_LINES = 2_000
const MAX_CHARS = 50_000

const ReadInputSchema = z.strictObject({
  file_path: z.string().min(1).max(4_096).describe('Path in the workspace, relative or absolute.'),
  offset: z.number().int().min(1).optional().describe('First line to show, counted from 1. Default 1.'),
  limit: z.number().int().min(1).max(MAX_LINES).optional().describe(`How many lines to show, at most ${MAX_LINES}.`),
})

type ReadInput = z.infer<typeof ReadInputSchema>

/** Shows a text file with line numbers, in pages of at most 2,000 lines or 50,000 characters, whichever is less. */
export const read = defineTool<ReadInput>({
  name: 'read',
  description: [
    'Shows a text file with line numbers (number, tab, line). The numbers and the tab are not part of the file.',
    `A call shows at most ${MAX_LINES} lines or 50 KB and says with which offset to go on. Read a file before you edit it.`,
    'Several files that you need are best read in one reply, by several calls.',
    'A character that cannot be seen is shown as ⟦\\r⟧, ⟦\\x1b⟧, ⟦\\u2028⟧ …; edit takes that form for the character.',
  ].join('\n'),
  schema: ReadInputSchema,
  readOnly: true,
  async run(input, { sandbox, signal }) {
    signal.throwIfAborted()
    const target = await findNamed(sandbox, input.file_path)
    if (!target.ok) return refusal(target.message)
    const { path, note, similar } = target
    const found = await statTextFile(sandbox, path)
    if (found.kind === 'missing')
      return refusal(`${showName(path)} does not exist. ${similar ?? 'Use glob to find files by name.'}`)
    if (found.kind === 'refused') return found.result
    const first = input.offset ?? 1
    const page = await readFilePage(sandbox, path, { first, limit: input.limit ?? MAX_LINES, maxChars: MAX_CHARS })
    if (page.kind === 'other') return refusal(notText(path, found.sizeBytes, page))
    return showPage(page, first, note)
  },
})

function showPage(page: FilePage, first: number, nameNote: string | null): ToolResult {
  const { lines, totalLines } = page
  if (totalLines === 0)
    return { content: ['(the file is empty)', ...formNotes(page, nameNote)].join('\n'), isError: false }
  if (first > totalLines) return refusal(`offset ${first} is beyond the end: the file has ${totalLines} lines.`)
  const last = first + lines.length - 1
  const shown = lines.map(({ text, length }, index) => numberedLine(text, first + index, length))
  const more =
    last < totalLines ? [`(partial: lines ${first} to ${last} of ${totalLines}; go on with offset ${last + 1})`] : []
  return { content: [...shown, ...formNotes(page, nameNote), ...more].join('\n'), isError: false }
}

/** What the lines do not show of the file: its name, encoding, byte order mark and line ends. */
function formNotes(page: FilePage, nameNote: string | null): string[] {
  const mark = page.hasByteOrderMark ? `${page.encoding.toUpperCase()} with a byte order mark (BOM)` : null
  const form = [mark, lineEndNote(page.lineEnds)].filter((part) => part !== null)
  return [
    ...(nameNote === null ? [] : [`(${nameNote})`]),
    ...(page.isExact ? [] : [inexact(page)]),
    ...(form.length === 0 ? [] : [`(${form.join('; ')}; edit and write keep this)`]),
  ]
}

function inexact({ encoding }: FilePage): string {
  if (encoding !== 'utf-8')
    return `(the file holds broken ${encoding.toUpperCase()}; some characters are shown as U+FFFD)`
  return '(the file is not valid UTF-8, perhaps Latin-1 or Windows-1252; some characters are shown as U+FFFD. To edit it, convert it with bash and iconv first)'
}
