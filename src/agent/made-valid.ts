/**
 * What a model said, made into what every model server takes back. One fault in a stored conversation would otherwise have
 * each later request of it refused. Pure.
 */

import type { AssistantBlock, ToolUseBlock, UserBlock } from '../model/types.ts'
import { wellFormed } from '../shared/text/well-formed.ts'

/** Ids that are random, as Anthropic's are. Others may count from one in every reply, lane or task. */
const RANDOM_ID = /^toolu_[A-Za-z0-9]{20,100}$/
/** The Messages API's own pattern for ids that stand in a history. */
const TOOL_USE_ID = /^[A-Za-z0-9_-]{1,128}$/
/** The Messages API's own pattern for names of tools. */
const NOT_IN_NAMES = /[^A-Za-z0-9_-]/g
const MAX_NAME_CHARACTERS = 128

/** A tool's name as it may stand in a history: odd characters become `_`, and there is always one. */
export function toolNameOf(name: string): string {
  const plain = name.replaceAll(NOT_IN_NAMES, '_').slice(0, MAX_NAME_CHARACTERS)
  return plain === '' ? 'unnamed' : plain
}

/**
 * Names the tool calls of one reply, the same while it streams and when it is whole: a random id of the server's stays,
 * any other, one that repeats included, becomes an id of our own, made from `prefix` and the block's place in the reply.
 */
export class ReplyIds {
  readonly #prefix: string
  readonly #taken: Set<string>
  readonly #byIndex = new Map<number, string>()

  constructor(prefix: string, taken: Iterable<string>) {
    this.#prefix = prefix
    this.#taken = new Set(taken)
  }

  idOf(index: number, serverId: string): string {
    const known = this.#byIndex.get(index)
    if (known !== undefined) return known
    const isGood = RANDOM_ID.test(serverId) && !this.#taken.has(serverId)
    const id = isGood ? serverId : `toolu_${this.#prefix}_${index}`
    this.#taken.add(id)
    this.#byIndex.set(index, id)
    return id
  }
}

/** A reply's content as it enters the journal: well-formed, tools named validly, calls under ids that are unique. */
export function admitted(content: readonly AssistantBlock[], ids: ReplyIds): AssistantBlock[] {
  return wellFormed(content).map((block, index) =>
    block.type === 'tool_use' ? { ...block, id: ids.idOf(index, block.id), name: toolNameOf(block.name) } : block,
  )
}

/** Replies without thinking: its signatures hold only behind the very prefix that it was made with. */
export function withoutThinking(blocks: readonly AssistantBlock[]): AssistantBlock[] {
  return blocks.filter((block) => !isThinking(block))
}

function isThinking(block: AssistantBlock): boolean {
  return block.type === 'thinking' || block.type === 'redacted_thinking'
}

/** What of a reply may be told: no blank texts, no thinking that nobody signed, none at the end, where it is refused. */
export function tellable(blocks: readonly AssistantBlock[]): AssistantBlock[] {
  const told = blocks.filter((block) => {
    if (block.type === 'text') return block.text.trim() !== ''
    return block.type !== 'thinking' || block.signature !== ''
  })
  return told.slice(0, told.findLastIndex((block) => !isThinking(block)) + 1)
}

/** Stands in for a message of nothing but blanks, which servers refuse. */
export const BLANK = '(an empty message)'

/** Stands for the result of a call that failed without a word, which servers refuse. */
const NO_WORD = '(it failed without a word)'

/** What of a user message may be told: texts that hold something, at least the word that one did not, and why a call failed. */
export function tellableWords(blocks: readonly UserBlock[]): UserBlock[] {
  const told = blocks.flatMap((block): UserBlock[] => {
    if (block.type === 'text') return block.text.trim() === '' ? [] : [block]
    return [block.is_error === true && block.content === '' ? { ...block, content: NO_WORD } : block]
  })
  return told.length === 0 && blocks.length > 0 ? [{ type: 'text', text: BLANK }] : told
}

/**
 * The ids of a stored conversation's calls: one that repeats, or is none that a server takes, is told under another. Needed
 * for conversations that were stored before ids were made unique on entry; the same turns give the same ids.
 */
export class ToldIds {
  readonly #told = new Set<string>()
  /** Of the newest reply: what its results must name. */
  #renamed = new Map<string, string>()

  reply(content: readonly AssistantBlock[]): AssistantBlock[] {
    this.#renamed = new Map()
    return content.map((block) => (block.type === 'tool_use' ? this.#tell(block) : block))
  }

  #tell(block: ToolUseBlock): ToolUseBlock {
    const isGood = TOOL_USE_ID.test(block.id) && !this.#told.has(block.id)
    const id = isGood ? block.id : this.#fresh()
    this.#told.add(id)
    // The first of two calls with one id in one reply keeps its result; the repair of the history answers the other.
    if (!this.#renamed.has(block.id)) this.#renamed.set(block.id, id)
    return isGood && toolNameOf(block.name) === block.name ? block : { ...block, id, name: toolNameOf(block.name) }
  }

  #fresh(): string {
    let count = this.#told.size
    while (this.#told.has(`toolu_told_${count}`)) count += 1
    return `toolu_told_${count}`
  }

  results(content: readonly UserBlock[]): UserBlock[] {
    return content.map((block) => {
      if (block.type !== 'tool_result') return block
      const id = this.#renamed.get(block.tool_use_id)
      return id === undefined || id === block.tool_use_id ? block : { ...block, tool_use_id: id }
    })
  }
}
