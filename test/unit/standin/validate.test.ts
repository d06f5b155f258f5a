import { describe, expect, test } from 'vitest'
import { validateRequest } from '../../../src/standin/validate.ts'
import { WireError } from '../../../src/standin/wire.ts'

const tool = { name: 'bash', description: 'x', input_schema: { type: 'object' } }
const use = (id: string, input: unknown = {}) => ({ type: 'tool_use', id, name: 'bash', input })
const result = (id: string, content: unknown = 'ok') => ({ type: 'tool_result', tool_use_id: id, content })
const text = (value: string) => ({ type: 'text', text: value })
const user = (...content: unknown[]) => ({ role: 'user', content })
const assistant = (...content: unknown[]) => ({ role: 'assistant', content })

function body(messages: unknown, more: object = {}): object {
  return { model: 'claude-haiku-4-5', max_tokens: 1_000, tools: [tool], messages, stream: true, ...more }
}

/** What the server would answer: null when it takes the request. */
function answerTo(request: unknown): { readonly status: number; readonly message: string } | null {
  try {
    validateRequest(request)
    return null
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return { status: error.status, message: error.message }
  }
}

const hi = user(text('hi'))
const mark = { cache_control: { type: 'ephemeral' } }

describe('takes', () => {
  test.each([
    ['one message', body([hi])],
    ['content as a string', body([{ role: 'user', content: 'hi' }])],
    [
      'a round of parallel calls with text after the results',
      body([hi, assistant(text('a'), use('t1'), use('t2')), user(result('t1'), result('t2'), text('more'))]),
    ],
    [
      'results in another order than the calls',
      body([hi, assistant(use('t1'), use('t2')), user(result('t2'), result('t1'))]),
    ],
    ['an empty result', body([hi, assistant(use('t1')), user(result('t1', ''))])],
    ['two user messages in a row', body([hi, hi])],
    [
      'a thinking block',
      body([hi, assistant({ type: 'thinking', thinking: '', signature: 's' }, use('t1')), user(result('t1'))]),
    ],
    [
      'four marks',
      body([user({ ...text('a'), ...mark }, { ...text('b'), ...mark })], {
        system: [{ ...text('s'), ...mark }],
        tools: [{ ...tool, ...mark }],
      }),
    ],
    [
      'thinking and effort on a model that has them',
      body([hi], { model: 'claude-haiku-5-5', thinking: { type: 'adaptive' }, output_config: { effort: 'medium' } }),
    ],
    [
      'a system message on a model that has them',
      body([hi, { role: 'system', content: 'Budget: 80 %.' }], { model: 'claude-sonnet-5-5' }),
    ],
  ])('%s', (_, request) => {
    expect(answerTo(request)).toBeNull()
  })
})

describe('refuses', () => {
  test.each([
    ['an array', [], /must be a JSON object/],
    ['no messages', body(undefined), /^messages: Field required/],
    ['an empty history', body([]), /at least one message/],
    ['no max_tokens', body([hi], { max_tokens: undefined }), /^max_tokens: Field required/],
    ['too large a max_tokens', body([hi], { max_tokens: 64_001 }), /64001 > 64000/],
    ['a first message of the assistant', body([assistant(text('a')), hi]), /first message must use the "user" role/],
    [
      'two assistant messages in a row',
      body([hi, assistant(text('a')), assistant(text('b')), hi]),
      /roles must alternate/,
    ],
    ['a prefill', body([hi, assistant(text('a'))]), /prefill/],
    [
      'an unanswered call',
      body([hi, assistant(use('t1')), hi]),
      /`tool_use` ids were found without `tool_result` blocks immediately after: t1\./,
    ],
    ['a call left open at the end', body([hi, assistant(use('t1'))]), /without `tool_result` blocks/],
    [
      'one of two calls unanswered',
      body([hi, assistant(use('t1'), use('t2')), user(result('t1'))]),
      /immediately after: t2\./,
    ],
    [
      'two results for one call',
      body([hi, assistant(use('t1')), user(result('t1'), result('t1'))]),
      /multiple `tool_result` blocks with id: t1/,
    ],
    ['a result without a call', body([hi, assistant(text('a')), user(result('t9'))]), /unexpected `tool_use_id`.*t9/],
    [
      'a result for an older call',
      body([hi, assistant(use('t1')), user(result('t1')), assistant(text('a')), user(result('t1'))]),
      /unexpected `tool_use_id`/,
    ],
    [
      'text before a result',
      body([hi, assistant(use('t1')), user(text('x'), result('t1'))]),
      /must come before other content/,
    ],
    [
      'the same call id twice',
      body([hi, assistant(use('t1')), user(result('t1')), assistant(use('t1')), user(result('t1'))]),
      /ids must be unique/,
    ],
    [
      'an input that is not an object',
      body([hi, assistant(use('t1', 'ls')), user(result('t1'))]),
      /tool_use\.input: Input should be a valid dictionary/,
    ],
    ['an empty message', body([user()]), /messages\.0: user messages must have non-empty content/],
    ['an empty string', body([{ role: 'user', content: '' }]), /non-empty content/],
    ['an empty text', body([user(text(''))]), /text content blocks must be non-empty/],
    ['a text of blanks', body([user(text(' \n'))]), /non-whitespace/],
    ['an unknown field', body([hi], { temperature: 0 }), /^temperature: Extra inputs are not permitted/],
    ['an unknown field in a message', body([{ ...hi, id: 'm1' }]), /^messages\.0\.id: Extra inputs/],
    [
      'an unknown field in a block',
      body([user({ ...text('a'), partId: 'p' })]),
      /^messages\.0\.content\.0\.text\.partId: Extra inputs/,
    ],
    ['a tool call in a user message', body([user(use('t1'))]), /may not stand in user messages/],
    [
      'a result in an assistant message',
      body([hi, assistant(result('t1')), hi]),
      /may not stand in assistant messages/,
    ],
    [
      'tool blocks without tools',
      body([hi, assistant(use('t1')), user(result('t1'))], { tools: undefined }),
      /must define tools/,
    ],
    ['two tools of one name', body([hi], { tools: [tool, tool] }), /Tool names must be unique/],
    ['a tool name with a space', body([hi], { tools: [{ ...tool, name: 'a b' }] }), /name: String should match/],
    [
      'a schema that is no object',
      body([hi], { tools: [{ ...tool, input_schema: { type: 'string' } }] }),
      /input_schema\.type/,
    ],
    [
      'five marks',
      body([user(...Array.from({ length: 5 }, () => ({ ...text('a'), ...mark })))]),
      /maximum of 4 blocks.*Found 5/,
    ],
    [
      'a mark on thinking',
      body([hi, assistant({ type: 'thinking', thinking: '', signature: 's', ...mark }), hi]),
      /cache_control: Extra inputs/,
    ],
    [
      'a thinking block without its signature',
      body([hi, assistant({ type: 'thinking', thinking: 'a' }, text('b')), hi]),
      /signature: Field required/,
    ],
    [
      'effort on a model without it',
      body([hi], { output_config: { effort: 'low' } }),
      /does not support the effort parameter/,
    ],
    [
      'adaptive thinking on a model without it',
      body([hi], { thinking: { type: 'adaptive' } }),
      /adaptive thinking is not supported/,
    ],
    [
      'a system message on a model without them',
      body([hi, { role: 'system', content: 'a' }]),
      /role 'system' is not supported/,
    ],
    ['a user id that is too long', body([hi], { metadata: { user_id: 'x'.repeat(257) } }), /at most 256 characters/],
  ])('%s', (_, request, message) => {
    expect(answerTo(request)).toEqual({ status: 400, message: expect.stringMatching(message) })
  })

  test('an unknown model with 404', () => {
    expect(answerTo(body([hi], { model: 'gpt-4' }))).toEqual({ status: 404, message: 'model: gpt-4' })
  })
})
