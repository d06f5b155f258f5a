import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createAnthropicModel } from '../../../src/model/anthropic.ts'
import type { Model, ModelReading, SpentCall } from '../../../src/model/types.ts'
import { AppError } from '../../../src/shared/errors.ts'
import type { Fault } from '../../../src/standin/faults.ts'
import type { ScriptedServer } from '../../../src/standin/server.ts'
import { aListener, aRequest, aServer } from './support.ts'

let server: ScriptedServer
let model: Model

beforeAll(async () => {
  server = await aServer({ keepBodies: 20 })
  model = createAnthropicModel({ apiKey: 'test-key', baseUrl: server.url, kind: 'scripted', stallTimeoutMs: 5_000 })
})
afterEach(() => {
  server.disarm()
  server.setPace({ ttftMs: 0, tokensPerSecond: 0 })
})
afterAll(() => server.close())

const calls = () => server.journal().length

/** What `stream` threw; fails when it resolved. */
async function failureOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call
  } catch (error) {
    return error
  }
  throw new Error('the call was expected to fail')
}

function frame(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
}

/** A server whose answers are written by hand, for what no well-behaved one sends. */
async function aRawServer(answer: (response: ServerResponse) => void): Promise<{ url: string; close(): void }> {
  const own = createServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    answer(response)
  })
  await new Promise<void>((resolve) => own.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(own.address() as AddressInfo).port}`,
    close: () => {
      own.closeAllConnections()
      own.close()
    },
  }
}

const RUN_LS = { name: 'bash', input: { command: 'ls', description: 'list' } }

describe('a reply', () => {
  test('streams as deltas that add up to its blocks', async () => {
    const listener = aListener()
    const text = 'This sentence is long enough to arrive in more than one piece.'
    const script = { turns: [{ text, tools: [RUN_LS] }] }
    const reply = await model.stream(aRequest({ script }), listener)
    const joined = (type: string) =>
      listener.deltas.map((delta) => (delta.type === type && 'delta' in delta ? delta.delta : '')).join('')
    const toolUse = reply.content[1]
    expect({
      text: joined('text'),
      input: joined('tool_input'),
      pieces: listener.deltas.filter((delta) => delta.type === 'text').length > 1,
      content: reply.content,
      stopReason: reply.stopReason,
      named: listener.deltas.filter((delta) => delta.type === 'block_start'),
    }).toEqual({
      text,
      input: JSON.stringify(RUN_LS.input),
      pieces: true,
      content: [
        { type: 'text', text },
        { type: 'tool_use', id: expect.stringMatching(/^toolu_/), ...RUN_LS },
      ],
      stopReason: 'tool_use',
      named: [
        { type: 'block_start', index: 0, block: 'text' },
        {
          type: 'block_start',
          index: 1,
          block: 'tool_use',
          toolUseId: toolUse?.type === 'tool_use' ? toolUse.id : '',
          toolName: 'bash',
        },
      ],
    })
  })

  test('holds parallel tool calls in order, with ids of their own and keys as they were streamed', async () => {
    const tools = [
      { name: 'read', input: { offset: 2, file_path: 'b', limit: 1 } },
      { name: 'read', input: { file_path: 'a' } },
      { name: 'glob', input: { pattern: '*' } },
    ]
    const reply = await model.stream(aRequest({ script: { turns: [{ tools }] } }), aListener())
    const uses = reply.content.flatMap((block) => (block.type === 'tool_use' ? [block] : []))
    expect(uses.map(({ name, input }) => ({ name, input: JSON.stringify(input) }))).toEqual(
      tools.map(({ name, input }) => ({ name, input: JSON.stringify(input) })),
    )
    expect(new Set(uses.map((use) => use.id)).size).toBe(3)
  })

  test('that is asked for again is the same, ids included', async () => {
    const request = aRequest({ taskId: 'tsk_again', script: { turns: [{ tools: [RUN_LS, RUN_LS] }] } })
    const first = await model.stream(request, aListener())
    const second = await model.stream(request, aListener())
    const other = await model.stream({ ...request, taskId: 'tsk_other' }, aListener())
    expect(second.content).toEqual(first.content)
    expect(other.content).not.toEqual(first.content)
  })

  test('has usage, cost, clock and the name of its request', async () => {
    const reply = await model.stream(aRequest({ taskId: 'tsk_usage' }), aListener())
    const { inputTokens, outputTokens } = reply.usage
    expect(reply.costUsd).toBeCloseTo((inputTokens * 1 + outputTokens * 5) / 1e6, 12)
    expect(inputTokens).toBeGreaterThan(500)
    expect(reply.requestId).toMatch(/^req_scripted_/)
    expect(reply.firstTokenMs).toBeLessThanOrEqual(reply.durationMs)
  })

  test('of a thinking model brings its thinking with the signature, and it can be sent back', async () => {
    const script = { turns: [{ thinking: 'Let me see.', tools: [RUN_LS] }, { text: 'Done.' }] }
    const request = aRequest({ model: 'claude-haiku-5-5', taskId: 'tsk_think', script })
    const first = await model.stream(request, aListener())
    expect(first.content[0]).toEqual({
      type: 'thinking',
      thinking: 'Let me see.',
      signature: expect.stringMatching(/.+/),
    })
    const use = first.content[1]
    const id = use?.type === 'tool_use' ? use.id : ''
    const messages = [
      ...request.messages,
      { role: 'assistant' as const, content: first.content },
      { role: 'user' as const, content: [{ type: 'tool_result' as const, tool_use_id: id, content: 'a b' }] },
    ]
    const second = await model.stream({ ...request, messages }, aListener())
    expect(second.content).toEqual([{ type: 'text', text: 'Done.' }])
    const edited = { ...request, system: ['Another prompt.'], messages }
    expect(await failureOf(model.stream(edited, aListener()))).toMatchObject({ code: 'model_rejected' })
  })

  test('of a model on another server is asked for with the plain fields only', async () => {
    const own = createServer((request, response) => {
      let text = ''
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      request.on('end', () => {
        bodies.push(JSON.parse(text), request.headers['x-api-key'])
        response.writeHead(400, { 'content-type': 'application/json' }).end('{}')
      })
    })
    const bodies: unknown[] = []
    await new Promise<void>((resolve) => {
      own.listen(0, '127.0.0.1', resolve)
    })
    const baseUrl = `http://127.0.0.1:${(own.address() as AddressInfo).port}`
    const compat = createAnthropicModel({ apiKey: 'test-key', baseUrl, compat: true })
    const request = aRequest({ model: 'llama-4', system: ['One.', 'Two.'] })
    await failureOf(compat.stream(request, aListener()))
    expect(bodies).toEqual([
      {
        model: 'llama-4',
        max_tokens: 16_000,
        system: 'One.\n\nTwo.',
        messages: request.messages,
        tools: request.tools,
        stream: true,
      },
      'test-key',
    ])
    own.closeAllConnections()
    own.close()
  })
})

interface FaultRow {
  readonly fault: Fault
  readonly code: string
  readonly retryable: boolean
}

const faultRows: readonly FaultRow[] = [
  { fault: { kind: 'rate_limited', retryAfterSeconds: 3 }, code: 'model_rate_limited', retryable: true },
  { fault: { kind: 'spend_limit' }, code: 'model_spend_limit', retryable: false },
  { fault: { kind: 'overloaded' }, code: 'model_overloaded', retryable: true },
  { fault: { kind: 'internal' }, code: 'model_overloaded', retryable: true },
  { fault: { kind: 'internal', shouldRetry: false }, code: 'model_rejected', retryable: false },
  { fault: { kind: 'unavailable' }, code: 'model_overloaded', retryable: true },
  { fault: { kind: 'timeout' }, code: 'model_unreachable', retryable: true },
  { fault: { kind: 'conflict' }, code: 'model_overloaded', retryable: true },
  { fault: { kind: 'bad_request' }, code: 'model_rejected', retryable: false },
  { fault: { kind: 'unauthorized' }, code: 'model_auth_failed', retryable: false },
  { fault: { kind: 'billing' }, code: 'model_spend_limit', retryable: false },
  { fault: { kind: 'forbidden' }, code: 'model_auth_failed', retryable: false },
  { fault: { kind: 'not_found' }, code: 'model_not_found', retryable: false },
  { fault: { kind: 'too_large' }, code: 'model_context_exceeded', retryable: false },
  { fault: { kind: 'prompt_too_long' }, code: 'model_context_exceeded', retryable: false },
  { fault: { kind: 'reset_before_headers' }, code: 'model_unreachable', retryable: true },
  { fault: { kind: 'empty_body' }, code: 'model_stream_broken', retryable: true },
  { fault: { kind: 'cut', afterFrames: 0 }, code: 'model_stream_broken', retryable: true },
  { fault: { kind: 'cut', afterFrames: 5 }, code: 'model_stream_broken', retryable: true },
  { fault: { kind: 'reset' }, code: 'model_stream_broken', retryable: true },
  { fault: { kind: 'garbage' }, code: 'model_stream_broken', retryable: true },
  { fault: { kind: 'error_event' }, code: 'model_overloaded', retryable: true },
  { fault: { kind: 'no_message_stop' }, code: 'model_stream_broken', retryable: true },
]

describe('a failure', () => {
  test.each(faultRows)('$fault.kind is thrown as $code after one single call', async ({ fault, code, retryable }) => {
    server.arm(fault)
    const before = calls()
    const script = { turns: [{ text: 'A text that is long enough for some frames.', tools: [RUN_LS] }] }
    const failure = await failureOf(model.stream(aRequest({ taskId: `tsk_${fault.kind}`, script }), aListener()))
    expect(failure).toBeInstanceOf(AppError)
    const { code: thrown, retryable: again } = failure as AppError
    expect({ code: thrown, retryable: again, calls: calls() - before }).toEqual({ code, retryable, calls: 1 })
  })

  test('with Retry-After says how long to wait', async () => {
    server.arm({ kind: 'rate_limited', retryAfterSeconds: 3 })
    expect(await failureOf(model.stream(aRequest(), aListener()))).toMatchObject({ retryAfterMs: 3_000 })
  })

  test('in the middle of a reply says once what it had cost by then, its output estimated', async () => {
    const script = { turns: [{ text: 'A text of many words. '.repeat(40) }] }
    server.arm({ kind: 'cut', afterFrames: 8 })
    const spent: SpentCall[] = []
    const listener = aListener({ onSpent: (call) => void spent.push(call) })
    const request = aRequest({ taskId: 'tsk_cost', script })
    expect(await failureOf(model.stream(request, listener))).toMatchObject({ code: 'model_stream_broken' })
    const shown = listener.deltas.reduce((sum, delta) => sum + ('delta' in delta ? delta.delta.length : 0), 0)
    expect([shown > 8, spent]).toEqual([
      true,
      [
        {
          usage: expect.objectContaining({ inputTokens: expect.any(Number), outputTokens: Math.ceil(shown / 4) }),
          costUsd: expect.any(Number),
          isEstimated: true,
        },
      ],
    ])
  })

  test('before a reply began, and a reply that came whole, cost nothing besides', async () => {
    const spent: SpentCall[] = []
    const listener = aListener({ onSpent: (call) => void spent.push(call) })
    server.arm({ kind: 'overloaded' })
    await failureOf(model.stream(aRequest(), listener))
    await model.stream(aRequest(), listener)
    expect(spent).toEqual([])
  })

  test('of the key names the setting and not the key', async () => {
    const wrong = createAnthropicModel({ apiKey: 'an-invalid-key', baseUrl: server.url })
    const failure = (await failureOf(wrong.stream(aRequest(), aListener()))) as AppError
    expect(failure.code).toBe('model_auth_failed')
    expect(failure.message).toContain('ANTHROPIC_API_KEY')
    expect(failure.message).not.toContain('an-invalid-key')
  })

  test('to connect is model_unreachable and names the host', async () => {
    const nowhere = createAnthropicModel({ apiKey: 'k', baseUrl: 'http://127.0.0.1:9' })
    const failure = (await failureOf(nowhere.stream(aRequest(), aListener()))) as AppError
    expect({ code: failure.code, names: failure.message.includes('127.0.0.1:9') }).toEqual({
      code: 'model_unreachable',
      names: true,
    })
  })

  test('of the listener ends the call with that very error', async () => {
    const lost = new AppError('lease_lost', 'Another attempt took over.')
    const listener = aListener({
      onDelta: () => {
        throw lost
      },
    })
    expect(await failureOf(model.stream(aRequest(), listener))).toBe(lost)
  })

  test('because the model is not known makes no call', async () => {
    const before = calls()
    const failure = await failureOf(model.stream(aRequest({ model: 'gpt-4' }), aListener()))
    expect({ failure, calls: calls() - before }).toEqual({
      failure: expect.objectContaining({ code: 'bad_request' }),
      calls: 0,
    })
  })
})

describe('a call whose input is not JSON', () => {
  test.each([
    ['{"command": "echo "hi""}', { invalid_json: '{"command": "echo "hi""}' }],
    ['["ls"]', { invalid_json: '["ls"]' }],
    ['  {"command": "ls"} ', { command: 'ls' }],
    [`{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, { invalid_json: `{"a":${'['.repeat(3_995)}` }],
  ])('comes with what the model wrote, for it to be told: %#', async (written, input) => {
    const own = await aRawServer((response) => {
      response.write(frame('message_start', { message: { model: 'm', usage: { input_tokens: 5 } } }))
      const block = { type: 'tool_use', id: 'call_0', name: 'bash' }
      response.write(frame('content_block_start', { index: 0, content_block: block }))
      const delta = { type: 'input_json_delta', partial_json: written }
      response.write(frame('content_block_delta', { index: 0, delta }))
      response.write(frame('content_block_stop', { index: 0 }))
      response.write(frame('message_delta', { delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 3 } }))
      response.end(frame('message_stop', {}))
    })
    const compat = createAnthropicModel({ apiKey: 'k', baseUrl: own.url, compat: true })
    const reply = await compat.stream(aRequest({ model: 'local' }), aListener())
    expect(reply.content).toEqual([{ type: 'tool_use', id: 'call_0', name: 'bash', input }])
    own.close()
  })
})

describe('a server of one’s own that reads a long prompt', () => {
  const START = frame('message_start', { message: { model: 'm', usage: {} } })
  const TEXT = [
    frame('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    frame('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hello.' } }),
  ].join('')

  test.each([
    ['without a byte', ''],
    ['with the frame of a reply alone, as gateways send it', START],
  ])('is waited for %s, beyond what counts as silence within a reply', async (_, sent) => {
    const own = await aRawServer((response) => {
      response.write(sent)
      setTimeout(() => {
        if (sent === '') response.write(START)
        response.write(TEXT)
        response.write(frame('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } }))
        response.end(frame('message_stop', {}))
      }, 600)
    })
    const patient = createAnthropicModel({
      ...{ apiKey: 'k', baseUrl: own.url, compat: true },
      ...{ stallTimeoutMs: 100, firstEventTimeoutMs: 30_000 },
    })
    const reply = await patient.stream(aRequest({ model: 'local' }), aListener())
    expect(reply.stopReason).toBe('end_turn')
    own.close()
  })

  test('may pause within its reply too, which is told as life and to people', async () => {
    const own = await aRawServer((response) => {
      response.write(START + TEXT)
      setTimeout(() => {
        response.write(frame('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 1 } }))
        response.end(frame('message_stop', {}))
      }, 2_500)
    })
    const patient = createAnthropicModel({
      ...{ apiKey: 'k', baseUrl: own.url, compat: true },
      ...{ stallTimeoutMs: 10_000, firstEventTimeoutMs: 30_000 },
    })
    const readings: ModelReading[] = []
    let signs = 0
    const listener = aListener({ onReading: (reading) => readings.push(reading), onActivity: () => (signs += 1) })
    const reply = await patient.stream(aRequest({ model: 'local' }), listener)
    expect({
      end: reply.stopReason,
      told: [...new Set(readings.map(({ waitsFor, limitMs }) => `${waitsFor} ${limitMs}`))],
      isAlive: signs > readings.length,
    }).toEqual({ end: 'end_turn', told: ['reply 10000'], isAlive: true })
    own.close()
  })

  test.each([
    ['never begins', '', 'model_stalled'],
    ['sends comments and never begins', ':\n\n', 'model_stalled'],
    ['sends the frame of a reply and no content', START, 'model_stalled'],
    ['goes silent after it began', `${START}${TEXT}`, 'model_stalled'],
  ])('and %s is given up', async (_, sent, code) => {
    const own = await aRawServer((response) => void response.write(sent))
    const patient = createAnthropicModel({
      ...{ apiKey: 'k', baseUrl: own.url, compat: true },
      ...{ stallTimeoutMs: 200, firstEventTimeoutMs: 400 },
    })
    expect(await failureOf(patient.stream(aRequest({ model: 'local' }), aListener()))).toMatchObject({ code })
    own.close()
  })
})

describe('a cut reply', () => {
  const script = {
    turns: [{ text: 'I will list the files.', tools: [{ name: 'bash', input: { command: 'rm -rf ./build-output' } }] }],
  }

  test('never brings half a tool call', async () => {
    server.arm({ kind: 'half_tool' })
    const listener = aListener()
    const reply = await model.stream(aRequest({ taskId: 'tsk_half', script }), listener)
    expect({
      streamed: listener.deltas.some((delta) => delta.type === 'tool_input'),
      content: reply.content,
      stopReason: reply.stopReason,
      truncated: reply.truncated,
    }).toEqual({
      streamed: true,
      content: [{ type: 'text', text: 'I will list the files.' }],
      stopReason: 'max_tokens',
      truncated: 'tool_use',
    })
  })

  test('at max_tokens keeps its text and says so', async () => {
    const long = { turns: [{ text: 'word '.repeat(400) }] }
    const reply = await model.stream(aRequest({ taskId: 'tsk_long', script: long, maxTokens: 10 }), aListener())
    expect({
      kinds: reply.content.map(({ type }) => type),
      stop: reply.stopReason,
      truncated: reply.truncated,
    }).toEqual({
      kinds: ['text'],
      stop: 'max_tokens',
      truncated: 'text',
    })
  })

  test.each([
    ['refusal', { stopReason: 'refusal', stopDetail: 'scripted: The scripted server was asked to refuse.', tools: 0 }],
    ['context_window', { stopReason: 'model_context_window_exceeded', stopDetail: null, tools: 0 }],
    ['unknown_stop', { stopReason: 'unknown', stopDetail: 'out_of_paper', tools: 0 }],
    ['empty_reply', { stopReason: 'end_turn', stopDetail: null, tools: 0 }],
  ] as const)('by %s comes with its reason and without tool calls', async (kind, expected) => {
    server.arm({ kind })
    const reply = await model.stream(aRequest({ taskId: `tsk_${kind}`, script }), aListener())
    const tools = reply.content.filter((block) => block.type === 'tool_use').length
    expect({ stopReason: reply.stopReason, stopDetail: reply.stopDetail, tools }).toEqual(expected)
  })
})

describe('an abort', () => {
  test('in the middle of a reply throws the reason within the stream, and the server sees the client go', async () => {
    server.setPace({ tokensPerSecond: 50 })
    const reason = new Error('cancelled by the user')
    const controller = new AbortController()
    const request = aRequest({ taskId: 'tsk_abort', script: { turns: [{ text: 'word '.repeat(400) }] } })
    const listener = aListener({ signal: controller.signal, onDelta: () => controller.abort(reason) })
    expect(await failureOf(model.stream(request, listener))).toBe(reason)
    const entry = () => server.journal().findLast((candidate) => candidate.taskId === 'tsk_abort')
    await expect.poll(() => entry()?.endedAt).not.toBeNull()
    expect(entry()?.delivered).toBe(false)
  })

  test('while waiting for the headers throws the reason', async () => {
    server.arm({ kind: 'hang' })
    const reason = new Error('cancelled')
    const controller = new AbortController()
    const call = failureOf(model.stream(aRequest({ taskId: 'tsk_hang' }), aListener({ signal: controller.signal })))
    await expect.poll(() => server.journal().some((entry) => entry.taskId === 'tsk_hang')).toBe(true)
    controller.abort(reason)
    expect(await call).toBe(reason)
  })

  test('before the call makes no call', async () => {
    const before = calls()
    const reason = new Error('cancelled')
    expect(await failureOf(model.stream(aRequest(), aListener({ signal: AbortSignal.abort(reason) })))).toBe(reason)
    expect(calls()).toBe(before)
  })
})

describe('the stall watchdog', () => {
  test.each(['stall', 'hang'] as const)('ends a call that went silent (%s)', async (kind) => {
    const impatient = createAnthropicModel({ apiKey: 'k', baseUrl: server.url, stallTimeoutMs: 150 })
    server.arm({ kind })
    const failure = await failureOf(impatient.stream(aRequest({ taskId: `tsk_silent_${kind}` }), aListener()))
    expect(failure).toMatchObject({ code: 'model_stalled', retryable: true })
  })

  test('lets a slow reply live as long as bytes come, and passes each sign of life on', async () => {
    const impatient = createAnthropicModel({ apiKey: 'k', baseUrl: server.url, stallTimeoutMs: 800 })
    server.setPace({ tokensPerSecond: 60 })
    let signs = 0
    const listener = aListener({
      onActivity: () => {
        signs++
      },
    })
    const script = { turns: [{ text: 'word '.repeat(60) }] }
    const reply = await impatient.stream(aRequest({ taskId: 'tsk_slow', script }), listener)
    expect(reply.durationMs).toBeGreaterThan(800)
    expect(signs).toBeGreaterThan(5)
  })
})
