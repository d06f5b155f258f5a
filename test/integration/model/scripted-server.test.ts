import Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createAnthropicModel } from '../../../src/model/anthropic.ts'
import type { ScriptedServer } from '../../../src/standin/server.ts'
import { aListener, aRequest, aServer, coderTools, user } from './support.ts'

let server: ScriptedServer
let sdk: Anthropic

beforeAll(async () => {
  server = await aServer({ keepBodies: 5 })
  sdk = new Anthropic({ apiKey: 'test-key', baseURL: server.url, maxRetries: 0, openTelemetry: false, logLevel: 'off' })
})
afterAll(() => server.close())

interface Answer {
  readonly status: number
  readonly body: unknown
  readonly headers: Headers
}

async function call(
  path: string,
  init: { method?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const headers = { authorization: 'Bearer test-key', 'anthropic-version': '2026-10-21', ...init.headers }
  const response = await fetch(`${server.url}${path}`, { ...init, headers })
  const text = await response.text()
  return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text, headers: response.headers }
}

const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  call(path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers })

const plain = { model: 'claude-haiku-4-5', max_tokens: 100, messages: [{ role: 'user', content: 'hello' }] }

describe('the wire', () => {
  test('is exact to the byte', async () => {
    const script = { turns: [{ text: 'Hi' }] }
    const { body, headers } = await post('/v1/messages', {
      ...plain,
      stream: true,
      metadata: { user_id: 'tsk_wire' },
      messages: [{ role: 'user', content: `script: ${JSON.stringify(script)}` }],
    })
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const id = /msg_01[0-9a-f]{22}/.exec(String(body))?.[0]
    expect(body).toBe(
      [
        'event: message_start',
        `data: {"type":"message_start","message":{"id":"${id}","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":16,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}`,
        '',
        'event: ping',
        'data: {"type":"ping"}',
        '',
        'event: content_block_start',
        'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
        '',
        'event: content_block_delta',
        'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}',
        '',
        'event: content_block_stop',
        'data: {"type":"content_block_stop","index":0}',
        '',
        'event: message_delta',
        'data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":1}}',
        '',
        'event: message_stop',
        'data: {"type":"message_stop"}',
        '',
        '',
      ].join('\n'),
    )
  })

  test('takes the key in either header and any version, and refuses without', async () => {
    const statuses = await Promise.all([
      post('/v1/messages', plain),
      post('/v1/messages', plain, { authorization: '', 'x-api-key': 'k', 'anthropic-version': '2023-06-01' }),
      post('/v1/messages', plain, { authorization: '' }),
      post('/v1/messages', plain, { authorization: 'Bearer sk-invalid' }),
      post('/v1/messages', plain, { 'anthropic-version': '' }),
    ])
    expect(statuses.map(({ status }) => status)).toEqual([200, 200, 401, 401, 400])
  })

  test.each([
    ['what is not JSON', '{"model":', 400, 'invalid_request_error'],
    [
      'a lone surrogate',
      JSON.stringify({ ...plain, messages: [{ role: 'user', content: 'a\ud800' }] }),
      400,
      'invalid_request_error',
    ],
    ['an unknown model', { ...plain, model: 'gpt-4' }, 404, 'not_found_error'],
    ['33 MB', `"${'x'.repeat(33 * 1024 * 1024)}"`, 413, 'request_too_large'],
    ['a prompt beyond the window', { ...plain, messages: [user('x'.repeat(900_000))] }, 400, 'invalid_request_error'],
  ])('answers %s with an error of the right shape', async (_, body, status, type) => {
    const answer = await post('/v1/messages', body)
    expect({ status: answer.status, body: answer.body }).toEqual({
      status,
      body: {
        type: 'error',
        error: { type, message: expect.any(String) },
        request_id: answer.headers.get('request-id'),
      },
    })
  })

  test('lets the written escape of a surrogate through', async () => {
    const { status } = await post('/v1/messages', { ...plain, messages: [user('the text \\ud800 in a file, and 😀')] })
    expect(status).toBe(200)
  })

  test('answers an unknown path with 404', async () => {
    expect((await call('/v1/complete')).status).toBe(404)
  })

  test('gives a whole message to those who do not stream', async () => {
    const reply = await sdk.messages.create({
      ...plain,
      model: 'claude-haiku-4-5',
      messages: [{ role: 'user', content: 'hi' }],
    })
    expect({ role: reply.role, stop: reply.stop_reason, content: reply.content }).toEqual({
      role: 'assistant',
      stop: 'end_turn',
      content: [{ type: 'text', text: 'No script was given.' }],
    })
  })

  test('lists its models, counts tokens, and its count is what a call then charges', async () => {
    const listed = await sdk.models.list()
    const one = await sdk.models.retrieve('claude-haiku-4-5')
    const { input_tokens: counted } = await sdk.messages.countTokens({
      model: 'claude-haiku-4-5',
      messages: [{ role: 'user', content: 'hello' }],
    })
    const charged = await sdk.messages.create({ ...plain, messages: [{ role: 'user', content: 'hello' }] })
    expect({ ids: listed.data.map(({ id }) => id)[0], window: one.max_input_tokens, counted }).toEqual({
      ids: 'claude-haiku-4-5',
      window: 200_000,
      counted: charged.usage.input_tokens,
    })
  })
})

describe('the conversation', () => {
  const model = () => createAnthropicModel({ apiKey: 'k', baseUrl: server.url })
  const script = { turns: [{ text: 'One.' }, { text: 'Two.' }] }

  async function firstTurn(taskId: string) {
    const request = aRequest({ taskId, script })
    const reply = await model().stream(request, aListener())
    return { request, messages: [...request.messages, { role: 'assistant' as const, content: reply.content }] }
  }

  test('goes on when it is only added to, also in the message that was last', async () => {
    const { request, messages } = await firstTurn('tsk_append')
    const next = [...messages, user('go on')]
    await model().stream({ ...request, messages: next }, aListener())
    const steered = [
      ...messages,
      { role: 'user' as const, content: [...user('go on').content, ...user('faster').content] },
    ]
    const reply = await model().stream({ ...request, messages: steered as typeof next }, aListener())
    expect(reply.content).toEqual([{ type: 'text', text: 'Two.' }])
  })

  test('is refused when an earlier message was edited', async () => {
    const { request, messages } = await firstTurn('tsk_edit')
    await model().stream({ ...request, messages: [...messages, user('go on')] }, aListener())
    const edited = [
      request.messages[0] ?? user(''),
      { role: 'assistant' as const, content: [{ type: 'text' as const, text: 'Edited.' }] },
      user('go on'),
    ]
    await expect(model().stream({ ...request, messages: edited }, aListener())).rejects.toMatchObject({
      code: 'model_rejected',
      message: expect.stringMatching(/messages\.1: an earlier message of this conversation was changed/),
    })
  })

  test('may start afresh with another system prompt', async () => {
    const { request } = await firstTurn('tsk_segment')
    const fresh = { ...request, system: ['A summary.'], messages: [user('script: {"turns":[{"text":"Fresh."}]}')] }
    expect((await model().stream(fresh, aListener())).content).toEqual([{ type: 'text', text: 'Fresh.' }])
  })
})

describe('the back door', () => {
  test('arms faults over HTTP for the requests they are meant for', async () => {
    const model = createAnthropicModel({ apiKey: 'k', baseUrl: server.url })
    const armed = await post('/_keelson/faults', [{ kind: 'overloaded', times: 2, match: { taskId: 'tsk_hit' } }])
    expect(armed).toMatchObject({ status: 200, body: { items: [{ left: 2 }] } })
    const codes: string[] = []
    for (const taskId of ['tsk_miss', 'tsk_hit', 'tsk_hit', 'tsk_hit']) {
      const call = model.stream(aRequest({ taskId }), aListener())
      codes.push(
        await call.then(
          ({ stopReason }) => stopReason,
          (error: { code: string }) => error.code,
        ),
      )
    }
    expect(codes).toEqual(['end_turn', 'model_overloaded', 'model_overloaded', 'end_turn'])
  })

  test('refuses a fault that it does not know', async () => {
    expect((await post('/_keelson/faults', [{ kind: 'earthquake' }])).status).toBe(400)
  })

  test('tells what was asked, with tokens, lane and turn', async () => {
    const model = createAnthropicModel({ apiKey: 'k', baseUrl: server.url })
    await call('/_keelson/journal', { method: 'DELETE' })
    const tools = [
      ...coderTools,
      { name: 'submit_review', description: 'x', input_schema: { type: 'object' as const } },
    ]
    await model.stream(aRequest({ taskId: 'tsk_seen', tools }), aListener())
    const { body } = await call('/_keelson/journal')
    expect(body).toMatchObject({
      items: [
        {
          taskId: 'tsk_seen',
          lane: 'reviewer',
          turn: 1,
          status: 200,
          sdkRetry: 0,
          stopReason: 'tool_use',
          delivered: true,
        },
      ],
    })
    const { body: bodies } = await call('/_keelson/bodies')
    expect(bodies).toMatchObject({ items: [{ metadata: { user_id: 'tsk_seen' } }] })
  })
})
