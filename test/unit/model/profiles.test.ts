import { describe, expect, test } from 'vitest'
import { costUsd, isSameModel, knownModels, profileFor, promptTokens } from '../../../src/model/profiles.ts'

const usage = (inputTokens: number, outputTokens: number, cacheReadTokens = 0, cacheWriteTokens = 0) => ({
  inputTokens,
  outputTokens,
  cacheReadTokens,
  cacheWriteTokens,
})

const cost = (model: string, used: ReturnType<typeof usage>) => costUsd(profileFor(model, { compat: false }), used)

describe('costUsd', () => {
  test.each([
    // 10,000 × 1 + 2,000 × 5 + 100,000 × 0.10 + 4,000 × 1.25 = 35,000 micro-dollars
    ['claude-haiku-4-5', usage(10_000, 2_000, 100_000, 4_000), 0.035],
    // 10,000 × 0.10 + 2,000 × 0.50 + 80,000 × 0.01 + 4,000 × 0.125 = 3,300; prompt 94,000
    ['claude-haiku-5-5', usage(10_000, 2_000, 80_000, 4_000), 0.0033],
    // exactly 100,000 prompt tokens is still the lower tier: 100,000 × 0.10
    ['claude-haiku-5-5', usage(100_000, 0), 0.01],
    // one more is charged whole at the higher one: 100,001 × 0.50
    ['claude-haiku-5-5', usage(100_001, 0), 0.050_000_5],
    // cached tokens count towards the step: 1,000 × 0.50 + 1,000 × 2.50 + 100,000 × 0.05 = 8,000
    ['claude-haiku-5-5', usage(1_000, 1_000, 100_000), 0.008],
    // 1,000 × 2 + 1,000 × 10 + 10,000 × 0.10 + 1,000 × 2.5 = 15,500
    ['claude-sonnet-5-5', usage(1_000, 1_000, 10_000, 1_000), 0.0155],
    // 1,000 × 4 + 1,000 × 20 + 10,000 × 0.20 + 1,000 × 5 = 31,000
    ['claude-opus-5-5', usage(1_000, 1_000, 10_000, 1_000), 0.031],
    // 1,000 × 10 + 1,000 × 50 + 10,000 × 0.25 + 1,000 × 12.5 = 75,000
    ['claude-fable-5-1', usage(1_000, 1_000, 10_000, 1_000), 0.075],
  ])('of one call of %s adds every kind of token at its own price', (model, used, dollars) => {
    expect(cost(model, used)).toBeCloseTo(dollars, 12)
  })

  test('is null, not 0, for a model whose price nobody knows', () => {
    expect(costUsd(profileFor('qwen3-coder', { compat: true }), usage(1_000, 1_000))).toBeNull()
  })

  test('of a 30-turn task on Haiku 4.5 is a fifth of what it would be without the cache', () => {
    let cached = 0
    let uncached = 0
    for (let turn = 0; turn < 30; turn++) {
      const before = 9_000 + turn * 2_450
      cached += cost('claude-haiku-4-5', usage(0, 450, turn === 0 ? 0 : before, turn === 0 ? before : 2_450)) ?? 0
      uncached += cost('claude-haiku-4-5', usage(before, 450)) ?? 0
    }
    expect({ cached: Math.round(cached * 100), uncached: Math.round(uncached * 100) }).toEqual({
      cached: 30,
      uncached: 140,
    })
  })
})

describe('profileFor', () => {
  test('knows five models, the default first', () => {
    expect(knownModels()).toEqual([
      'claude-haiku-4-5',
      'claude-haiku-5-5',
      'claude-sonnet-5-5',
      'claude-opus-5-5',
      'claude-fable-5-1',
    ])
  })

  test('takes the dated form of an id and keeps it for the wire', () => {
    const { model, displayName, kind } = profileFor('claude-haiku-4-5-20251001', { compat: false })
    expect({ model, displayName, kind }).toEqual({
      model: 'claude-haiku-4-5-20251001',
      displayName: 'Claude Haiku 4.5',
      kind: 'table',
    })
  })

  test('refuses an unknown id and lists the known ones', () => {
    expect(() => profileFor('gpt-4', { compat: false })).toThrow(
      /"gpt-4" is not known; known models: claude-haiku-4-5, /,
    )
  })

  test('takes an unknown id with plain fields only when the server is one of your own', () => {
    const profile = profileFor('llama-4', { compat: true })
    const { model, displayName, kind, sendsCacheControl, thinking, effort, prices } = profile
    expect({ model, displayName, kind, sendsCacheControl, thinking, effort, prices }).toEqual({
      model: 'llama-4',
      displayName: 'llama-4',
      kind: 'compat',
      sendsCacheControl: false,
      thinking: 'off',
      effort: null,
      prices: [],
    })
  })

  test('compacts Haiku 5.5 before its price step and every model within its window', () => {
    expect(profileFor('claude-haiku-5-5', { compat: false }).compactAtTokens).toBe(80_000)
    expect(profileFor('claude-haiku-4-5', { compat: false }).compactAtTokens).toBe(140_000)
    for (const id of [...knownModels(), 'own-model']) {
      const profile = profileFor(id, { compat: true })
      expect(profile.compactAtTokens + profile.defaultMaxTokens).toBeLessThan(profile.contextTokens)
    }
  })
})

test('promptTokens counts what was read, cached or not', () => {
  expect(promptTokens(usage(1, 2, 30, 400))).toBe(431)
})

test.each([
  ['claude-haiku-4-5', 'claude-haiku-4-5-20251001', true],
  ['claude-haiku-4-5-20251001', 'claude-haiku-4-5', true],
  ['claude-haiku-4-5', 'anthropic/claude-haiku-4-5', true],
  ['claude-haiku-4-5', 'us.anthropic.claude-haiku-4-5-20251001-v1:0', true],
  ['claude-haiku-4-5', 'claude-haiku-4-5@20251001', true],
  ['claude-haiku-4-5', 'claude-sonnet-5-5', false],
  ['claude-haiku-4-5', 'qwen2.5-coder', false],
])('%s asked, %s named: the same model is %s', (asked, answered, isSame) => {
  expect(isSameModel(asked, answered)).toBe(isSame)
})
