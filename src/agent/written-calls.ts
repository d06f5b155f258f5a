/**
 * Tool calls that a model wrote into its text, which nobody runs: a server whose template does not parse calls passes them
 * on as words. Pure.
 */

import type { JournalTurn } from '../db/turn/turns.ts'
import type { ToolDefinition } from '../model/types.ts'

/** What the model is told after the first reply of that kind. */
export const WRITTEN_CALL_NOTE =
  'Notice: your reply wrote a tool call as text, so nothing was run. Call the tool itself, through the tools you were given. If you meant it as an example for the user, say what you want to say in plain words without it.'

/** How a task ends whose model did it again. */
export const WRITTEN_CALLS_END =
  'The model wrote its tool calls as text instead of making them, so they were not run. Most likely the model’s server does not parse tool calls: its chat template has none, or its parser is switched off. Set the server up for tool calls (for llama.cpp --jinja with a template that has them), or use another model.'

/** Longer replies are looked at up to here: a call that is meant stands in a reply of little else. */
const MAX_CHARACTERS = 200_000
const FENCE = /```[^\n`]*\n([\s\S]*?)(?:```|$)/g
/** Marks that chat templates put around a call. */
const MARK =
  /<\/?(?:tool_calls?|tools?|tool_use|function_calls?|function|invoke|antml:invoke|tool_code|\|tool_calls?\|?|\|python_tag\|)\b[^>]*>|\[TOOL_CALLS?\]|<\|(?:python_tag|tool_calls?(?:_begin)?)\|>|✿FUNCTION✿/i
/** Fields in which one says which tool is meant. */
const NAME_FIELDS = ['name', 'tool', 'tool_name', 'function', 'function_name', 'action', 'recipient_name']
const MAX_LISTED = 20
/** How far behind its mark a call names its tool. */
const NEAR_CHARACTERS = 300

/** Whether a reply without calls holds one of these tools' calls as text: as JSON alone or in a fence, or between marks. */
export function hasWrittenCall(reply: JournalTurn['reply'], tools: readonly ToolDefinition[]): boolean {
  if (reply === null || reply.some((block) => block.type === 'tool_use')) return false
  const text = reply
    .flatMap((block) => (block.type === 'text' ? [block.text] : []))
    .join('\n')
    .slice(0, MAX_CHARACTERS)
    .trim()
  const fenced = [...text.matchAll(FENCE)].map(([, inner = '']) => inner.trim())
  return [...fenced, text].some((part) => isMarkedCall(part, tools) || isJsonCall(part, tools))
}

/** How many replies of a lane, of those without calls, held some as text. */
export function writtenCalls(turns: readonly JournalTurn[], tools: readonly ToolDefinition[]): number {
  return turns.filter((turn) => hasWrittenCall(turn.reply, tools)).length
}

function isMarkedCall(text: string, tools: readonly ToolDefinition[]): boolean {
  if (tools.some(({ name }) => text.startsWith(`<${name}>`) && text.includes(`</${name}>`))) return true
  const at = text.search(MARK)
  if (at === -1) return false
  const near = text.slice(at, at + NEAR_CHARACTERS)
  return tools.some(({ name }) => new RegExp(`\\b${name}\\b`).test(near))
}

function isJsonCall(text: string, tools: readonly ToolDefinition[]): boolean {
  if (!/^[[{]/.test(text) || !/[\]}]$/.test(text)) return false
  const parsed = parse(text)
  if (parsed !== undefined) {
    const items: unknown[] = Array.isArray(parsed) ? parsed.slice(0, MAX_LISTED) : [parsed]
    return items.some((item) => namesTool(item, tools))
  }
  // What was meant as JSON and is none names its tool where JSON would.
  const fields = NAME_FIELDS.join('|')
  return tools.some(({ name }) => new RegExp(`["'](?:${fields})["']\\s*:\\s*["']${name}["']`).test(text))
}

function namesTool(value: unknown, tools: readonly ToolDefinition[]): boolean {
  if (typeof value !== 'object' || value === null) return false
  const toolOf = (name: unknown) =>
    typeof name === 'string' ? tools.find((tool) => tool.name === name.replace(/^functions\./, '')) : undefined
  const fields = Object.entries(value)
  for (const [field, inner] of fields) {
    if (!NAME_FIELDS.includes(field)) continue
    if (namesTool(inner, tools)) return true
    const tool = toolOf(inner)
    if (tool === undefined) continue
    const others = fields.map(([other]) => other).filter((other) => other !== field)
    // Other things have names too, such as a package called "read": a call has its input beside it.
    if (field !== 'name' || others.length === 0 || others.some((other) => isInputField(other, tool))) return true
  }
  const [only, ...more] = fields
  return only !== undefined && more.length === 0 && toolOf(only[0]) !== undefined && typeof only[1] === 'object'
}

const INPUT_FIELDS = ['arguments', 'parameters', 'input', 'args', 'params', 'tool_input', 'action_input', 'inputs']

function isInputField(field: string, tool: ToolDefinition): boolean {
  const properties = tool.input_schema['properties']
  return INPUT_FIELDS.includes(field) || (typeof properties === 'object' && properties !== null && field in properties)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Judged by its words instead.
    return undefined
  }
}
