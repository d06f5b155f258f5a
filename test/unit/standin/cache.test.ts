import { describe, expect, test } from 'vitest'
import { profileFor } from '../../../src/model/profiles.ts'
import { CacheAccountant } from '../../../src/standin/cache.ts'
import { walkPrefix } from '../../../src/standin/prefix.ts'
import type { WireBlock, WireMessage, WireRequest } from '../../../src/standin/wire.ts'

const profile = profileFor('claude-haiku-4-5', { compat: false })
const mark = { cache_control: { type: 'ephemeral' } } as const
/** About 5,000 tokens: enough to be cached. */
const LONG = 'x'.repeat(20_000)

const text = (value: string, marked = false): WireBlock => ({ type: 'text', text: value, ...(marked ? mark : {}) })
const user = (...content: WireBlock[]): WireMessage => ({ role: 'user', content })

function request(messages: readonly WireMessage[], more: Partial<WireRequest> = {}): WireRequest {
  return { model: 'claude-haiku-4-5', max_tokens: 100, messages, ...more }
}

function play(cache: CacheAccountant, sent: WireRequest) {
  const prefix = walkPrefix(sent, profile)
  const account = cache.account(prefix, profile)
  cache.commit(prefix, profile)
  return account
}

const sizeOf = (sent: WireRequest) => walkPrefix(sent, profile).tokens

describe('the cache', () => {
  test('writes a marked prefix and reads it the next time, whatever follows', () => {
    const cache = new CacheAccountant()
    const first = request([user(text(LONG, true))])
    const second = request([user(text(LONG), text('more', true))])
    expect([play(cache, first), play(cache, second)]).toEqual([
      { inputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: sizeOf(first) },
      { inputTokens: 0, cacheReadTokens: sizeOf(first), cacheWriteTokens: sizeOf(second) - sizeOf(first) },
    ])
  })

  test('charges what stands behind the last mark as plain input', () => {
    const sent = request([user(text(LONG, true), text('unmarked'))])
    const marked = sizeOf(request([user(text(LONG))]))
    expect(play(new CacheAccountant(), sent)).toEqual({
      inputTokens: sizeOf(sent) - marked,
      cacheReadTokens: 0,
      cacheWriteTokens: marked,
    })
  })

  test('leaves a prefix below the minimum alone', () => {
    const cache = new CacheAccountant()
    const sent = request([user(text('x'.repeat(16_000), true))])
    const plain = { inputTokens: sizeOf(sent), cacheReadTokens: 0, cacheWriteTokens: 0 }
    expect([play(cache, sent), play(cache, sent)]).toEqual([plain, plain])
  })

  test('misses when a word of the prefix, a tool or the order of its keys changed', () => {
    const tool = { name: 'bash', description: 'a', input_schema: { type: 'object' } } as const
    const cache = new CacheAccountant()
    const system = [text(LONG, true)]
    play(cache, request([user(text('hi'))], { system, tools: [tool] }))
    const variants = [
      request([user(text('hi'))], { system: [text(`${LONG}!`, true)], tools: [tool] }),
      request([user(text('hi'))], { system, tools: [{ ...tool, description: 'b' }] }),
      request([user(text('hi'))], {
        system,
        tools: [{ description: 'a', name: 'bash', input_schema: { type: 'object' } }],
      }),
    ]
    expect(variants.map((sent) => play(cache, sent).cacheReadTokens)).toEqual([0, 0, 0])
  })

  test('finds an entry up to twenty blocks before a mark and no further', () => {
    const cache = new CacheAccountant()
    play(cache, request([user(text(LONG, true))]))
    const grown = (blocks: number) =>
      request([
        user(
          text(LONG),
          ...Array.from({ length: blocks }, (_, n) => text(`block ${n} of ${blocks}`, n === blocks - 1)),
        ),
      ])
    expect([19, 20].map((blocks) => play(cache, grown(blocks)).cacheReadTokens > 0)).toEqual([true, false])
  })

  test('forgets after five minutes, counted from the last use', () => {
    let now = 0
    const cache = new CacheAccountant(() => now)
    const sent = request([user(text(LONG, true))])
    const hits = [0, 299_000, 299_000, 300_001].map((laterMs) => {
      now += laterMs
      return play(cache, sent).cacheReadTokens > 0
    })
    expect(hits).toEqual([false, true, true, false])
  })

  test('knows an entry only once its reply began', () => {
    const cache = new CacheAccountant()
    const sent = request([user(text(LONG, true))])
    const prefix = walkPrefix(sent, profile)
    expect([cache.account(prefix, profile), cache.account(prefix, profile)].map((a) => a.cacheReadTokens)).toEqual([
      0, 0,
    ])
  })

  test('keeps models apart', () => {
    const cache = new CacheAccountant()
    const other = profileFor('claude-sonnet-5-5', { compat: false })
    const sent = request([user(text(LONG, true))])
    play(cache, sent)
    expect(cache.account(walkPrefix(sent, other), other).cacheReadTokens).toBe(0)
  })

  test('marks the end by itself when asked at the top level', () => {
    const sent = request([user(text(LONG))], mark)
    expect(play(new CacheAccountant(), sent).cacheWriteTokens).toBe(sizeOf(sent))
  })
})
