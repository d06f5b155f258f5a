/**
 * The one classifier of what goes wrong around a model call. Before the 200 the SDK throws typed errors with a status;
 * after it a failure has no status and its class says little, so the shape of the message decides.
 */

import {
  AnthropicError,
  APIConnectionError,
  APIConnectionTimeoutError,
  APIError,
  APIUserAbortError,
} from '@anthropic-ai/sdk'
import { AppError, type AppErrorOptions, type ErrorCode } from '../shared/errors.ts'
import { type ModelLimits, outputLimitIn, windowIn } from './limits.ts'

/** A server may ask for more; waiting longer than this is better done by asking again. */
const MAX_RETRY_AFTER_MS = 60_000

/** Thrown by the watchdog when no byte arrived for `stallTimeoutMs`. */
export class StallError extends Error {
  readonly afterMs: number
  readonly sawBytes: boolean

  constructor(afterMs: number, sawBytes: boolean) {
    super(`no byte for ${afterMs} ms`)
    this.name = 'StallError'
    this.afterMs = afterMs
    this.sawBytes = sawBytes
  }
}

interface FailureContext {
  readonly model: string
  /** The caller's signal; when it was aborted its reason is rethrown, whatever else went wrong. */
  readonly signal?: AbortSignal
  /** Never to appear in a message. */
  readonly secret?: string
  /** A server of one's own, whose 500 is as often the fault of one request as of the server. */
  readonly isOwnServer?: boolean
  /** Whether calls go with a key; they do unless this says otherwise. */
  readonly hasKey?: boolean
  /** Whether an event of the reply had come. */
  readonly hasBegun?: boolean
  /** Names the server in messages; host only. */
  readonly host?: string
}

interface Facts {
  readonly status: number | undefined
  readonly type: string | null
  readonly message: string
  readonly retryAfterMs: number | undefined
  readonly shouldRetry: boolean | undefined
  readonly requestId: string | null
  /** What the server answered, parsed, of whatever shape. */
  readonly body: unknown
}

/**
 * Turns whatever was thrown around a model call into an `AppError` with a `model_*` code, whose `retryable` is looked up
 * by the caller. Pure; errors that are `AppError` already pass unchanged, and what is neither the network's nor the
 * SDK's doing (a fault in our own code) becomes `internal`, which is final. Throws `signal.reason` when the signal was
 * aborted. Sources: Messages API errors and rate limits; behaviour of SDK 1.12 after the 200.
 */
export function toModelError(error: unknown, context: FailureContext): AppError {
  if (context.signal?.aborted) throw context.signal.reason
  const failure = classified(error, context)
  const isNoReply = failure.code === 'model_stream_broken' && context.hasBegun !== true
  if (!isNoReply || context.isOwnServer !== true) return failure
  // What answers without a single event of the protocol may never have one.
  return new AppError(failure.code, failure.message, { cause: failure, details: { ...failure.details, ...LASTING } })
}

function classified(error: unknown, context: FailureContext): AppError {
  if (error instanceof AppError) return error
  const inner = innermostOf(error)
  if (inner instanceof AppError) return inner
  if (inner instanceof StallError) return stalled(inner)
  if (error instanceof APIConnectionTimeoutError) return unreachable('did not answer in time', error, context)
  if (error instanceof APIConnectionError) return unreachable(reasonOf(error), error, context)
  if (error instanceof APIUserAbortError) return broken('the connection was closed on our side', error)
  if (error instanceof APIError) return fromAnswer(factsOf(error), error, context)
  // A frame that is not JSON comes as the parser's own error.
  if (error instanceof AnthropicError || error instanceof SyntaxError || isNetworkError(inner))
    return fromBrokenStream(error as Error, context)
  return new AppError('internal', 'The model call failed for a reason inside this program.', { cause: error })
}

/** The 4xx and 5xx answers, and the `error` event inside a stream, which has a type but no status. */
function fromAnswer(facts: Facts, cause: unknown, context: FailureContext): AppError {
  const { code, sentence } = judge(facts, context)
  const said = facts.message === '' ? '' : ` The server said: ${scrub(facts.message, context.secret)}`
  const limits = limitsIn(code, facts)
  const options: AppErrorOptions = {
    cause,
    details: {
      status: facts.status ?? null,
      type: facts.type,
      requestId: facts.requestId,
      ...(limits === null ? {} : { limits }),
      // Inside a stream an error has no status.
      ...(code === 'model_overloaded' && isOfOneRequest(facts, context) ? LASTING : {}),
    },
    ...(facts.retryAfterMs !== undefined && isPause(facts.retryAfterMs) && RETRIED.has(code)
      ? { retryAfterMs: facts.retryAfterMs }
      : {}),
  }
  return new AppError(code, `${sentence}${said}`, options)
}

/** Says that a gateway lost its model's server, which comes back. */
const AWAY_PATTERN = /connect(ion)?\b|timed? ?out|unavailable|unreachable|disconnected|\bECONN/i

/** Whether a failure of a server of one's own may be the fault of this one request. */
function isOfOneRequest({ status = 500, message }: Facts, { isOwnServer = false }: FailureContext): boolean {
  return isOwnServer && status === 500 && !AWAY_PATTERN.test(message)
}

/**
 * What is thrown for a reply of a server of one's own that ended well, with nothing in it and not a token counted: gateways
 * end a stream so when their model's server dies.
 */
export function saidNothing(): AppError {
  const message = 'The model server ended its reply before it said anything; the call is made again.'
  return new AppError('model_stream_broken', message, { details: LASTING })
}

/** What is thrown for an event that has not the protocol's shape: the server's fault, not ours, and seldom a passing one. */
export function misshapen(cause: unknown): AppError {
  const message = 'The model server sent an event that does not have the shape of the protocol.'
  return new AppError('model_stream_broken', message, { cause, details: LASTING })
}

/** What the refusal of a request says about the model's limits. */
function limitsIn(code: ErrorCode, { message, body }: Facts): ModelLimits | null {
  if (code === 'model_context_exceeded') {
    const contextTokens = windowIn(message, body)
    return contextTokens === undefined ? null : { contextTokens }
  }
  const maxOutputTokens = code === 'model_rejected' ? outputLimitIn(message) : undefined
  return maxOutputTokens === undefined ? null : { maxOutputTokens }
}

/** The limits that a failed call's server named; none for any other error. */
export function limitsOf(error: AppError): ModelLimits {
  const limits = error.details?.['limits']
  return typeof limits === 'object' && limits !== null ? limits : {}
}

const LASTING = { mayBeLasting: true }

/** Whether the same failure again and again means that no repeat will help. */
export function mayBeLasting(error: AppError): boolean {
  return error.details?.['mayBeLasting'] === true
}

interface Judgement {
  readonly code: ErrorCode
  readonly sentence: string
}

function judge(facts: Facts, context: FailureContext): Judgement {
  const first = facts.status === undefined ? judgeType(facts, context) : judgeStatus(facts.status, facts, context)
  if (facts.shouldRetry === false && RETRIED.has(first.code)) {
    return { code: 'model_rejected', sentence: 'The model server failed and asked not to be tried again.' }
  }
  return first
}

const RETRIED: ReadonlySet<ErrorCode> = new Set(['model_overloaded', 'model_rate_limited', 'model_unreachable'])

function judgeStatus(status: number, facts: Facts, context: FailureContext): Judgement {
  switch (status) {
    case 400:
    case 422:
      return judgeRequest(facts, context)
    case 401:
      return MODEL_ACCESS_PATTERN.test(facts.message) ? forbidden(context) : refusedKey(context)
    case 402:
      return SPENT
    case 403:
      return forbidden(context)
    case 404:
    case 405:
    case 501:
      return /model/i.test(facts.message) || context.isOwnServer !== true ? notFound(context) : nothingThere(context)
    case 408:
      return { code: 'model_unreachable', sentence: 'The model server gave up waiting for the request.' }
    case 409:
      return OVERLOADED
    case 413:
      return TOO_LONG
    case 429:
      return judgeTooMany(facts, context)
    default:
      return status < 500 ? judgeRequest(facts, context) : judgeFailing(facts, context)
  }
}

/** Some servers call it their own failure, in words of their own, that no repeat makes the request right. */
function judgeFailing(facts: Facts, context: FailureContext): Judgement {
  if (isTooLong(facts)) return TOO_LONG
  if (UNKNOWN_MODEL_PATTERN.test(facts.message)) return notFound(context)
  return LOADING_PATTERN.test(facts.message) ? LOADING : OVERLOADED
}

const LOADING_PATTERN = /\bloading (the )?model|\bmodel\b[^.]{0,80}\b(is|being|still) (still |being )?load(ing|ed)\b/i
/** A gateway's way to say that a key is good, but not for this model. */
const MODEL_ACCESS_PATTERN = /\b(access|allowed|permi\w+|use|authorized)\b[^.]{0,60}\bmodel/i

/** Words of a limit that passes by itself, whatever else a server advertises beside them: larger plans, say, or a budget. */
const PASSING_PATTERN =
  /(\b(a|each|every)|per)[ _-]?(\d+[ -]?)?((min|sec)s?\b|minute|second)|\/ ?(\d+ ?)?(min|minute|s|sec|second)s?\b|\b[RT]P[MS]\b|\b(try|retry)( again)? (in|after) (about )?\d+(\.\d+)? ?(ms|milliseconds?|s|secs?|seconds?|m|min|minutes?)\b|concurren|parallel/i
/** Words that mean such a limit unless they stand beside those of a cap. */
const RATE_PATTERN =
  /rate.?limit|\brequest rate\b|\brate (is |was )?(exceeded|too high)|too many (requests|tokens)|throttl|too quickly|at capacity|\bbusy\b/i
/** Words of one that does not. */
const CAP_PATTERN = /credit|spend|usage limit|billing|quota|insufficient|monthly|per month|per day|daily/i

/**
 * A 429 without a time to come back is a spending cap, unless it speaks of a rate: trying a cap again keeps failing. A
 * server of one's own has no caps unless it says so: it is busy.
 */
function judgeTooMany(facts: Facts, context: FailureContext): Judgement {
  if (facts.shouldRetry === false) return SPENT
  const isNamed = facts.retryAfterMs !== undefined
  const isRate = RATE_PATTERN.test(facts.message) || context.isOwnServer === true
  const isPassing = PASSING_PATTERN.test(facts.message) || (isRate && !CAP_PATTERN.test(facts.message))
  if (isPassing || isNamed) return isPause(facts.retryAfterMs) ? LIMITED : LIMITED_UNTIL_LATER
  return facts.shouldRetry === true ? LIMITED_UNTIL_LATER : SPENT
}

/** Within a stream the type alone says that it is a rate, unless the words say that it is none. */
function isCapOnly({ message }: Facts): boolean {
  return CAP_PATTERN.test(message) && !PASSING_PATTERN.test(message)
}

/** Whether a server named a pause at all: at once is none, and again and again at once helps nobody. */
function isPause(retryAfterMs: number | undefined): boolean {
  return retryAfterMs !== undefined && retryAfterMs > 0
}

function judgeType(facts: Facts, context: FailureContext): Judgement {
  switch (facts.type) {
    case 'overloaded_error':
    case 'api_error':
    case 'timeout_error':
      return judgeFailing(facts, context)
    case 'rate_limit_error':
      return isCapOnly(facts) ? SPENT : isPause(facts.retryAfterMs) ? LIMITED : LIMITED_UNTIL_LATER
    case 'authentication_error':
    case 'permission_error':
      return refusedKey(context)
    case 'billing_error':
      return SPENT
    case 'not_found_error':
      return notFound(context)
    case 'request_too_large':
      return TOO_LONG
    case 'invalid_request_error':
      return judgeRequest(facts, context)
    default:
      if (isTooLong(facts)) return TOO_LONG
      if (UNKNOWN_MODEL_PATTERN.test(facts.message)) return notFound(context)
      return { code: 'model_stream_broken', sentence: 'The model server broke off its reply with an error.' }
  }
}

const TOO_LONG_PATTERN =
  /(prompt|input|request|message|conversation)s? (is|are) too (long|large|big)|prompt too long|context (window|length|size|limit)|maximum context|max context|exceeds? the (available )?context|(larger|longer|bigger|greater|more) than [^.]{0,60}\btokens|exceeds? [^.]{0,60}\btokens|too many (input |prompt )tokens\b|tokens?\b[^.]{0,40} must be (<=?|less than|at most) \d/i
/** llama.cpp's name for it; others speak of it in their message only. */
const TOO_LONG_TYPES: ReadonlySet<string> = new Set(['exceed_context_size_error', 'context_length_exceeded'])

function isTooLong({ type, message, body }: Facts): boolean {
  if (type !== null && TOO_LONG_TYPES.has(type)) return true
  return TOO_LONG_PATTERN.test(message) || /"n_ctx":|context_length_exceeded/.test(JSON.stringify(body) ?? '')
}

const UNKNOWN_MODEL_PATTERN =
  /\b(invalid|unknown|unsupported|unrecognized|no such) model\b|\bmodel\b[\s"'`:=([]*[\w./:@-]{0,120}["'`)\]\s,]*(was |could )?(not (be )?found|(does|do)(n't| not) exist|is (not (available|supported|known|loaded|a valid)|unavailable|unknown|invalid))|model_not_found|is not a valid model|\bmodel (identifier|id|name) is invalid|no models? (is |are )?loaded|llm provider not provided/i
const CREDIT_PATTERN = /credit balance|billing|spend(ing)? limit|usage limit/i

function judgeRequest(facts: Facts, context: FailureContext): Judgement {
  if (UNKNOWN_MODEL_PATTERN.test(facts.message) || facts.type === 'model_not_found') return notFound(context)
  if (isTooLong(facts) && (/context/i.test(facts.message) || outputLimitIn(facts.message) === undefined))
    return TOO_LONG
  if (CREDIT_PATTERN.test(facts.message)) return SPENT
  return {
    code: 'model_rejected',
    sentence: `The model "${context.model}" refused the request as malformed; this is a fault of the program or a field that the server does not know.`,
  }
}

function refusedKey({ hasKey = true }: FailureContext): Judgement {
  const sentence = hasKey
    ? 'The model server refused the API key; check ANTHROPIC_API_KEY and restart.'
    : 'The model server wants an API key and none is set; set ANTHROPIC_API_KEY and restart.'
  return { code: 'model_auth_failed', sentence }
}

function forbidden(context: FailureContext): Judgement {
  if (context.hasKey === false) return refusedKey(context)
  return {
    code: 'model_auth_failed',
    sentence: `The API key may not use the model "${context.model}"; use a key with that permission or another model.`,
  }
}

const SPENT: Judgement = {
  code: 'model_spend_limit',
  sentence: 'The account behind the API key reached its spending limit; raise it or use another key.',
}
const LIMITED: Judgement = {
  code: 'model_rate_limited',
  sentence: "The account's rate limit is reached; the call is made again after the time that the server named.",
}
/** Named no time: the pauses are our own. */
const LIMITED_UNTIL_LATER: Judgement = {
  code: 'model_rate_limited',
  sentence: 'The model server takes no more calls for now; the call is made again in a moment.',
}
const LOADING: Judgement = {
  code: 'model_overloaded',
  sentence: 'The model server is still loading its model; the call is made again in a moment.',
}
const OVERLOADED: Judgement = {
  code: 'model_overloaded',
  sentence: 'The model server is overloaded or failing; the call is made again in a moment.',
}
const TOO_LONG: Judgement = {
  code: 'model_context_exceeded',
  sentence: "The conversation does not fit into the model's context window.",
}

function notFound(context: FailureContext): Judgement {
  return {
    code: 'model_not_found',
    sentence: `The model server does not know "${context.model}"; check the model's name and ANTHROPIC_BASE_URL.`,
  }
}

function nothingThere({ host = 'the configured address' }: FailureContext): Judgement {
  return {
    code: 'model_not_found',
    sentence: `The server at ${host} has no Messages API at this address (POST …/v1/messages); check ANTHROPIC_BASE_URL, and whether the server speaks that protocol.`,
  }
}

function stalled(error: StallError): AppError {
  const what = error.sawBytes ? 'went silent in the middle of a reply' : 'did not begin to answer'
  const message = `The model server ${what} for ${Math.round(error.afterMs / 100) / 10} seconds; the call is made again.`
  return new AppError('model_stalled', message, { cause: error })
}

function unreachable(why: string, cause: unknown, context: FailureContext): AppError {
  const host = context.host === undefined ? 'The model server' : `The model server at ${context.host}`
  return new AppError('model_unreachable', `${host} cannot be reached (${scrub(why, context.secret)}).`, { cause })
}

function broken(why: string, cause: unknown): AppError {
  return new AppError('model_stream_broken', `The model's reply broke off: ${why}.`, { cause })
}

/** After the 200: resets, a body that ends early, frames and tool inputs that are not JSON. */
function fromBrokenStream(error: Error, context: FailureContext): AppError {
  const inner = innermostOf(error)
  if (inner instanceof SyntaxError || /JSON|Expected|Unexpected token/.test(error.message)) {
    return broken('the server sent something that is not JSON', error)
  }
  if (/without (producing|sending)/.test(error.message)) return broken('it ended before the last event', error)
  if (isNetworkError(inner) || /terminated|premature|socket|aborted/i.test(error.message)) {
    return broken('the connection was lost', error)
  }
  return broken(scrub(error.message, context.secret), error)
}

function factsOf(error: APIError): Facts {
  const headers: Headers | undefined = error.headers
  const retry = headers?.get('x-should-retry')
  return {
    status: error.status ?? statusIn(error.error),
    type: error.type,
    message: sentenceOf(error),
    retryAfterMs: headers === undefined ? undefined : retryAfterMsOf(headers, Date.now()),
    shouldRetry: retry === 'true' ? true : retry === 'false' ? false : undefined,
    requestId: error.requestID ?? null,
    body: error.error,
  }
}

/** The status that a gateway puts into an error within a stream, as number or text. */
function statusIn(body: unknown): number | undefined {
  const inner = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
  const code = typeof inner === 'object' && inner !== null && 'code' in inner ? Number(inner.code) : Number.NaN
  return Number.isInteger(code) && code >= 400 && code <= 599 ? code : undefined
}

/** The server's own sentence, wherever servers of several makers put it; '' when it gave none. */
function sentenceOf(error: APIError): string {
  return withoutEnvelope(spokenBy(error))
}

/** Gateways pass on a whole answer as the text of their own, one within another. */
const MAX_ENVELOPES = 3
const MAX_ENVELOPE_CHARACTERS = 100_000

/** The sentence within an answer that is passed on as text, such as `SomeError: {"error":{"message":"…"}}`. */
function withoutEnvelope(text: string): string {
  let sentence = text
  for (let i = 0; i < MAX_ENVELOPES; i++) {
    const at = sentence.indexOf('{')
    if (at === -1 || sentence.length > MAX_ENVELOPE_CHARACTERS) return sentence
    const inner = sentenceInJson(sentence.slice(at))
    if (inner === undefined) return sentence
    sentence = inner
  }
  return sentence
}

function sentenceInJson(text: string): string | undefined {
  try {
    const body: unknown = JSON.parse(text)
    const inner = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
    return [inner, body].map(sentenceIn).find((told) => told !== undefined)
  } catch {
    // A sentence that happens to hold a brace.
    return undefined
  }
}

function spokenBy(error: APIError): string {
  if (typeof error.apiMessage === 'string') return error.apiMessage
  const body: unknown = error.error
  const inner = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined
  const told = [inner, body].map(sentenceIn).find((text) => text !== undefined)
  if (told !== undefined) return told
  return body === undefined ? withoutStatus(error) : ''
}

const SENTENCE_FIELDS = ['message', 'detail', 'details', 'error', 'msg', 'reason', 'title']

function sentenceIn(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return undefined
  const fields = new Map<string, unknown>(Object.entries(value))
  return SENTENCE_FIELDS.map((name) => fields.get(name)).find((text) => typeof text === 'string')
}

/** An answer that is not JSON stands in the SDK's message behind its status; a page of HTML says nothing. */
function withoutStatus({ message, status }: APIError): string {
  const text = status === undefined ? message : message.replace(new RegExp(`^${status} `), '')
  return /^\s*<|status code \(no body\)|^\(no status code/i.test(text) ? '' : text
}

/**
 * The wait that an answer asks for, in milliseconds, 0 to {@link MAX_RETRY_AFTER_MS}: `retry-after-ms`, else
 * `retry-after` as seconds or as an HTTP date. Undefined when neither can be read. Source: RFC 9110 section 10.2.3.
 */
export function retryAfterMsOf(headers: Headers, now: number): number | undefined {
  const exact = Number.parseFloat(headers.get('retry-after-ms') ?? '')
  if (Number.isFinite(exact)) return clampWait(exact)
  const value = headers.get('retry-after')?.trim() ?? ''
  if (value === '') return undefined
  if (/^[-+]?\d+(\.\d+)?$/.test(value)) return clampWait(Number(value) * 1000)
  // The engine reads nearly anything with a number in it as a date.
  const date = HTTP_DATE.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(date) ? undefined : clampWait(date - now)
}

/** The three forms of an HTTP date, and the one of ISO 8601, which servers send too. */
const HTTP_DATE = /^(?:[A-Z][a-z]{2,8},? .*\d{2}:\d{2}:\d{2}|\d{4}-\d{2}-\d{2}T\d{2}:\d{2})/

function clampWait(waitMs: number): number {
  return Math.round(Math.min(MAX_RETRY_AFTER_MS, Math.max(0, waitMs)))
}

/** Follows `cause` to its end; bounded, because a cause may be anything. */
function innermostOf(error: unknown): unknown {
  let current = error
  for (let depth = 0; depth < 8; depth++) {
    if (current instanceof AppError || current instanceof StallError) return current
    if (!(current instanceof Error) || current.cause === undefined) return current
    current = current.cause
  }
  return current
}

/** The words of a network failure: `fetch failed` says nothing, its cause has a code such as ECONNREFUSED. */
function reasonOf(error: Error): string {
  const inner = innermostOf(error)
  if (inner instanceof Error && 'code' in inner && typeof inner.code === 'string') return inner.code
  return inner instanceof Error ? inner.message : error.message
}

function isNetworkError(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (
    'code' in error &&
    typeof error.code === 'string' &&
    /^(E[A-Z]+|UND_ERR_\w+|HPE_\w+|CERT_\w+)$/.test(error.code)
  ) {
    return true
  }
  return error.message === 'terminated' || error.message === 'fetch failed'
}

const MAX_QUOTE_CHARS = 300

/** One line, without the key or anything that looks like one. */
function scrub(text: string, secret: string | undefined): string {
  let clean = text.replace(/\s+/g, ' ').trim()
  if (secret !== undefined && secret.length > 3) clean = clean.replaceAll(secret, '[key]')
  clean = clean.replace(/\bsk-[A-Za-z0-9_-]{6,}/g, '[key]')
  return clean.length > MAX_QUOTE_CHARS ? `${clean.slice(0, MAX_QUOTE_CHARS)}…` : clean
}
