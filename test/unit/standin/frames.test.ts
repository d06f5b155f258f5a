import { describe, expect, test } from 'vitest'
import { profileFor } from '../../../src/model/profiles.ts'
import { planReply } from '../../../src/standin/frames.ts'
import type { PolicyReply } from '../../../src/standin/policy.ts'
import { walkPrefix } from '../../../src/standin/prefix.ts'
import type { WireRequest } from '../../../src/standin/wire.ts'

const profile = profileFor('claude-haiku-4-5', { compat: false })
const account = { inputTokens: 5, cacheReadTokens: 0, cacheWriteTokens: 0 }
const use = { type: 'tool_use', name: 'bash', input: { command: 'ls' } } as const
const TWO_CALLS: PolicyReply = { blocks: [use, use] }

function aRequest(overrides: Partial<WireRequest> = {}): WireRequest {
  const messages = [{ role: 'user' as const, content: 'hi' }]
  return { model: 'claude-haiku-4-5', max_tokens: 1_000, messages, metadata: { user_id: 'tsk_1' }, ...overrides }
}

function plan(request: WireRequest, reply: PolicyReply = TWO_CALLS) {
  return planReply({ request, profile, prefix: walkPrefix(request, profile), account, reply, fault: null })
}

const idsOf = (request: WireRequest) =>
  [
    ...plan(request)
      .frames.map(({ text }) => text)
      .join('')
      .matchAll(/toolu_\w+/g),
  ].map(([id]) => id)

describe('tool-use ids', () => {
  test('are the same for the same request and unlike each other', () => {
    const [first, second] = [idsOf(aRequest()), idsOf(aRequest())]
    expect(second).toEqual(first)
    expect(new Set(first).size).toBe(2)
  })

  test('do not change with max_tokens or with the place of a cache mark', () => {
    const marked = aRequest({
      max_tokens: 2_000,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hi', cache_control: { type: 'ephemeral' } }] }],
    })
    expect(idsOf(marked)).toEqual(idsOf(aRequest()))
  })

  test.each([
    ['another task', aRequest({ metadata: { user_id: 'tsk_2' } })],
    ['another message', aRequest({ messages: [{ role: 'user', content: 'ho' }] })],
    ['another system prompt', aRequest({ system: 'Be brief.' })],
  ])('are new for %s', (_, request) => {
    const before = new Set(idsOf(aRequest()))
    expect(idsOf(request).filter((id) => before.has(id))).toEqual([])
  })

  test('are new at every call when nothing names the conversation', () => {
    expect(idsOf(aRequest({ metadata: {} }))).not.toEqual(idsOf(aRequest({ metadata: {} })))
  })
})

test('a reply longer than max_tokens is cut there', () => {
  const { stopReason, message } = plan(aRequest({ max_tokens: 5 }), {
    blocks: [{ type: 'text', text: 'x'.repeat(200) }, use],
  })
  expect({ stopReason, blocks: (message as { content: unknown[] }).content.length }).toEqual({
    stopReason: 'max_tokens',
    blocks: 1,
  })
})

test('thinking is left out for a model that does not think', () => {
  const { message } = plan(aRequest(), {
    blocks: [
      { type: 'thinking', thinking: 'hm' },
      { type: 'text', text: 'Hi' },
    ],
  })
  expect(message).toMatchObject({ content: [{ type: 'text', text: 'Hi' }], stop_reason: 'end_turn' })
})
