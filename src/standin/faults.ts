/**
 * Faults on request: what the service, or the network before it, can do to a call. Armed for a number of requests,
 * matched in the order in which they were armed.
 */

import { z } from 'zod'
import { viewOf } from './policy.ts'
import type { WireRequest } from './wire.ts'

/** Before the 200: an answer with that status, or none at all. */
export const STATUS_FAULTS = {
  rate_limited: { status: 429, type: 'rate_limit_error', message: 'This request would exceed the rate limit.' },
  spend_limit: { status: 429, type: 'rate_limit_error', message: 'You have reached your specified API usage limits.' },
  overloaded: { status: 529, type: 'overloaded_error', message: 'Overloaded' },
  internal: { status: 500, type: 'api_error', message: 'Internal server error' },
  unavailable: { status: 503, type: 'api_error', message: 'Service unavailable' },
  timeout: { status: 408, type: 'timeout_error', message: 'Request timed out' },
  conflict: { status: 409, type: 'invalid_request_error', message: 'Conflict' },
  bad_request: { status: 400, type: 'invalid_request_error', message: 'messages: something is wrong' },
  unauthorized: { status: 401, type: 'authentication_error', message: 'invalid x-api-key' },
  billing: { status: 402, type: 'billing_error', message: 'Your account has a billing problem.' },
  forbidden: { status: 403, type: 'permission_error', message: 'Your API key may not use this resource.' },
  not_found: { status: 404, type: 'not_found_error', message: 'model: not found' },
  too_large: { status: 413, type: 'request_too_large', message: 'Request exceeds the maximum size' },
  prompt_too_long: {
    status: 400,
    type: 'invalid_request_error',
    message: 'prompt is too long: 200001 tokens > 200000 maximum',
  },
} as const

type StatusFault = keyof typeof STATUS_FAULTS

const CONNECTION_FAULTS = ['hang', 'reset_before_headers', 'empty_body'] as const
const STREAM_FAULTS = ['stall', 'cut', 'reset', 'garbage', 'error_event', 'no_message_stop', 'bad_tool_json'] as const
const REPLY_FAULTS = ['half_tool', 'half_text', 'empty_reply', 'refusal', 'context_window', 'unknown_stop'] as const

const FAULT_KINDS = [
  ...(Object.keys(STATUS_FAULTS) as StatusFault[]),
  ...CONNECTION_FAULTS,
  ...STREAM_FAULTS,
  ...REPLY_FAULTS,
] as const

/** The name of a fault. */
export type FaultKind = (typeof FAULT_KINDS)[number]

/** A fault as tests arm it over HTTP; an unknown field is refused. */
export const FaultSchema = z.strictObject({
  kind: z.enum(FAULT_KINDS),
  /** How many matching requests it hits; 1 when left out. */
  times: z.int().min(1).max(1_000_000).optional(),
  /** Matching requests to let through first. */
  skip: z.int().min(0).optional(),
  /** Stream faults: how many frames are sent whole first; 4 when left out. */
  afterFrames: z.int().min(0).max(100_000).optional(),
  /** Sent as `retry-after`, in seconds. `rate_limited` sends 1 when left out; `spend_limit` never sends it. */
  retryAfterSeconds: z.number().min(0).optional(),
  /** Sent as `x-should-retry`. */
  shouldRetry: z.boolean().optional(),
  match: z
    .strictObject({
      taskId: z.string().optional(),
      model: z.string().optional(),
      lane: z.enum(['coder', 'reviewer']).optional(),
      /** Number of the turn: assistant messages in the request + 1. */
      turn: z.int().min(1).optional(),
      /** Part of any text in the user's role. */
      text: z.string().optional(),
    })
    .optional(),
})

/** A fault with the requests that it is meant for. */
export type Fault = z.infer<typeof FaultSchema>

const MAX_ARMED = 1_000

/** The armed faults. Taking one uses it up. */
export class FaultList {
  #armed: { readonly fault: Fault; skip: number; left: number }[] = []

  arm(faults: readonly Fault[]): void {
    for (const fault of faults) {
      if (this.#armed.length >= MAX_ARMED) throw new RangeError(`at most ${MAX_ARMED} faults can be armed`)
      this.#armed.push({ fault, skip: fault.skip ?? 0, left: fault.times ?? 1 })
    }
  }

  clear(): void {
    this.#armed = []
  }

  list(): readonly { readonly fault: Fault; readonly left: number }[] {
    return this.#armed.map(({ fault, left }) => ({ fault, left }))
  }

  /** The first armed fault that wants this request, or null. */
  take(request: WireRequest): Fault | null {
    for (const entry of this.#armed) {
      if (!matches(entry.fault, request)) continue
      if (entry.skip > 0) {
        entry.skip--
        continue
      }
      entry.left--
      if (entry.left === 0) this.#armed = this.#armed.filter((other) => other !== entry)
      return entry.fault
    }
    return null
  }
}

function matches(fault: Fault, request: WireRequest): boolean {
  const { match } = fault
  if (!match) return true
  if (match.taskId !== undefined && request.metadata?.user_id !== match.taskId) return false
  if (match.model !== undefined && request.model !== match.model) return false
  if (match.turn !== undefined && turnOf(request) !== match.turn) return false
  if (match.lane === undefined && match.text === undefined) return true
  const view = viewOf(request)
  if (match.lane !== undefined && view.lane !== match.lane) return false
  const { text } = match
  return text === undefined || view.texts.some((seen) => seen.text.includes(text))
}

/** 1 for the first request of a conversation. */
export function turnOf(request: WireRequest): number {
  return request.messages.filter((message) => message.role === 'assistant').length + 1
}

/** Whether a fault is an answer with a status instead of a stream. */
export function isStatusFault(kind: FaultKind): kind is StatusFault {
  return Object.hasOwn(STATUS_FAULTS, kind)
}
