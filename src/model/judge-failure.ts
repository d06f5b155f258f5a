/**
 * What a server's answer to a model call means: one code, and one sentence for people. Servers of several makers say the
 * same in words of their own, so the status comes first, then the words. Pure.
 */

import type { ErrorCode } from '../shared/errors.ts'
import type { Facts } from './failure-facts.ts'
import { outputLimitIn } from './limits.ts'

/** What the classifier knows of the call besides the failure. */
export interface FailureContext {
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

interface Judgement {
  readonly code: ErrorCode
  readonly sentence: string
}

/** The code and the sentence of a failed call, by its status or, within a stream, by its type. */
export function judgeFailure(facts: Facts, context: FailureContext): Judgement {
  const first = facts.status === undefined ? judgeType(facts, context) : judgeStatus(facts.status, facts, context)
  if (facts.shouldRetry === false && RETRIED.has(first.code)) {
    return { code: 'model_rejected', sentence: 'The model server failed and asked not to be tried again.' }
  }
  return first
}

/** Codes of failures that pass by themselves, whose pause the server may name. */
export const RETRIED: ReadonlySet<ErrorCode> = new Set(['model_overloaded', 'model_rate_limited', 'model_unreachable'])

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
export function isPause(retryAfterMs: number | undefined): boolean {
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
