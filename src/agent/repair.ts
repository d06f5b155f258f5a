/** A history without what a model's server named when it refused it as malformed. Pure. */

import type { AssistantBlock, HistoryMessage, UserBlock } from '../model/types.ts'
import { repairHistory } from './history.ts'
import { withoutThinking } from './made-valid.ts'

/** Stands where something was that the server does not take. */
const REFUSED = '(left out: the model’s server does not take this)'

/** A place that a refusal names: a message by its index, and the block in it, if it says which. */
export interface NamedPlace {
  readonly message: number
  readonly block: number | null
}

/** `messages.3.content.1`, `messages[3].content[1]`, `messages.3`. */
const PLACE = /\bmessages?[.[](\d{1,6})\]?(?:[.[]["']?content["']?\]?[.[](\d{1,6})\]?)?/gi
/** Ids of calls, which a refusal may name instead of a place. */
const CALL_ID = /\btoolu_\w{4,120}\b/g
const MAX_NAMED = 50

/** The places of `messages` that a refusal's sentence names, each once. */
export function placesIn(sentence: string, messages: readonly HistoryMessage[]): NamedPlace[] {
  const places = new Map<string, NamedPlace>()
  const add = (message: number, block: number | null) => {
    const found = messages[message]
    if (found === undefined || (block !== null && block >= found.content.length) || places.size >= MAX_NAMED) return
    places.set(`${message}.${block ?? ''}`, { message, block })
  }
  for (const [, message, block] of sentence.matchAll(PLACE))
    add(Number(message), block === undefined ? null : Number(block))
  for (const [id] of sentence.matchAll(CALL_ID)) {
    for (const [index, { content }] of messages.entries()) {
      const at = content.findIndex((block) => (block.type === 'tool_use' ? block.id === id : false))
      if (at !== -1) add(index, at)
    }
  }
  return [...places.values()]
}

/**
 * Which blocks have to go for these places, as their JSON, by which they are known in every later request; [] when nothing
 * can go: what the user or the harness says in the newest message is never left out.
 */
export function blocksToDrop(messages: readonly HistoryMessage[], places: readonly NamedPlace[]): string[] {
  const dropped = places.flatMap(({ message, block }) => {
    const named = messages[message]
    if (named === undefined) return []
    const blocks: readonly (AssistantBlock | UserBlock)[] =
      block === null ? named.content : named.content.slice(block, block + 1)
    const isNewest = message === messages.length - 1
    return blocks.filter((one) => !isMark(one) && !(isNewest && one.type === 'text')).map((one) => JSON.stringify(one))
  })
  return [...new Set(dropped)]
}

/** The nearest valid history without these blocks and without thinking, whose signatures do not outlast a changed history. */
export function withoutDropped(messages: readonly HistoryMessage[], dropped: ReadonlySet<string>): HistoryMessage[] {
  if (dropped.size === 0) return [...messages]
  const isDropped = (block: AssistantBlock | UserBlock) => dropped.has(JSON.stringify(block))
  const gone = new Set<string>()
  return repairHistory(
    messages.map((message): HistoryMessage => {
      if (message.role === 'user')
        return {
          role: 'user',
          content: answering(message.content, gone).map((block) => (isDropped(block) ? marked(block) : block)),
        }
      for (const block of message.content) if (block.type === 'tool_use' && isDropped(block)) gone.add(block.id)
      return { role: 'assistant', content: withoutThinking(message.content).filter((block) => !isDropped(block)) }
    }),
  )
}

/** A user message without the results of calls that went; one that held nothing else keeps its place between two replies. */
function answering(content: readonly UserBlock[], gone: ReadonlySet<string>): readonly UserBlock[] {
  const left = content.filter((block) => block.type !== 'tool_result' || !gone.has(block.tool_use_id))
  return left.length > 0 || content.length === 0 ? left : [{ type: 'text', text: REFUSED }]
}

/** A call needs its result, and a message of the user its place. */
function marked(block: UserBlock): UserBlock {
  return block.type === 'tool_result' ? { ...block, content: REFUSED } : { ...block, text: REFUSED }
}

function isMark(block: AssistantBlock | UserBlock): boolean {
  return (
    (block.type === 'text' && block.text === REFUSED) || (block.type === 'tool_result' && block.content === REFUSED)
  )
}
