import { describe, expect, test } from 'vitest'
import { createKnownLimits } from '../../../src/model/known-limits.ts'
import { limitsOfEntry, outputLimitIn, windowIn, withLimits } from '../../../src/model/limits.ts'
import { profileFor } from '../../../src/model/profiles.ts'

const own = profileFor('qwen3-coder', { compat: true })
const haiku = profileFor('claude-haiku-4-5', { compat: false })

describe('the window is read from a refusal', () => {
  test.each<[sentence: string, tokens: number | undefined]>([
    ['the request exceeds the available context size (16384 tokens), try increasing it', 16_384],
    ['request (18211 tokens) exceeds the available context size (16384 tokens)', 16_384],
    ['The prompt (20010 tokens) is larger than its 16,384 tokens', 16_384],
    ["This model's maximum context length is 4097 tokens, however you requested 5000 tokens", 4_097],
    [
      "'max_tokens' is too large: 32000. This model's maximum context length is 16384 tokens and your request has 9000 input tokens (32000 > 16384 - 9000)",
      16_384,
    ],
    ['prompt is too long: 210000 tokens > 200000 maximum', 200_000],
    ['input length and `max_tokens` exceed context limit: 190000 + 16000 > 200000', 200_000],
    ['Requested tokens (3000) exceed context window of 2048', 2_048],
    ['the model has a context window of 32k and the prompt is longer', 32_768],
    ['prompt too long; exceeded max context length by 3000 tokens', undefined],
    ['prompt is too long', undefined],
  ])('%s', (sentence, tokens) => {
    expect(windowIn(sentence, undefined)).toBe(tokens)
  })

  test('and from the field of a llama.cpp server', () => {
    expect(windowIn('too long', { error: { code: 400, n_prompt_tokens: 18_000, n_ctx: 16_384 } })).toBe(16_384)
  })
})

test.each<[sentence: string, tokens: number | undefined]>([
  ['max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens for this model', 4_096],
  ['max_tokens is too large: 32000. This model supports at most 4096 completion tokens', 4_096],
  ['Range of max_tokens should be [1, 8192]', 8_192],
  ['messages: at most 100 items', undefined],
])('the longest reply is read from: %s', (sentence, tokens) => {
  expect(outputLimitIn(sentence)).toBe(tokens)
})

test.each<[entry: object, limits: object]>([
  [
    { id: 'a', max_input_tokens: 200_000, max_tokens: 64_000 },
    { contextTokens: 200_000, maxOutputTokens: 64_000 },
  ],
  [{ id: 'a', max_model_len: 32_768 }, { contextTokens: 32_768 }],
  [{ id: 'a', meta: { n_ctx_train: 131_072, n_ctx: 16_384 } }, { contextTokens: 16_384 }],
  [{ id: 'a', max_context_length: 131_072, loaded_context_length: 8_192 }, { contextTokens: 8_192 }],
  [{ id: 'a', context_length: '32768' }, {}],
  [{ id: 'a' }, {}],
])('an entry of a list of models gives its limits: %j', (entry, limits) => {
  expect(limitsOfEntry(entry)).toEqual(limits)
})

describe('a profile within known limits', () => {
  test('of another server leaves room for the reply, and for the work after a compaction', () => {
    const { contextTokens, maxOutputTokens, defaultMaxTokens, compactAtTokens } = withLimits(own, {
      contextTokens: 16_384,
    })
    expect({ contextTokens, maxOutputTokens, defaultMaxTokens, compactAtTokens }).toEqual({
      contextTokens: 16_384,
      maxOutputTokens: 16_384,
      defaultMaxTokens: 4_096,
      compactAtTokens: 7_987,
    })
  })

  test.each([2_048, 4_096, 8_192, 16_384, 131_072, 1_000_000])(
    'prompt and reply fit a window of %d',
    (contextTokens) => {
      const profile = withLimits(own, { contextTokens })
      expect(profile.compactAtTokens + profile.defaultMaxTokens).toBeLessThan(contextTokens)
      expect(profile.compactAtTokens).toBeGreaterThan(contextTokens / 8)
    },
  )

  test('of the table never gets more than the table allows', () => {
    expect(withLimits(haiku, { contextTokens: 1_000_000, maxOutputTokens: 1_000_000 })).toEqual(haiku)
    expect(withLimits(haiku, { contextTokens: 16_384 })).toMatchObject({
      contextTokens: 16_384,
      compactAtTokens: 7_987,
    })
  })
})

describe('what is known of a server', () => {
  const listing = () => Promise.resolve([{ id: 'qwen3-coder', limits: { contextTokens: 32_768 } }])

  test('is its list, once it was asked; what a person set goes before, a refusal before both', async () => {
    const known = createKnownLimits({ compat: true, set: { maxOutputTokens: 2_000 }, list: listing })
    const windows = [known.profileOf('qwen3-coder').contextTokens]
    await known.ask()
    windows.push(known.profileOf('qwen3-coder').contextTokens)
    known.learn('qwen3-coder', { contextTokens: 16_384 })
    known.learn('qwen3-coder', {})
    windows.push(known.profileOf('qwen3-coder').contextTokens)
    expect({ windows, output: known.profileOf('qwen3-coder').maxOutputTokens }).toEqual({
      windows: [128_000, 32_768, 16_384],
      output: 2_000,
    })
    const set = createKnownLimits({ compat: true, set: { contextTokens: 65_536 }, list: listing })
    await set.ask()
    expect(set.profileOf('qwen3-coder').contextTokens).toBe(65_536)
  })

  test('holds for any name when it lists one single model, and for listed names alone when it lists more', async () => {
    const windowOf = async (...ids: readonly string[]) => {
      const models = ids.map((id) => ({ id, limits: { contextTokens: 32_768 } }))
      const known = createKnownLimits({ compat: true, set: {}, list: () => Promise.resolve(models) })
      await known.ask()
      return known.profileOf('claude-haiku-4-5').contextTokens
    }
    expect(await Promise.all([windowOf(), windowOf('qwen'), windowOf('qwen', 'llama')])).toEqual([
      200_000, 32_768, 200_000,
    ])
  })

  test('is asked for once, and a minute later again while there is no list', async () => {
    let asked = 0
    let now = 0
    const known = createKnownLimits({
      compat: true,
      set: {},
      now: () => now,
      list: () => {
        asked += 1
        return asked < 2 ? Promise.resolve(null) : listing()
      },
    })
    for (const at of [0, 1, 59_999, 60_000, 60_001, 200_000]) {
      now = at
      await known.ask()
    }
    expect(asked).toBe(2)
  })
})
