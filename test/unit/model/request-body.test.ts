import { expect, test } from 'vitest'
import { profileFor } from '../../../src/model/profiles.ts'
import { requestBody } from '../../../src/model/request-body.ts'
import type { HistoryMessage, ModelRequest } from '../../../src/model/types.ts'

const mark = { cache_control: { type: 'ephemeral' } }
const tool = { name: 'bash', description: 'Runs.', input_schema: { type: 'object' as const } }
const user = (text: string): HistoryMessage => ({ role: 'user', content: [{ type: 'text', text }] })

function aRequest(overrides: Partial<ModelRequest> = {}): ModelRequest {
  return {
    model: 'claude-haiku-4-5',
    system: ['Rules.', 'Context.'],
    tools: [tool],
    messages: [user('task')],
    maxTokens: 1_000,
    taskId: 'tsk_1',
    ...overrides,
  }
}

const bodyOf = (request: ModelRequest) => requestBody(request, profileFor(request.model, { compat: true }))

/** A round of `calls` parallel calls with their results. */
function round(n: number, calls: number): HistoryMessage[] {
  const ids = Array.from({ length: calls }, (_, call) => `t${n}_${call}`)
  return [
    { role: 'assistant', content: ids.map((id) => ({ type: 'tool_use', id, name: 'bash', input: { command: 'ls' } })) },
    { role: 'user', content: ids.map((id) => ({ type: 'tool_result', tool_use_id: id, content: 'ok' })) },
  ]
}

const withoutMarks = (body: unknown): string =>
  JSON.stringify(body, (key, value: unknown) => (key === 'cache_control' ? undefined : value))

test('marks the end of the static prefix and the end of the last user message', () => {
  expect(bodyOf(aRequest())).toEqual({
    model: 'claude-haiku-4-5',
    max_tokens: 1_000,
    tools: [tool],
    system: [
      { type: 'text', text: 'Rules.' },
      { type: 'text', text: 'Context.', ...mark },
    ],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'task', ...mark }] }],
    metadata: { user_id: 'tsk_1' },
    stream: true,
  })
})

test('marks the last tool when there is no system prompt', () => {
  expect(bodyOf(aRequest({ system: [''] }))).toMatchObject({ tools: [{ ...tool, ...mark }] })
  expect(bodyOf(aRequest({ system: [''] }))).not.toHaveProperty('system')
})

test('sends effort and summarised thinking to a model that has them', () => {
  expect(bodyOf(aRequest({ model: 'claude-haiku-5-5' }))).toMatchObject({
    thinking: { type: 'adaptive', display: 'summarized' },
    output_config: { effort: 'medium' },
  })
})

test('sends a compatible server the plain fields and no mark', () => {
  expect(bodyOf(aRequest({ model: 'llama-4' }))).toEqual({
    model: 'llama-4',
    max_tokens: 1_000,
    tools: [tool],
    system: 'Rules.\n\nContext.',
    messages: [user('task')],
    stream: true,
  })
})

test('a longer history begins with the very bytes of the shorter one, marks aside', () => {
  const history = [user('task'), ...round(1, 2), ...round(2, 1), ...round(3, 4)]
  for (let end = 1; end < history.length; end += 2) {
    const [shorter, longer] = [history.slice(0, end), history.slice(0, end + 2)].map((messages) =>
      withoutMarks(bodyOf(aRequest({ messages })).messages),
    )
    expect(longer?.startsWith(shorter?.slice(0, -1) ?? '?')).toBe(true)
  }
})

test('keeps the keys of a tool input in their order and never changes the history it was given', () => {
  const messages: readonly HistoryMessage[] = [
    user('task'),
    {
      role: 'assistant',
      content: [{ type: 'tool_use', id: 't', name: 'bash', input: JSON.parse('{"z":1,"a":{"y":2,"b":3}}') }],
    },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: 'ok' }] },
  ]
  const before = JSON.stringify(messages)
  expect(JSON.stringify(bodyOf(aRequest({ messages })))).toContain('"input":{"z":1,"a":{"y":2,"b":3}}')
  expect(JSON.stringify(messages)).toBe(before)
})

test.each([
  [9, 1],
  [10, 2],
  [30, 2],
])('after a turn of %i calls %i user messages are marked, so that the cache is found again', (calls, marked) => {
  const messages = [user('task'), ...round(1, calls)]
  const body = bodyOf(aRequest({ messages }))
  const count = body.messages.filter((message) => JSON.stringify(message).includes('cache_control')).length
  expect(count).toBe(marked)
})

test('another server gets tools without bounds, whatever the model is called; Anthropic’s gets all of them', () => {
  const item = {
    type: 'object',
    properties: { maxLength: { type: 'string', maxLength: 2_000 } },
    additionalProperties: false,
  }
  const whole = {
    name: 'plan',
    description: 'Plans.',
    input_schema: {
      type: 'object' as const,
      properties: {
        items: { type: 'array', minItems: 1, maxItems: 30, items: item, description: 'All of them.' },
        kind: { type: 'string', enum: ['minLength', 'b'], minLength: 1 },
        port: { anyOf: [{ type: 'integer', minimum: 1, maximum: 65_535 }, { type: 'null' }], default: { maximum: 1 } },
        env: { type: 'object', additionalProperties: { type: 'string', maxLength: 9 } },
      },
      required: ['items'],
      additionalProperties: false,
    },
  }
  const plain = {
    ...whole,
    input_schema: {
      type: 'object',
      properties: {
        items: {
          type: 'array',
          items: { type: 'object', properties: { maxLength: { type: 'string' } } },
          description: 'All of them.',
        },
        kind: { type: 'string', enum: ['minLength', 'b'] },
        port: { anyOf: [{ type: 'integer' }, { type: 'null' }], default: { maximum: 1 } },
        env: { type: 'object', additionalProperties: { type: 'string' } },
      },
      required: ['items'],
    },
  }
  const toolsAt = (model: string, compat: boolean) =>
    requestBody(aRequest({ model, tools: [whole] }), profileFor(model, { compat })).tools
  expect([toolsAt('qwen', true), toolsAt('claude-haiku-4-5', true), toolsAt('claude-haiku-4-5', false)]).toEqual([
    [plain],
    [plain],
    [whole],
  ])
})
