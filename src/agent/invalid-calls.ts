import type { JournalTurn } from '../db/turn/turns.ts'
import { INVALID_INPUT } from '../model/types.ts'
import { findTool, parseToolInput } from '../tools/registry.ts'
import type { Tool } from '../tools/tool.ts'

/** So many replies in a row whose calls could not be run, none of them, are paid for at most. */
const MAX_IN_A_ROW = 12

/**
 * Whether the newest replies made no call that could be run, too often in a row: inputs that are no JSON, that do not fit
 * their tool, or tools that do not exist. Looks at inputs alone, so what a tool answers does not matter. Pure.
 */
export function isOutOfTries(turns: readonly JournalTurn[], tools: readonly Tool[]): boolean {
  if (turns.length < MAX_IN_A_ROW) return false
  return turns
    .slice(-MAX_IN_A_ROW)
    .every((turn) => turn.toolCalls.length > 0 && turn.toolCalls.every((call) => call.isError && !fits(call, tools)))
}

function fits(call: { readonly name: string; readonly input: string }, tools: readonly Tool[]): boolean {
  const tool = findTool(tools, call.name)
  const input: unknown = JSON.parse(call.input)
  const isInvalid = typeof input === 'object' && input !== null && INVALID_INPUT in input
  return tool !== undefined && !isInvalid && parseToolInput(tool, input).ok
}

/** How a task ends whose model never makes a call that can be run. */
export const OUT_OF_TRIES_END = `The model made ${MAX_IN_A_ROW} replies in a row whose tool calls could not be run: their inputs are not valid JSON or do not fit the tools. It was told each time; use another model, or ask for something smaller.`
