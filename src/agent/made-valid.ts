/**
 * What models and people said, made into what every model server takes back. One such fault in a stored conversation would
 * otherwise have each later request of it refused. Pure.
 */

import type { AssistantBlock, ToolUseBlock, UserBlock } from '../model/types.ts'

/** The Messages API's own pattern for tool-use ids, and a length that no server has been seen to exceed. */
const TOOL_USE_ID = /^[A-Za-z0-9_-]{1,128}$/

/** The same value with every lone surrogate, which is no Unicode text, replaced by U+FFFD; object keys too. */
export function wellFormed<T>(value: T): T {
  return mapStrings(value, (text) => text.toWellFormed()) as T
}

function mapStrings(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value)
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, map))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [map(key), mapStrings(item, map)]))
}

/**
 * A reply's tool calls under ids that are well-formed and new: one that an earlier call of the conversation has, or that
 * no server would take, is replaced by `fresh(index)`, with the block's place in the reply. The same reply gives the same
 * ids.
 */
export function withNewIds(
  content: readonly AssistantBlock[],
  taken: ReadonlySet<string>,
  fresh: (index: number) => string,
): AssistantBlock[] {
  const seen = new Set(taken)
  return content.map((block, index) => {
    if (block.type !== 'tool_use') return block
    const isGood = TOOL_USE_ID.test(block.id) && !seen.has(block.id)
    const id = isGood ? block.id : fresh(index)
    seen.add(id)
    return isGood ? block : { ...block, id }
  })
}

/** Replies without thinking: its signatures hold only behind the very prefix that it was made with. */
export function withoutThinking(blocks: readonly AssistantBlock[]): AssistantBlock[] {
  return blocks.filter((block) => block.type !== 'thinking' && block.type !== 'redacted_thinking')
}

/** The ids of a conversation's tool calls, so that a stored one that repeats or is malformed can be told under another. */
export class ToolUseIds {
  readonly #told = new Set<string>()
  /** Of the newest reply: what its results must name. */
  #renamed = new Map<string, string>()
  #count = 0

  reply(content: readonly AssistantBlock[]): AssistantBlock[] {
    this.#renamed = new Map()
    const told = withNewIds(content, this.#told, () => `toolu_told_${++this.#count}`)
    const before = content.filter((block): block is ToolUseBlock => block.type === 'tool_use')
    const after = told.filter((block): block is ToolUseBlock => block.type === 'tool_use')
    for (const [index, { id }] of after.entries()) {
      this.#told.add(id)
      // The first of two calls with one id in one reply keeps its result; history repair answers the other.
      const old = before[index]?.id ?? id
      if (!this.#renamed.has(old)) this.#renamed.set(old, id)
    }
    return told
  }

  results(content: readonly UserBlock[]): UserBlock[] {
    return content.map((block) => {
      if (block.type !== 'tool_result') return block
      const id = this.#renamed.get(block.tool_use_id)
      return id === undefined || id === block.tool_use_id ? block : { ...block, tool_use_id: id }
    })
  }
}
