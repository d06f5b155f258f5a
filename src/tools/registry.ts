import type { ToolDefinition } from '../model/types.ts'
import { ask } from './ask.ts'
import { bash } from './bash.ts'
import { edit } from './edit.ts'
import { glob } from './glob.ts'
import { grep } from './grep.ts'
import { plan } from './plan.ts'
import { read } from './read.ts'
import { service } from './service.ts'
import { submitReview } from './submit-review.ts'
import type { Tool } from './tool.ts'
import { write } from './write.ts'

/** What the coder may use. The order is part of the cached prefix: append, never rearrange. */
export const coderTools: readonly Tool[] = [bash, read, write, edit, glob, grep, plan, ask, service]

/** What the reviewer may use: it looks, and answers through `submit_review`; it cannot change anything. */
export const reviewerTools: readonly Tool[] = [read, glob, grep, submitReview]

/** The definitions in the tools' own order; the same tools give the same bytes in every request and every process. */
export function toolDefinitions(tools: readonly Tool[]): ToolDefinition[] {
  return tools.map((tool) => tool.definition)
}

/** The tool of that name, or undefined for a name that the model made up. */
export function findTool(tools: readonly Tool[], name: string): Tool | undefined {
  return tools.find((tool) => tool.definition.name === name)
}

/** An input that fits the tool's schema, or a sentence for the model on what does not. */
export type ParsedInput =
  | { readonly ok: true; readonly input: unknown }
  | { readonly ok: false; readonly message: string }

/**
 * Checks what the model sent against the tool's schema. On failure `message` goes back to the model as an error result:
 * it names each faulty field (at most eight) and what was expected. Never throws.
 */
export function parseToolInput(tool: Tool, rawInput: unknown): ParsedInput {
  const parsed = tool.schema.safeParse(rawInput)
  if (parsed.success) return { ok: true, input: parsed.data }
  const faults = parsed.error.issues.slice(0, 8).map((issue) => {
    const field = issue.path.map(String).join('.')
    return field === '' ? `- ${issue.message}` : `- ${field}: ${issue.message}`
  })
  const fields = Object.keys((tool.definition.input_schema['properties'] as object | undefined) ?? {})
  return {
    ok: false,
    message: `The input of ${tool.definition.name} was not accepted:\n${faults.join('\n')}\nIts fields are: ${fields.join(', ')}.`,
  }
}
