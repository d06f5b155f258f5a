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
import { type Facts, factsOf } from './failure-facts.ts'
import { type FailureContext, isPause, judgeFailure, RETRIED } from './judge-failure.ts'
import { type ModelLimits, outputLimitIn, windowIn } from './limits.ts'

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
  const { code, sentence } = judgeFailure(facts, context)
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
