import { z } from 'zod'
import { defineTool, refusal } from './define-tool.ts'
import { findReplacement, lineNumberAt } from './find-replacement.ts'
import { countLineChanges } from './line-changes.ts'
import { PlainText, plainLineEnds } from './line-ends.ts'
import { findNamed } from './look-alike.ts'
import { linesOf, numberedLine } from './numbered-lines.ts'
import { findPlaceholder, placeholderNote, placeholderRefusal } from './placeholder.ts'
import { conflictResult, repeatState, replaceFile } from './replace-file.ts'
import { showName } from './shown-name.ts'
import { notExact, openTextFile, type TextFile } from './text-file.ts'
import { BYTE_ORDER_MARK, encodeText } from './text-form.ts'
import type { ToolContext, ToolResult } from './tool.ts'

const CONTEXT_LINES = 3
const MAX_SHOWN_LINES = 60

const EditInputSchema = z.strictObject({
  file_path: z.string().min(1).max(4_096).describe('Path in the workspace, relative or absolute.'),
  old_string: z.string().min(1).max(1_000_000).describe('The text to replace, exactly as in the file, unique in it.'),
  new_string: z.string().max(1_000_000).describe('The text to put in its place, taken literally.'),
  replace_all: z.boolean().optional().describe('Replace every occurrence instead of the only one. Default false.'),
  confirm_complete: z
    .boolean()
    .optional()
    .describe('Write new_string although it was refused as a placeholder for omitted code. Default false.'),
})

type EditInput = z.infer<typeof EditInputSchema>

/** Replaces one exact, unique piece of a file that was read before, and shows the lines around the change. */
export const edit = defineTool<EditInput>({
  name: 'edit',
  description: [
    'Replaces text in a file. Read the file first: an edit of a file that was not read is refused.',
    'old_string must stand exactly once in the file, with its indentation and without the line numbers that read shows;',
    'add surrounding lines to make it unique, or set replace_all. The result shows the changed lines.',
    "Line feeds stand for the file's own line ends; its encoding and every byte outside the change stay as they are.",
  ].join('\n'),
  schema: EditInputSchema,
  readOnly: false,
  async run(input, context) {
    context.signal.throwIfAborted()
    const target = await findNamed(context.sandbox, input.file_path)
    if (!target.ok) return refusal(target.message)
    if (input.old_string === input.new_string) return refusal('old_string and new_string are the same.')
    const { path, note, similar } = target
    const opened = await openTextFile(context.sandbox, path)
    if (opened.kind === 'refused') return opened.result
    if (opened.kind === 'missing')
      return refusal(`${showName(path)} does not exist. ${similar ?? 'Use write to create it.'}`)
    if (![path, target.asked].some((known) => context.knownPaths.has(known)))
      return refusal(`Read ${showName(path)} before you edit it.`)
    if (!opened.file.isExact) return refusal(notExact(path, opened.file.encoding))
    const result = await editFile(path, opened.file, input, context)
    return note === null ? result : { ...result, content: `${result.content}\n(${note})` }
  },
})

async function editFile(path: string, file: TextFile, input: EditInput, context: ToolContext): Promise<ToolResult> {
  const repeat = repeatState(context.begun, file.sha256)
  if (repeat === 'conflict') return conflictResult(path)
  if (repeat === 'done') return alreadyDone(path, file.text, input)
  const placeholder = findPlaceholder(input.old_string, input.new_string, 'piece')
  if (placeholder !== null && placeholder.lost !== null && input.confirm_complete !== true)
    return refusal(placeholderRefusal(path, placeholder))
  const request = { oldString: input.old_string, newString: input.new_string, replaceAll: input.replace_all ?? false }
  const found = findReplacement(file.text, request)
  if (!found.ok) return refusal(`${showName(path)} was not changed: ${found.message}`)
  if (found.text === file.text)
    return refusal(
      `${showName(path)} was not changed: old_string and new_string differ in nothing that it would keep, such as its line ends.`,
    )
  await replaceFile(context, { path, current: file.sha256, content: encodeText(found.text, file.encoding) })
  const [before, after] = [new PlainText(file.text), new PlainText(found.text)]
  const places = found.count === 1 ? '' : ` in ${found.count} places, the first of them here`
  const notes = [
    ...(found.approximate === null
      ? []
      : [` Not an exact match: ${found.approximate}; check that it is the place you meant.`]),
    ...(placeholder !== null && placeholder.lost === null ? [` ${placeholderNote(placeholder)}`] : []),
  ]
  return {
    content: `Edited ${path}${places}.${notes.join('')}\n${around(after, found.at, found.inserted)}`,
    isError: false,
    fileChange: { path, kind: 'modify', ...countLineChanges(before.text, after.text) },
  }
}

function alreadyDone(path: string, text: string, input: EditInput): ToolResult {
  const plain = new PlainText(text)
  const at = Math.max(0, plain.text.indexOf(plainLineEnds(input.new_string, plain.endsWithCr)))
  return {
    content: `Edited ${path}.\n${around(plain, at, input.new_string)}`,
    isError: false,
    fileChange: { path, kind: 'modify', ...countLineChanges(input.old_string, input.new_string) },
  }
}

function around(plain: PlainText, at: number, inserted: string): string {
  const lines = linesOf(plain.text)
  const start = lineNumberAt(plain.text, at)
  const first = Math.max(1, start - CONTEXT_LINES)
  const last = start + Math.max(0, linesOf(plainLineEnds(inserted, plain.endsWithCr)).length - 1) + CONTEXT_LINES
  const shown = lines.slice(first - 1, Math.min(last, first - 1 + MAX_SHOWN_LINES))
  const rest = Math.min(last, lines.length) - (first - 1 + shown.length)
  return [
    ...shown.map((line, index) => numberedLine(first + index === 1 ? withoutMark(line) : line, first + index)),
    ...(rest > 0 ? [`(${rest} more changed lines)`] : []),
  ].join('\n')
}

function withoutMark(line: string): string {
  return line.startsWith(BYTE_ORDER_MARK) ? line.slice(1) : line
}
