import {
  AnthropicError,
  APIConnectionError,
  APIConnectionTimeoutError,
  APIError,
  APIUserAbortError,
} from '@anthropic-ai/sdk'
import { describe, expect, test } from 'vitest'
import { limitsOf, StallError, toModelError } from '../../../src/model/failures.ts'
import { retryAfterMsOf } from '../../../src/model/retry-after.ts'
import { AppError } from '../../../src/shared/errors.ts'

const KEY = 'sk-ant-secret-0123456789'
const context = { model: 'claude-haiku-4-5', secret: KEY, host: 'models.example' }

function answer(status: number, type: string, message: string, headers: Record<string, string> = {}): APIError {
  return APIError.generate(status, { type: 'error', error: { type, message } }, undefined, new Headers(headers))
}

/** As the SDK throws an `error` event of a stream that had begun. */
function errorEvent(type: string, message = 'went wrong'): APIError {
  return new APIError(undefined, { error: { type, message } }, undefined, new Headers(), type as never)
}

function wrapped(message: string, cause?: unknown): AnthropicError {
  const error = new AnthropicError(message)
  if (cause !== undefined) error.cause = cause
  return error
}

const coded = (code: string, message = code): Error => Object.assign(new Error(message), { code })

interface Row {
  readonly name: string
  readonly error: unknown
  readonly code: string
  readonly retryable: boolean
  readonly retryAfterMs?: number
}

const limited = (headers: Record<string, string>) => answer(429, 'rate_limit_error', 'slow down', headers)

const rows: readonly Row[] = [
  {
    name: '429 with retry-after',
    error: limited({ 'retry-after': '7' }),
    code: 'model_rate_limited',
    retryable: true,
    retryAfterMs: 7_000,
  },
  {
    name: '429 with retry-after-ms',
    error: limited({ 'retry-after-ms': '1500', 'retry-after': '9' }),
    code: 'model_rate_limited',
    retryable: true,
    retryAfterMs: 1_500,
  },
  {
    name: '429 that wants an hour',
    error: limited({ 'retry-after': '3600' }),
    code: 'model_rate_limited',
    retryable: true,
    retryAfterMs: 60_000,
  },
  { name: '429 without retry-after', error: limited({}), code: 'model_spend_limit', retryable: false },
  {
    name: '429 without retry-after that speaks of a rate per minute',
    error: answer(429, 'rate_limit_error', 'This would exceed your limit of 50,000 input tokens per minute'),
    code: 'model_rate_limited',
    retryable: true,
  },
  {
    name: '429 without retry-after that speaks of a monthly cap',
    error: answer(429, 'rate_limit_error', 'rate limit: your monthly spend limit is reached'),
    code: 'model_spend_limit',
    retryable: false,
  },
  ...[
    'Rate limit reached for m on tokens per min (TPM): Limit 10000, Used 9000. Please try again in 6s. Add a payment method at /billing to raise it.',
    'Quota exceeded for quota metric requests and limit requests per minute of service x',
    'Number of request tokens has exceeded your per-minute rate limit',
    'You have sent 61 requests/min; the limit of your plan is 60.',
    'Too many requests, please slow down.',
    'Request was throttled. Expected available in 12 seconds.',
    'Engine is at capacity',
    'limit of 3 RPS exceeded, upgrade your billing plan',
    'Maximum number of concurrent requests reached; see /billing',
    'Input tokens per-minute quota exceeded',
    'quota tokens_per_minute exceeded',
    'You exceeded your current quota, please check your plan and billing details. Please retry in 34.07s.',
    'Exceeded the token rate limit of your tier. Please retry after 3 seconds. See /quotaincrease to raise it.',
    'Quota of 60 requests per 60 seconds used up',
    'Rate exceeded',
    'Your request rate is too high',
  ].map((message) => ({
    name: `429 without retry-after: ${message}`,
    error: answer(429, 'rate_limit_error', message),
    code: 'model_rate_limited',
    retryable: true,
  })),
  ...[
    'You exceeded your current quota, please check your plan and billing details.',
    'Your monthly usage limit is reached; it resets on the 1st.',
    'Insufficient balance',
    'Daily token allowance used up (1,000,000 per day)',
    'You have reached your specified API usage limits.',
  ].map((message) => ({
    name: `429 without retry-after: ${message}`,
    error: answer(429, 'rate_limit_error', message),
    code: 'model_spend_limit',
    retryable: false,
  })),
  ...[
    [429, 'model_rate_limited'],
    [503, 'model_overloaded'],
    [529, 'model_overloaded'],
    [408, 'model_unreachable'],
  ].flatMap(([status, code]) =>
    ['0', '-30', 'Sun, 22 Nov 1998 11:00:00 GMT'].map((wait) => ({
      name: `${status} that asks to come back at once (${wait})`,
      error: answer(Number(status), 'x', 'too many requests', { 'retry-after': wait }),
      code: String(code),
      retryable: true,
    })),
  ),
  {
    name: '503 with a date in the far future',
    error: answer(503, 'api_error', 'maintenance', { 'retry-after': 'Sun, 22 Nov 2099 11:00:00 GMT' }),
    code: 'model_overloaded',
    retryable: true,
    retryAfterMs: 60_000,
  },
  {
    name: '408 with retry-after',
    error: answer(408, 'timeout_error', 'slow', { 'retry-after': '3' }),
    code: 'model_unreachable',
    retryable: true,
    retryAfterMs: 3_000,
  },
  {
    name: '413 with retry-after, which no wait makes smaller',
    error: answer(413, 'request_too_large', 'too big', { 'retry-after': '3' }),
    code: 'model_context_exceeded',
    retryable: false,
  },
  {
    name: 'rate limit event that speaks of a cap',
    error: errorEvent('rate_limit_error', 'Your monthly spend limit is reached'),
    code: 'model_spend_limit',
    retryable: false,
  },
  {
    name: '429 with x-should-retry alone',
    error: limited({ 'x-should-retry': 'true' }),
    code: 'model_rate_limited',
    retryable: true,
  },
  {
    name: '429 that forbids a retry',
    error: limited({ 'retry-after': '1', 'x-should-retry': 'false' }),
    code: 'model_spend_limit',
    retryable: false,
  },
  {
    name: '400 in the form of a gateway that does not know the model',
    error: APIError.generate(
      400,
      { error: { message: 'Invalid model name passed in model=x. Call `/v1/models`', type: null, code: '400' } },
      undefined,
      new Headers(),
    ),
    code: 'model_not_found',
    retryable: false,
  },
  {
    name: '500 that does not know the model',
    error: answer(500, 'api_error', "model 'x' not found, try pulling it first"),
    code: 'model_not_found',
    retryable: false,
  },
  {
    name: '500 of a prompt that is too long',
    error: answer(500, 'api_error', 'the request exceeds the available context size, try increasing it'),
    code: 'model_context_exceeded',
    retryable: false,
  },
  {
    name: '400 in the form of llama.cpp',
    error: APIError.generate(
      400,
      { error: { code: 400, message: 'too large', type: 'exceed_context_size_error', n_ctx: 16_384 } },
      undefined,
      new Headers(),
    ),
    code: 'model_context_exceeded',
    retryable: false,
  },
  {
    name: '400 with a field that this model does not take',
    error: answer(400, 'invalid_request_error', 'thinking: this model does not support thinking'),
    code: 'model_rejected',
    retryable: false,
  },
  { name: '529', error: answer(529, 'overloaded_error', 'Overloaded'), code: 'model_overloaded', retryable: true },
  {
    name: '529 with retry-after',
    error: answer(529, 'overloaded_error', 'Overloaded', { 'retry-after': '2' }),
    code: 'model_overloaded',
    retryable: true,
    retryAfterMs: 2_000,
  },
  { name: '500', error: answer(500, 'api_error', 'oops'), code: 'model_overloaded', retryable: true },
  {
    name: '502 of a proxy, with HTML',
    error: APIError.generate(502, undefined, '<html>', new Headers()),
    code: 'model_overloaded',
    retryable: true,
  },
  {
    name: '500 that forbids a retry',
    error: answer(500, 'api_error', 'oops', { 'x-should-retry': 'false' }),
    code: 'model_rejected',
    retryable: false,
  },
  { name: '408', error: answer(408, 'timeout_error', 'slow'), code: 'model_unreachable', retryable: true },
  { name: '409', error: answer(409, 'conflict_error', 'busy'), code: 'model_overloaded', retryable: true },
  {
    name: '400',
    error: answer(400, 'invalid_request_error', 'messages: bad'),
    code: 'model_rejected',
    retryable: false,
  },
  {
    name: '400, prompt too long',
    error: answer(400, 'invalid_request_error', 'prompt is too long: 2 > 1 maximum'),
    code: 'model_context_exceeded',
    retryable: false,
  },
  {
    name: '400 of llama.cpp, prompt too long',
    error: answer(400, 'invalid_request_error', 'the request exceeds the available context size'),
    code: 'model_context_exceeded',
    retryable: false,
  },
  {
    name: '400, no credit',
    error: answer(400, 'invalid_request_error', 'Your credit balance is too low'),
    code: 'model_spend_limit',
    retryable: false,
  },
  {
    name: '401',
    error: answer(401, 'authentication_error', 'invalid x-api-key'),
    code: 'model_auth_failed',
    retryable: false,
  },
  { name: '402', error: answer(402, 'billing_error', 'pay'), code: 'model_spend_limit', retryable: false },
  { name: '403', error: answer(403, 'permission_error', 'no'), code: 'model_auth_failed', retryable: false },
  { name: '404', error: answer(404, 'not_found_error', 'model: x'), code: 'model_not_found', retryable: false },
  { name: '413', error: answer(413, 'request_too_large', 'too big'), code: 'model_context_exceeded', retryable: false },
  { name: '422', error: answer(422, 'invalid_request_error', 'field'), code: 'model_rejected', retryable: false },
  { name: 'overloaded event', error: errorEvent('overloaded_error'), code: 'model_overloaded', retryable: true },
  { name: 'api_error event', error: errorEvent('api_error'), code: 'model_overloaded', retryable: true },
  { name: 'rate limit event', error: errorEvent('rate_limit_error'), code: 'model_rate_limited', retryable: true },
  {
    name: 'invalid request event',
    error: errorEvent('invalid_request_error'),
    code: 'model_rejected',
    retryable: false,
  },
  {
    name: 'authentication event',
    error: errorEvent('authentication_error'),
    code: 'model_auth_failed',
    retryable: false,
  },
  { name: 'unknown event', error: errorEvent('strange_error'), code: 'model_stream_broken', retryable: true },
  {
    name: 'refused connection',
    error: new APIConnectionError({ cause: wrapped('fetch failed', coded('ECONNREFUSED')) }),
    code: 'model_unreachable',
    retryable: true,
  },
  {
    name: 'unknown host',
    error: new APIConnectionError({ cause: coded('ENOTFOUND') }),
    code: 'model_unreachable',
    retryable: true,
  },
  { name: 'no headers in time', error: new APIConnectionTimeoutError(), code: 'model_unreachable', retryable: true },
  {
    name: 'reset in the stream',
    error: wrapped('terminated', new TypeError('terminated', { cause: coded('UND_ERR_SOCKET', 'other side closed') })),
    code: 'model_stream_broken',
    retryable: true,
  },
  {
    name: 'end before message_stop',
    error: wrapped('stream ended without producing a Message with role=assistant'),
    code: 'model_stream_broken',
    retryable: true,
  },
  {
    name: 'no chunk at all',
    error: wrapped('request ended without sending any chunks'),
    code: 'model_stream_broken',
    retryable: true,
  },
  {
    name: 'garbage frame',
    error: wrapped('Unexpected token < in JSON', new SyntaxError('Unexpected token <')),
    code: 'model_stream_broken',
    retryable: true,
  },
  {
    name: 'malformed tool JSON',
    error: wrapped("Expected ',' or '}' after property value in JSON at position 14"),
    code: 'model_stream_broken',
    retryable: true,
  },
  { name: 'abort from within', error: new APIUserAbortError(), code: 'model_stream_broken', retryable: true },
  { name: 'stall in a reply', error: new StallError(60_000, true), code: 'model_stalled', retryable: true },
  { name: 'stall before a reply', error: new StallError(60_000, false), code: 'model_stalled', retryable: true },
  {
    name: 'a fault of our own',
    error: new TypeError("Cannot read properties of undefined (reading 'x')"),
    code: 'internal',
    retryable: false,
  },
  { name: 'something that is not an error', error: 'boom', code: 'internal', retryable: false },
]

describe('toModelError', () => {
  test.each(rows)('$name is $code', ({ error, code, retryable, retryAfterMs }) => {
    const failure = toModelError(error, context)
    expect({ code: failure.code, retryable: failure.retryable, retryAfterMs: failure.retryAfterMs }).toEqual({
      code,
      retryable,
      retryAfterMs,
    })
  })

  test.each(rows)('$name is told in one line that is short and has no key', ({ error }) => {
    const { message } = toModelError(error, context)
    expect(message).toMatch(/^[A-Z][^\n]{10,500}$/)
    expect(message).not.toContain(KEY)
  })

  test('takes the key out of what the server repeats, and whatever looks like another', () => {
    const echo = answer(401, 'authentication_error', `bad key ${KEY} or sk-ant-other-key-123456`)
    const { message } = toModelError(echo, context)
    expect(message).toMatch(/bad key \[key\] or \[key\]/)
  })

  test('passes an AppError unchanged, also when the SDK has wrapped it', () => {
    const lost = new AppError('lease_lost', 'Another attempt took over.')
    expect(toModelError(lost, context)).toBe(lost)
    expect(toModelError(wrapped(lost.message, lost), context)).toBe(lost)
  })

  test('rethrows the reason of an abort, whatever went wrong', () => {
    const reason = new Error('cancelled by the user')
    const signal = AbortSignal.abort(reason)
    for (const { error } of rows) {
      expect(() => toModelError(error, { ...context, signal })).toThrow(reason)
    }
  })

  test('keeps status, type and request id for the log', () => {
    const failure = toModelError(answer(500, 'api_error', 'oops', { 'request-id': 'req_1' }), context)
    expect(failure.details).toEqual({ status: 500, type: 'api_error', requestId: 'req_1' })
  })
})

describe('retryAfterMsOf', () => {
  const now = Date.parse('2026-11-22T12:00:00Z')
  test.each([
    [{ 'retry-after': '5' }, 5_000],
    [{ 'retry-after': '0' }, 0],
    [{ 'retry-after': '0.25' }, 250],
    [{ 'retry-after': 'Sun, 22 Nov 2026 12:00:20 GMT' }, 20_000],
    [{ 'retry-after': 'Sun, 22 Nov 2026 11:00:00 GMT' }, 0],
    [{ 'retry-after': 'Sun, 22 Nov 2026 13:00:00 GMT' }, 60_000],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '-5' }, 0],
    [{ 'retry-after': '99999999999999999999' }, 60_000],
    [{ 'retry-after': '2026-11-22T12:00:09Z' }, 9_000],
    [{ 'retry-after': 'Sunday, 22-Nov-26 12:00:20 GMT' }, 20_000],
    [{ 'retry-after': '1,5' }, undefined],
    [{ 'retry-after': '2 minutes' }, undefined],
    [{ 'retry-after': 'May 5' }, undefined],
    [{ 'retry-after': '' }, undefined],
    [{ 'retry-after-ms': '750' }, 750],
    [{ 'retry-after-ms': '-3' }, 0],
    [{ 'retry-after-ms': 'x', 'retry-after': '2' }, 2_000],
    [{}, undefined],
  ])('reads %j as %s ms', (headers, waitMs) => {
    expect(retryAfterMsOf(new Headers(headers as Record<string, string>), now)).toBe(waitMs)
  })
})

describe('the server’s own sentence is kept', () => {
  test.each<[body: unknown]>([
    [{ type: 'error', error: { type: 'x', message: 'It was too odd.' } }],
    [{ error: { message: 'It was too odd.' } }],
    [{ error: 'It was too odd.' }],
    [{ message: 'It was too odd.' }],
    [{ detail: 'It was too odd.' }],
    // A gateway's own error, which holds the answer of the server behind it as text.
    [{ error: { message: '{"type":"error","error":{"type":"x","message":"It was too odd."}}', code: '400' } }],
    [{ error: { message: 'BadRequestError: XException - {"error":{"message":"It was too odd."}}', code: '400' } }],
  ])('%j', (body) => {
    const error = APIError.generate(400, body as object, undefined, new Headers())
    expect(toModelError(error, context).message).toContain('The server said: It was too odd.')
  })
})

test('limits that a refusal names come with it', () => {
  const full = answer(400, 'invalid_request_error', 'prompt is too long: 18000 tokens > 16384 maximum')
  const long = answer(400, 'invalid_request_error', 'max_tokens: 8192 > 4096, which is the maximum allowed')
  expect([full, long].map((error) => limitsOf(toModelError(error, context)))).toEqual([
    { contextTokens: 16_384 },
    { maxOutputTokens: 4_096 },
  ])
  expect(limitsOf(new AppError('model_rejected', 'no'))).toEqual({})
})
