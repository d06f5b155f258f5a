import { z } from 'zod'
import { defineTool, refusal } from './define-tool.ts'
import { linesOf, numberedLine } from './numbered-lines.ts'
import { openTextFile, type TextFile } from './text-file.ts'
import type { ToolResult } from './tool.ts'
import { toWorkspacePath } from './workspace-path.ts'

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
  ].join('\n'),
  schema: ReadInputSchema,
  readOnly: true,
  async run(input, { sandbox, signal }) {
    signal.throwIfAborted()
    const target = toWorkspacePath(input.file_path, sandbox.root)
    if (!target.ok) return refusal(target.message)
    const opened = await openTextFile(sandbox, target.path)
    if (opened.kind === 'missing') return refusal(`${target.path} does not exist. Use glob to find files by name.`)
    return opened.kind === 'refused' ? opened.result : showPage(opened.file, input)
  },
})

function showPage(file: TextFile, input: ReadInput): ToolResult {
  const lines = linesOf(file.text)
  if (lines.length === 0) return { content: '(the file is empty)', isError: false }
  const first = input.offset ?? 1
  if (first > lines.length) return refusal(`offset ${first} is beyond the end: the file has ${lines.length} lines.`)
  const shown = pageOf(lines, first, input.limit ?? MAX_LINES)
  const last = first + shown.length - 1
  const notes = [
    ...(file.isUtf8 ? [] : ['(the file is not valid UTF-8; some characters are shown as U+FFFD)']),
    ...(last < lines.length
      ? [`(partial: lines ${first} to ${last} of ${lines.length}; go on with offset ${last + 1})`]
      : []),
  ]
  return { content: [...shown, ...notes].join('\n'), isError: false }
}

function pageOf(lines: readonly string[], first: number, limit: number): string[] {
  const page: string[] = []
  let room = MAX_CHARS
  for (const [index, line] of lines.slice(first - 1, first - 1 + limit).entries()) {
    const shown = numberedLine(line, first + index)
    room -= shown.length + 1
    if (room < 0 && page.length > 0) break
    page.push(shown)
  }
  return page
}
