/** Servers of other makers and gateways in front of them: what they answer besides a well-formed stream. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterEach, describe, expect, test } from 'vitest'
import { createAnthropicModel } from '../../../src/model/anthropic.ts'
import type { ModelReply } from '../../../src/model/types.ts'
import { AppError } from '../../../src/shared/errors.ts'
import { aListener, aRequest } from './support.ts'

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

type Answer = (response: ServerResponse, request: IncomingMessage & { body: string }) => void

/** A server whose answers to `POST …/v1/messages` are written by hand; everything else is not found. */
async function anOwnServer(answer: Answer, host = '127.0.0.1'): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const own = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString()
    })
    request.on('end', () => {
      asked.push(`${request.method} ${request.url}`)
      if (request.method === 'POST') answer(response, Object.assign(request, { body }))
      else response.writeHead(404).end()
    })
  })
  await new Promise<void>((resolve) => own.listen(0, host, resolve))
  open.push(() => {
    own.closeAllConnections()
    own.close()
  })
  const { port } = own.address() as AddressInfo
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, asked }
}

const data = (fields: object): string => `data: ${JSON.stringify(fields)}\n\n`
const frame = (type: string, fields: object): string => `event: ${type}\n${data({ type, ...fields })}`

const WHOLE = [
  frame('message_start', { message: { model: 'local', usage: { input_tokens: 5 } } }),
  frame('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  frame('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Grüße. ' } }),
  frame('content_block_stop', { index: 0 }),
  frame('content_block_start', { index: 1, content_block: { type: 'tool_use', id: 'c', name: 'bash', input: {} } }),
  frame('content_block_delta', { index: 1, delta: { type: 'input_json_delta', partial_json: '{"command":"ls"}' } }),
  frame('content_block_stop', { index: 1 }),
  frame('message_delta', { delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 3 } }),
  frame('message_stop', {}),
].join('')

/** Its beginning, to the first piece of text. */
const BEGUN = WHOLE.split('\n\n').slice(0, 3).join('\n\n') + '\n\n'

const CONTENT = [
  { type: 'text', text: 'Grüße. ' },
  { type: 'tool_use', id: 'c', name: 'bash', input: { command: 'ls' } },
]
const STREAM = { 'content-type': 'text/event-stream' }
const JSON_KIND = { 'content-type': 'application/json' }
const REPLY = { type: 'message', role: 'assistant', model: 'local', content: CONTENT }

interface CallOptions {
  readonly firstEventTimeoutMs?: number
  readonly eventTimeoutMs?: number
  readonly apiKey?: string
}

function call(baseUrl: string, options: CallOptions = {}): Promise<ModelReply> {
  const model = createAnthropicModel({ baseUrl, compat: true, firstEventTimeoutMs: 30_000, ...options })
  return model.stream(aRequest({ model: 'local' }), aListener())
}

async function failureOf(reply: Promise<unknown>): Promise<AppError> {
  try {
    await reply
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('the call was expected to fail')
}

/** `text` in pieces of `size` bytes, which cut characters and events apart. */
function inPieces(response: ServerResponse, text: string, size: number): void {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) response.write(bytes.subarray(at, at + size))
  response.end()
}

describe('a reply is understood', () => {
  test.each<[form: string, answer: Answer]>([
    ['as the protocol has it', (response) => response.writeHead(200, STREAM).end(WHOLE)],
    ['in pieces of a few bytes', (response) => inPieces(response.writeHead(200, STREAM), WHOLE, 7)],
    [
      'without names of its events',
      (response) => response.writeHead(200, STREAM).end(WHOLE.replaceAll(/^event.*\n/gm, '')),
    ],
    ['with CRLF', (response) => response.writeHead(200, STREAM).end(WHOLE.replaceAll('\n', '\r\n'))],
    [
      'with a last word of another protocol',
      (response) => response.writeHead(200, STREAM).end(`${WHOLE}data: [DONE]\n\n`),
    ],
    [
      'with comments and pings between',
      (response) =>
        response.writeHead(200, STREAM).end(WHOLE.replaceAll('\n\n', `\n\n: keep-alive\n\n${frame('ping', {})}`)),
    ],
    ['without an empty line behind its last event', (response) => response.writeHead(200, STREAM).end(WHOLE.trimEnd())],
    [
      'with gzip',
      (response) => response.writeHead(200, { ...STREAM, 'content-encoding': 'gzip' }).end(gzipSync(WHOLE)),
    ],
    [
      'with brotli',
      (response) => response.writeHead(200, { ...STREAM, 'content-encoding': 'br' }).end(brotliCompressSync(WHOLE)),
    ],
    [
      'with another stop word',
      (response) =>
        response.writeHead(200, STREAM).end(WHOLE.replace('"stop_reason":"tool_use"', '"stop_reason":"tool_calls"')),
    ],
    [
      'whole, as JSON',
      (response) =>
        response
          .writeHead(200, JSON_KIND)
          .end(JSON.stringify({ ...REPLY, stop_reason: 'tool_use', usage: { input_tokens: 5, output_tokens: 3 } })),
    ],
    [
      'whole, as JSON with inputs as text',
      (response) => {
        const content = [CONTENT[0], { ...CONTENT[1], input: '{"command":"ls"}' }]
        const usage = { input_tokens: 5, output_tokens: 3 }
        response.writeHead(200, JSON_KIND).end(JSON.stringify({ ...REPLY, content, stop_reason: 'tool_use', usage }))
      },
    ],
  ])('%s', async (_, answer) => {
    const { url, asked } = await anOwnServer(answer)
    const { content, stopReason, usage } = await call(url)
    expect({ content, stopReason, usage, asked }).toEqual({
      content: CONTENT,
      stopReason: 'tool_use',
      usage: { inputTokens: 5, outputTokens: 3, cacheReadTokens: 0, cacheWriteTokens: 0 },
      asked: ['POST /v1/messages'],
    })
  })

  test('at an IPv6 address, and below a path', async () => {
    const { url, asked } = await anOwnServer((response) => response.writeHead(200, STREAM).end(WHOLE), '::1')
    const replies = [await call(url), await call(`${url}/anthropic`)]
    expect(replies.map(({ content }) => content)).toEqual([CONTENT, CONTENT])
    expect(asked).toEqual(['POST /v1/messages', 'POST /anthropic/v1/messages'])
  })

  test('at a server without keys, which is sent none of ours', async () => {
    const keys: unknown[] = []
    const { url } = await anOwnServer((response, { headers }) => {
      keys.push(headers['x-api-key'], headers.authorization)
      response.writeHead(200, STREAM).end(WHOLE)
    })
    await call(url)
    expect(keys).toEqual(['none', 'Bearer none'])
  })
})

describe('a redirect', () => {
  test.each([307, 308])('%i on the same host is followed with the whole request', async (status) => {
    const bodies: string[] = []
    const { url, asked } = await anOwnServer((response, { url: path, body }) => {
      bodies.push(body)
      if (path === '/v1/messages') response.writeHead(status, { location: '/real/v1/messages' }).end()
      else response.writeHead(200, STREAM).end(WHOLE)
    })
    expect((await call(url)).content).toEqual(CONTENT)
    expect([asked, bodies[0] === bodies[1]]).toEqual([['POST /v1/messages', 'POST /real/v1/messages'], true])
  })

  test.each([
    [301, 'https://models.example/v1/messages', 'https://models.example;'],
    [302, '/login', /127\.0\.0\.1:\d+\/login;/],
    [307, 'http://models.example:81/llm/v1/messages', 'http://models.example:81/llm;'],
    [308, '/v1/messages', /127\.0\.0\.1:\d+;/],
  ])('%i to %s ends the call and names the address to set', async (status, location, named) => {
    const { url } = await anOwnServer((response) => response.writeHead(status, { location }).end())
    const { code, message } = await failureOf(call(url))
    expect([code, message]).toEqual(['model_not_found', expect.stringMatching(named)])
  })
})

interface Row {
  readonly name: string
  readonly answer: Answer
  readonly code: string
  readonly retryable: boolean
  readonly says: RegExp
  readonly mayBeLasting?: true
}

const PAGE = '<!doctype html><html><body><h1>Welcome</h1></body></html>'
const HTML = { 'content-type': 'text/html' }
const openAiError = (message: string, fields: object = {}) => ({
  error: { message, type: null, param: null, ...fields },
})
const json =
  (status: number, body: object, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, { ...JSON_KIND, ...headers }).end(JSON.stringify(body))

const rows: readonly Row[] = [
  {
    name: 'a web page with status 200',
    answer: (response) => response.writeHead(200, HTML).end(PAGE),
    ...{ code: 'model_not_found', retryable: false, says: /web page .* check ANTHROPIC_BASE_URL/ },
  },
  {
    name: 'a web page with status 404',
    answer: (response) => response.writeHead(404, HTML).end(PAGE),
    ...{ code: 'model_not_found', retryable: false, says: /no Messages API at this address/ },
  },
  {
    name: 'a web page of a gateway whose server is away',
    answer: (response) => response.writeHead(502, HTML).end(PAGE),
    ...{ code: 'model_overloaded', retryable: true, says: /failing; the call is made again in a moment\.$/ },
  },
  {
    name: 'a server that speaks another protocol',
    answer: json(404, { detail: 'Not Found' }),
    ...{ code: 'model_not_found', retryable: false, says: /no Messages API .* The server said: Not Found/ },
  },
  {
    name: 'a method that is not allowed',
    answer: json(405, { detail: 'Method Not Allowed' }),
    ...{ code: 'model_not_found', retryable: false, says: /no Messages API/ },
  },
  {
    name: 'a model that was never pulled',
    answer: json(404, { error: `model "local" not found, try pulling it first` }),
    ...{ code: 'model_not_found', retryable: false, says: /does not know "local".*try pulling it first/ },
  },
  {
    name: 'a gateway that has no such model',
    answer: json(
      400,
      openAiError('/v1/messages: Invalid model name passed in model=local. Call `/v1/models`', { code: '400' }),
    ),
    ...{ code: 'model_not_found', retryable: false, says: /does not know "local"/ },
  },
  {
    name: 'a desktop program without a loaded model',
    answer: json(400, { error: 'No models loaded. Please load a model in the developer page.' }),
    ...{ code: 'model_not_found', retryable: false, says: /No models loaded/ },
  },
  {
    name: 'a server that loads its model',
    answer: json(503, { error: { code: 503, message: 'Loading model', type: 'unavailable_error' } }),
    ...{ code: 'model_overloaded', retryable: true, says: /is still loading its model/ },
  },
  {
    name: 'a missing key',
    answer: json(401, openAiError('Authentication Error, No api key passed in.', { type: 'auth_error', code: '401' })),
    ...{ code: 'model_auth_failed', retryable: false, says: /wants an API key and none is set/ },
  },
  {
    name: 'a busy server with status 429 and nothing more',
    answer: (response) => response.writeHead(429, HTML).end(PAGE),
    ...{ code: 'model_rate_limited', retryable: true, says: /takes no more calls for now/ },
  },
  {
    name: 'a queue that is full',
    answer: json(429, openAiError('Too many parallel requests')),
    ...{ code: 'model_rate_limited', retryable: true, says: /takes no more calls for now.*Too many parallel/ },
  },
  {
    name: 'a budget of a gateway',
    answer: json(429, openAiError('Budget has been exceeded: your monthly spend limit of $5 is reached')),
    ...{ code: 'model_spend_limit', retryable: false, says: /spending limit/ },
  },
  {
    name: 'a cap of the account behind a gateway, whose answer it passes on as text',
    answer: json(
      429,
      openAiError(
        JSON.stringify({
          type: 'error',
          error: { type: 'rate_limit_error', message: 'Your usage limits are reached.' },
        }),
        { type: 'throttling_error', code: '429' },
      ),
    ),
    ...{ code: 'model_spend_limit', retryable: false, says: /The server said: Your usage limits are reached\.$/ },
  },
  {
    name: 'a gateway that rests a server which failed',
    answer: json(
      429,
      openAiError('No deployments available for selected model, Try again in 5 seconds. Passed model=x'),
    ),
    ...{
      code: 'model_rate_limited',
      retryable: true,
      says: /made again in a moment\. The server said: No deployments/,
    },
  },
  {
    name: 'a prompt that is too long, in a gateway’s words',
    answer: json(400, openAiError("This model's maximum context length is 4096 tokens. However, you requested 5000.")),
    ...{ code: 'model_context_exceeded', retryable: false, says: /does not fit.*4096 tokens/ },
  },
  {
    name: 'the same, inside a stream and without the event’s name',
    answer: (response) =>
      response.writeHead(200, STREAM).end(data(openAiError('maximum context length is 4096 tokens', { code: '400' }))),
    ...{ code: 'model_context_exceeded', retryable: false, says: /4096 tokens/ },
  },
  {
    name: 'the same, as JSON with status 200',
    answer: json(200, openAiError('maximum context length is 4096 tokens', { code: 400 })),
    ...{ code: 'model_context_exceeded', retryable: false, says: /4096 tokens/ },
  },
  {
    name: 'a failure inside a stream without the event’s name',
    answer: (response) =>
      response.writeHead(200, STREAM).end(`${BEGUN}${data(openAiError('the grammar has no root', { code: '500' }))}`),
    ...{ code: 'model_overloaded', retryable: true, says: /the grammar has no root/, mayBeLasting: true },
  },
  {
    name: 'a failure of the server itself',
    answer: json(500, openAiError('list index out of range', { code: 500 })),
    ...{ code: 'model_overloaded', retryable: true, says: /list index out of range/, mayBeLasting: true },
  },
  {
    name: 'a gateway that cannot reach the model’s server',
    answer: json(
      500,
      openAiError('InternalServerError: OpenAIException - Connection error.. Received Model Group=local'),
    ),
    ...{ code: 'model_overloaded', retryable: true, says: /Connection error/ },
  },
  {
    name: 'a reply that ends well before a word, as gateways end it whose server died',
    answer: (response) =>
      response.writeHead(200, STREAM).end(
        [
          frame('message_start', { message: { model: 'm', usage: { input_tokens: 0, output_tokens: 0 } } }),
          frame('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
          frame('content_block_stop', { index: 0 }),
          frame('content_block_delta', { index: 0, delta: { type: 'text_delta', text: '' } }),
          frame('message_delta', {
            delta: { stop_reason: 'end_turn' },
            usage: { input_tokens: 0, output_tokens: 0 },
          }),
          frame('message_stop', {}),
        ].join(''),
      ),
    ...{ code: 'model_stream_broken', retryable: true, says: /before it said anything/, mayBeLasting: true },
  },
  {
    name: 'a stream without any event',
    answer: (response) => response.writeHead(200, STREAM).end(': hello\n\n'),
    ...{ code: 'model_stream_broken', retryable: true, says: /ended before|broke off/, mayBeLasting: true },
  },
  {
    name: 'JSON that is no reply',
    answer: json(200, { ok: true }),
    ...{ code: 'model_stream_broken', retryable: true, says: /no reply of the Messages protocol/, mayBeLasting: true },
  },
  {
    name: 'a stream that ends in the middle',
    answer: (response) => response.writeHead(200, STREAM).end(WHOLE.slice(0, 600)),
    ...{ code: 'model_stream_broken', retryable: true, says: /ended before its last event|broke off/ },
  },
  {
    name: 'a connection that is lost in the middle',
    answer: (response) => {
      response.writeHead(200, STREAM).write(WHOLE.slice(0, 600))
      setTimeout(() => response.destroy(), 50)
    },
    ...{ code: 'model_stream_broken', retryable: true, says: /broke off/ },
  },
]

describe('a failure', () => {
  test.each(rows)(
    '$name is $code and says what a person can do',
    async ({ answer, code, retryable, says, mayBeLasting }) => {
      const { url } = await anOwnServer(answer)
      const failure = await failureOf(call(url))
      const { mayBeLasting: lasting } = failure.details ?? {}
      expect({ code: failure.code, retryable: failure.retryable, lasting, message: failure.message }).toEqual({
        code,
        retryable,
        lasting: mayBeLasting,
        message: expect.stringMatching(says),
      })
    },
  )

  test('of a refused key names the setting and not the key', async () => {
    const { url } = await anOwnServer(json(401, openAiError('bad key a-wrong-key')))
    const { code, message } = await failureOf(call(url, { apiKey: 'a-wrong-key' }))
    expect([code, message]).toEqual([
      'model_auth_failed',
      'The model server refused the API key; check ANTHROPIC_API_KEY and restart. The server said: bad key [key]',
    ])
  })

  test.each([
    ['comments', ':\n\n'],
    ['pings', frame('ping', {})],
  ])('of a reply that goes on with %s alone is noticed, whatever lives', async (_, sign) => {
    const { url } = await anOwnServer((response) => {
      response.writeHead(200, STREAM).write(BEGUN)
      const timer = setInterval(() => response.write(sign), 20)
      response.on('close', () => clearInterval(timer))
    })
    expect(await failureOf(call(url, { eventTimeoutMs: 300 }))).toMatchObject({ code: 'model_stalled' })
  })
})
