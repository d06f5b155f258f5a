import { z } from 'zod'
import { defineTool, refusal } from './define-tool.ts'
import { countLineChanges } from './line-changes.ts'
import { linesOf } from './numbered-lines.ts'
import { findPlaceholder } from './placeholder.ts'
import { conflictResult, repeatState, replaceFile } from './replace-file.ts'
import { type OpenedFile, openTextFile, sha256 } from './text-file.ts'
import type { ToolContext, ToolResult } from './tool.ts'
import { toWorkspacePath } from './workspace-path.ts'

const WriteInputSchema = z.strictObject({
  file_path: z.string().min(1).max(4_096).describe('Path in the workspace, relative or absolute.'),
  content: z.string().max(2_000_000).describe('The whole content of the file.'),
})

type WriteInput = z.infer<typeof WriteInputSchema>

/** Creates or replaces one file. A repeat of the same call is told from the hashes that the first attempt journalled. */
export const write = defineTool<WriteInput>({
  name: 'write',
  description: [
    'Creates a file, or replaces all of an existing one; missing directories are made.',
    'For a change within an existing file use edit. Give the whole content, never a placeholder for omitted parts.',
  ].join('\n'),
  schema: WriteInputSchema,
  readOnly: false,
  async run(input, context) {
    context.signal.throwIfAborted()
    const target = toWorkspacePath(input.file_path, context.sandbox.root)
    if (!target.ok) return refusal(target.message)
    const opened = await openTextFile(context.sandbox, target.path)
    if (opened.kind === 'refused') return opened.result
    return await writeOver(target.path, opened, input.content, context)
  },
})

type Writable = Exclude<OpenedFile, { kind: 'refused' }>

async function writeOver(path: string, opened: Writable, content: string, context: ToolContext): Promise<ToolResult> {
  const before = opened.kind === 'text' ? opened.file.text : null
  const current = opened.kind === 'text' ? opened.file.sha256 : null
  const repeat = repeatState(context.begun, current)
  if (repeat === 'conflict') return conflictResult(path)
  const existed = repeat === 'done' ? context.begun?.kind === 'write' && context.begun.before !== null : before !== null
  // Of a finished attempt the content before is gone: a replaced file's line counts are no longer known.
  const counted =
    repeat === 'done' && existed ? { added: 0, removed: 0 } : countLineChanges(existed ? before : null, content)
  if (repeat !== 'done') {
    const placeholder = findPlaceholder(before ?? '', content)
    if (placeholder !== null) return refusal(placeholder)
    if (current === sha256(content) && repeat === 'first')
      return { content: `${path} has this content already.`, isError: false }
    await replaceFile(context, { path, current, content })
  }
  const lines = linesOf(content).length
  return {
    content: existed ? `Replaced ${path}; it has ${lines} lines now.` : `Created ${path} with ${lines} lines.`,
    isError: false,
    fileChange: { path, kind: existed ? 'modify' : 'create', ...counted },
  }
}
