import { z } from 'zod'
import { defineTool, refusal } from './define-tool.ts'
import { contentInFormOf } from './keep-form.ts'
import { countLineChanges } from './line-changes.ts'
import { PlainText } from './line-ends.ts'
import { findNamed } from './look-alike.ts'
import { linesOf } from './numbered-lines.ts'
import { findPlaceholder, placeholderNote, placeholderRefusal } from './placeholder.ts'
import { conflictResult, repeatState, replaceFile } from './replace-file.ts'
import { type OpenedFile, openTextFile, sha256 } from './text-file.ts'
import type { ToolContext, ToolResult } from './tool.ts'

const WriteInputSchema = z.strictObject({
  file_path: z.string().min(1).max(4_096).describe('Path in the workspace, relative or absolute.'),
  content: z.string().max(2_000_000).describe('The whole content of the file.'),
  confirm_complete: z
    .boolean()
    .optional()
    .describe('Write the content although it was refused as a placeholder for omitted code. Default false.'),
})

type WriteInput = z.infer<typeof WriteInputSchema>

/** Creates or replaces one file. A repeat of the same call is told from the hashes that the first attempt journalled. */
export const write = defineTool<WriteInput>({
  name: 'write',
  description: [
    'Creates a file, or replaces all of an existing one; missing directories are made.',
    'For a change within an existing file use edit. Give the whole content, never a placeholder for omitted parts.',
    'An existing file keeps its line ends, byte order mark and encoding.',
  ].join('\n'),
  schema: WriteInputSchema,
  readOnly: false,
  async run(input, context) {
    context.signal.throwIfAborted()
    const target = await findNamed(context.sandbox, input.file_path)
    if (!target.ok) return refusal(target.message)
    const { path, note, similar } = target
    const opened = await openTextFile(context.sandbox, path)
    if (opened.kind === 'refused') return opened.result
    const result = await writeOver(path, opened, input, context)
    const notes = [...(note === null ? [] : [`(${note})`]), ...(similar === null ? [] : [similar])]
    return { ...result, content: [result.content, ...notes].join(' ') }
  },
})

type Writable = Exclude<OpenedFile, { kind: 'refused' }>

async function writeOver(path: string, opened: Writable, input: WriteInput, context: ToolContext): Promise<ToolResult> {
  const file = opened.kind === 'text' ? opened.file : null
  const current = file?.sha256 ?? null
  const repeat = repeatState(context.begun, current)
  if (repeat === 'conflict') return conflictResult(path)
  const existed = repeat === 'done' ? context.begun?.kind === 'write' && context.begun.before !== null : file !== null
  const { data, notes, text } = contentInFormOf(file, input.content)
  const plain = new PlainText(text).text
  const before = existed && file !== null ? new PlainText(file.text).text : null
  // Of a finished attempt the content before is gone: a replaced file's line counts are no longer known.
  const counted = repeat === 'done' && existed ? { added: 0, removed: 0 } : countLineChanges(before, plain)
  if (repeat !== 'done') {
    const placeholder = findPlaceholder(before ?? '', plain, 'file')
    if (placeholder !== null) {
      if (placeholder.lost === null) notes.push(placeholderNote(placeholder))
      else if (input.confirm_complete !== true) return refusal(placeholderRefusal(path, placeholder))
    }
    if (current === sha256(data) && repeat === 'first')
      return { content: `${path} has this content already.`, isError: false }
    await replaceFile(context, { path, current, content: data })
  }
  const lines = linesOf(plain).length
  const done = existed ? `Replaced ${path}; it has ${lines} lines now.` : `Created ${path} with ${lines} lines.`
  return {
    content: [done, ...notes].join(' '),
    isError: false,
    fileChange: { path, kind: existed ? 'modify' : 'create', ...counted },
  }
}
