/**
 * The prompt cache as the service describes it, so that the usage of a scripted reply is what the real one would say for
 * the same request. Source: Messages API, prompt caching.
 */

import type { ModelProfile } from '../model/profiles.ts'
import type { Prefix } from './prefix.ts'

const TTL_MS = 5 * 60_000
const LOOKBACK_BLOCKS = 20
const MAX_ENTRIES = 50_000

/** Tokens of one prompt by how they are charged; they add up to the whole prompt. */
export interface PromptAccount {
  readonly inputTokens: number
  readonly cacheReadTokens: number
  readonly cacheWriteTokens: number
}

/** Sums over all requests since the start, in tokens. */
export interface CacheStats {
  readonly requests: number
  readonly hits: number
  readonly inputTokens: number
  readonly cacheReadTokens: number
  readonly cacheWriteTokens: number
  /** Share of all prompt tokens that came from the cache, 0 to 1. */
  readonly hitRatio: number
}

/** Keeps which prefixes the cache would hold now, at most 50,000 of them. */
export class CacheAccountant {
  readonly #expiresAt = new Map<string, number>()
  readonly #now: () => number
  #stats = { requests: 0, hits: 0, inputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0 }

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  /**
   * What this prompt reads and writes now. Changes nothing but the clocks of the entries it reads: an entry exists only
   * once the reply begins, see {@link commit}.
   */
  account(prefix: Prefix, profile: ModelProfile): PromptAccount {
    const marks = marksOf(prefix, profile)
    const read = this.#longestHit(prefix, marks)
    const written = Math.max(0, (marks.at(-1)?.tokens ?? 0) - read)
    const account = {
      inputTokens: prefix.tokens - read - written,
      cacheReadTokens: read,
      cacheWriteTokens: written,
    }
    this.#count(account)
    return account
  }

  /** The reply begins: from now on others hit what this request wrote. */
  commit(prefix: Prefix, profile: ModelProfile): void {
    for (const mark of marksOf(prefix, profile)) this.#store(mark.chain)
  }

  stats(): CacheStats {
    const { requests, hits, inputTokens, cacheReadTokens, cacheWriteTokens } = this.#stats
    const all = inputTokens + cacheReadTokens + cacheWriteTokens
    const hitRatio = all === 0 ? 0 : cacheReadTokens / all
    return { requests, hits, inputTokens, cacheReadTokens, cacheWriteTokens, hitRatio }
  }

  /** From each mark backwards, at most twenty blocks; the longest entry found by any mark counts. */
  #longestHit(prefix: Prefix, marks: readonly Mark[]): number {
    for (const mark of marks.toReversed()) {
      for (let at = mark.index; at >= 0 && at > mark.index - LOOKBACK_BLOCKS; at--) {
        const block = prefix.blocks[at]
        if (!block || !this.#alive(block.chain)) continue
        this.#store(block.chain)
        return block.tokens
      }
    }
    return 0
  }

  #alive(chain: string): boolean {
    const expiresAt = this.#expiresAt.get(chain)
    if (expiresAt === undefined) return false
    if (expiresAt > this.#now()) return true
    this.#expiresAt.delete(chain)
    return false
  }

  #store(chain: string): void {
    this.#expiresAt.delete(chain)
    this.#expiresAt.set(chain, this.#now() + TTL_MS)
    if (this.#expiresAt.size <= MAX_ENTRIES) return
    const oldest = this.#expiresAt.keys().next()
    if (!oldest.done) this.#expiresAt.delete(oldest.value)
  }

  #count(account: PromptAccount): void {
    this.#stats = {
      requests: this.#stats.requests + 1,
      hits: this.#stats.hits + (account.cacheReadTokens > 0 ? 1 : 0),
      inputTokens: this.#stats.inputTokens + account.inputTokens,
      cacheReadTokens: this.#stats.cacheReadTokens + account.cacheReadTokens,
      cacheWriteTokens: this.#stats.cacheWriteTokens + account.cacheWriteTokens,
    }
  }
}

interface Mark {
  readonly index: number
  readonly chain: string
  readonly tokens: number
}

/** A mark on a prefix that is too short is passed over in silence, as the service does. */
function marksOf(prefix: Prefix, profile: ModelProfile): Mark[] {
  const marks: Mark[] = []
  for (const [index, block] of prefix.blocks.entries()) {
    if (block.marked && block.tokens >= profile.minCacheableTokens) {
      marks.push({ index, chain: block.chain, tokens: block.tokens })
    }
  }
  return marks
}
