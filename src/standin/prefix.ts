/**
 * Hashes and sizes of everything a request holds, block by block in cache order: tools, system, messages. One walk serves
 * the cache account, the append-only check and the ids of a reply.
 */

import { hash } from 'node:crypto'
import type { ModelProfile } from '../model/profiles.ts'
import { blocksOf, type WireRequest } from './wire.ts'

/** One block of a request: `chain` stands for the whole prefix that ends with it. */
interface PrefixBlock {
  readonly chain: string
  /** Tokens of the prefix up to and including this block. */
  readonly tokens: number
  readonly marked: boolean
}

/** A request's hashes and size; `tokens` as the scripted server counts them. */
export interface Prefix {
  readonly blocks: readonly PrefixBlock[]
  /** Chain after tools and system: what one calls the static prefix. */
  readonly staticChain: string
  /** Chain before each message, in order. */
  readonly chainBefore: readonly string[]
  /** Hashes of each message's own blocks, wherever it stands. */
  readonly messages: readonly (readonly string[])[]
  /** Chain over the whole request. */
  readonly chain: string
  readonly tokens: number
}

/** Characters per token of ordinary code and English, on the oldest tokenizer of the table. */
const CHARS_PER_TOKEN = 4

/** Overhead that the service adds when there are tools. Source: tool use pricing. */
const TOOL_PROMPT_TOKENS = 496

/** Tokens of a text of that many characters, as the scripted server counts them. */
export function scriptedTokens(chars: number, profile: ModelProfile): number {
  return Math.ceil((chars / CHARS_PER_TOKEN) * profile.tokenFactor)
}

/** Begins the own hash of a tool call. */
export const TOOL_CALL = 'call:'

/** Walks a request once. Moving a `cache_control` changes no hash; changing the order of keys does. */
export function walkPrefix(request: WireRequest, profile: ModelProfile): Prefix {
  const walk = new Walk(profile)
  for (const tool of request.tools ?? []) walk.add(tool)
  if ((request.tools?.length ?? 0) > 0) walk.tokens += TOOL_PROMPT_TOKENS
  for (const block of blocksOf(request.system ?? [])) walk.add(block)
  const staticChain = walk.chain
  const chainBefore: string[] = []
  const messages: string[][] = []
  for (const message of request.messages) {
    chainBefore.push(walk.chain)
    messages.push(blocksOf(message.content).map((block) => walk.add(block, message.role)))
  }
  if (request.cache_control) walk.markLast()
  return { blocks: walk.blocks, staticChain, chainBefore, messages, chain: walk.chain, tokens: walk.tokens }
}

class Walk {
  readonly blocks: PrefixBlock[] = []
  chain: string
  tokens = 0
  readonly #profile: ModelProfile

  constructor(profile: ModelProfile) {
    this.#profile = profile
    this.chain = hash('sha1', profile.model, 'base64')
  }

  /** Returns the block's own hash, told apart for tool calls because only they are unique to one reply. */
  add(block: object & { readonly cache_control?: unknown; readonly type?: string }, role = ''): string {
    const { cache_control: mark, ...rest } = block
    const text = JSON.stringify(rest)
    const own = hash('sha1', `${role}:${text}`, 'base64')
    this.chain = hash('sha1', this.chain + own, 'base64')
    this.tokens += scriptedTokens(text.length, this.#profile)
    this.blocks.push({ chain: this.chain, tokens: this.tokens, marked: mark != null })
    return block.type === 'tool_use' ? `${TOOL_CALL}${own}` : own
  }

  markLast(): void {
    const last = this.blocks.pop()
    if (last) this.blocks.push({ ...last, marked: true })
  }
}
