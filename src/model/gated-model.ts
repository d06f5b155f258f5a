/**
 * A model behind the gate that all tasks of a worker process share, one gate for each model's name: while the model is
 * away, calls wait here instead of failing and being tried again one by one.
 */

import { AppError, type ErrorCode } from '../shared/errors.ts'
import { CallGate, type CallNews, type Ticket } from './call-gate.ts'
import type { Model, ModelReply, ModelRequest, StreamOptions } from './types.ts'

/** What says that the model cannot be had, rather than that it does not want this request. */
const AWAY: ReadonlySet<ErrorCode> = new Set([
  'model_unreachable',
  'model_overloaded',
  'model_stalled',
  'model_stream_broken',
  'model_rate_limited',
])
/** What the key or the account brings about: it says nothing about the next task's call, nor that all is well. */
const NO_NEWS: ReadonlySet<ErrorCode> = new Set(['model_auth_failed', 'model_spend_limit'])

/** A waiter gives its place back after this long, so that it does not hold what runs it for ever. */
const MAX_WAIT_MS = 120_000
/** Shorter waits are not worth a word. */
const NOTICE_AFTER_MS = 1_000
const SIGN_OF_LIFE_MS = 5_000
/** Names outside the table of profiles can be anything; idle gates make room. */
const MAX_GATES = 100

/**
 * How long a call waits at most (two minutes when left out) and when it is told of its wait, in milliseconds; clock
 * and chance for tests.
 */
export interface GatedModelOptions {
  readonly maxWaitMs?: number
  readonly noticeAfterMs?: number
  readonly now?: () => number
  readonly random?: () => number
}

/**
 * The same model, whose `stream` may wait before its one call: up to two minutes, ended at once by the signal (which
 * rethrows `signal.reason`), with `onActivity` every five seconds and `onWaiting` once. A wait that is too long throws
 * the code of the failure that opened the gate; trying again is safe, since no call was made.
 */
export function createGatedModel(model: Model, options: GatedModelOptions = {}): Model {
  const lines = new Map<string, Line>()
  const lineOf = (name: string): Line => {
    const known = lines.get(name)
    if (known) return known
    for (const [other, line] of lines) {
      if (lines.size < MAX_GATES) break
      if (line.isIdle) lines.delete(other)
    }
    const made = new Line(options)
    lines.set(name, made)
    return made
  }
  return {
    kind: model.kind,
    async stream(request: ModelRequest, streamOptions: StreamOptions): Promise<ModelReply> {
      return await lineOf(request.model).run(model, request, streamOptions)
    },
  }
}

/** One gate with its timer and those who wait at it. */
class Line {
  readonly #gate: CallGate
  readonly #options: GatedModelOptions
  readonly #waiting = new Map<Ticket, () => void>()
  #timer: NodeJS.Timeout | undefined
  #lastFailure: AppError | undefined

  constructor(options: GatedModelOptions) {
    this.#options = options
    this.#gate = new CallGate(options)
  }

  get isIdle(): boolean {
    return this.#gate.isIdle
  }

  async run(model: Model, request: ModelRequest, options: StreamOptions): Promise<ModelReply> {
    options.signal.throwIfAborted()
    const ticket = await this.#pass(options)
    let news: CallNews = 'dropped'
    let hasBegun = false
    try {
      const reply = await model.stream(request, {
        ...options,
        onDelta: (delta) => {
          if (!hasBegun) {
            hasBegun = true
            this.#gate.began(ticket)
            this.#advance()
          }
          options.onDelta(delta)
        },
      })
      news = 'answered'
      return reply
    } catch (error) {
      news = this.#newsOf(error, options.signal)
      throw error
    } finally {
      this.#gate.end(ticket, news)
      this.#advance()
    }
  }

  #newsOf(error: unknown, signal: AbortSignal): CallNews {
    if (!(error instanceof AppError) || signal.aborted || NO_NEWS.has(error.code)) return 'dropped'
    if (AWAY.has(error.code)) {
      this.#lastFailure = error
      return { failed: true, waitMs: error.code === 'model_rate_limited' ? error.retryAfterMs : undefined }
    }
    return error.code.startsWith('model_') ? 'answered' : 'dropped'
  }

  async #pass(options: StreamOptions): Promise<Ticket> {
    const ticket = this.#gate.enter()
    const passed = new Promise<void>((resolve) => this.#waiting.set(ticket, resolve))
    this.#advance()
    if (!this.#waiting.has(ticket)) return ticket
    try {
      await this.#wait(passed, options)
      return ticket
    } catch (error) {
      this.#waiting.delete(ticket)
      this.#gate.end(ticket, 'dropped')
      this.#advance()
      throw error
    }
  }

  /** Resolves when the gate lets the ticket through; rejects when its wait is over before. */
  async #wait(passed: Promise<void>, { signal, onActivity, onWaiting }: StreamOptions): Promise<void> {
    const { maxWaitMs = MAX_WAIT_MS, noticeAfterMs = NOTICE_AFTER_MS } = this.#options
    const timers: NodeJS.Timeout[] = []
    let onAbort: (() => void) | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        onAbort = () => reject(signal.reason)
        signal.addEventListener('abort', onAbort)
        timers.push(
          setTimeout(() => reject(this.#waitedTooLong()), maxWaitMs),
          setTimeout(() => {
            const { failures, waiting, pauseMs } = this.#gate
            onWaiting?.({ code: this.#code, failures, waiting, delayMs: Math.round(pauseMs) }).catch(reject)
          }, noticeAfterMs),
          setInterval(() => onActivity?.(), SIGN_OF_LIFE_MS),
        )
        passed.then(resolve, reject)
      })
    } finally {
      for (const timer of timers) clearTimeout(timer)
      if (onAbort) signal.removeEventListener('abort', onAbort)
    }
  }

  get #code(): ErrorCode {
    return this.#lastFailure?.code ?? 'model_unreachable'
  }

  #waitedTooLong(): AppError {
    const message = 'The model server is still not available; the call is made again when it is.'
    return new AppError(this.#code, message, { cause: this.#lastFailure })
  }

  #advance(): void {
    const { released, nextMs } = this.#gate.advance()
    clearTimeout(this.#timer)
    this.#timer = nextMs === null ? undefined : setTimeout(() => this.#advance(), nextMs)
    for (const ticket of released) {
      const pass = this.#waiting.get(ticket)
      this.#waiting.delete(ticket)
      pass?.()
    }
  }
}
