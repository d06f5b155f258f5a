/** The Messages API over HTTP, by the official SDK: Anthropic itself, the scripted server, or one with the same protocol. */

import { AsyncLocalStorage } from 'node:async_hooks'
import Anthropic from '@anthropic-ai/sdk'
import { StallError, toModelError } from './failures.ts'
import { costUsd, type ModelProfile, profileFor } from './profiles.ts'
import { ReplyAssembler } from './reply-assembler.ts'
import { requestBody } from './request-body.ts'
import type { Model, ModelReply, ModelRequest, StreamOptions } from './types.ts'

const ANTHROPIC_URL = 'https://api.anthropic.com'
const DEFAULT_STALL_TIMEOUT_MS = 60_000

/** The narrow part of a pino logger that is used here. Prompts, replies and keys are never logged. */
export interface ModelLogger {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
}

export interface AnthropicModelOptions {
  readonly apiKey: string
  /** Without a trailing `/v1`; Anthropic's own when left out. */
  readonly baseUrl?: string
  /** Take model ids outside the table and send them plain fields only. */
  readonly compat?: boolean
  /** What {@link Model.kind} says; the wire is the same. */
  readonly kind?: Model['kind']
  /** Longest silence of the connection, before and within a reply, in milliseconds; pings count as life. */
  readonly stallTimeoutMs?: number
  readonly logger?: ModelLogger
}

/**
 * A model behind the Messages API. `stream` makes exactly one HTTP call and throws `AppError` with a `model_*` code, or
 * `bad_request` for an unknown model; on abort it throws `signal.reason`, also when the reply had just become whole. An
 * `onDelta` that throws ends the call with that very error. Calls may run side by side. Nothing is kept between them.
 */
export function createAnthropicModel(options: AnthropicModelOptions): Model {
  const stallTimeoutMs = options.stallTimeoutMs ?? DEFAULT_STALL_TIMEOUT_MS
  const baseUrl = options.baseUrl ?? ANTHROPIC_URL
  const watches = new AsyncLocalStorage<ByteWatch>()
  const client = new Anthropic({
    apiKey: options.apiKey,
    baseURL: baseUrl,
    maxRetries: 0,
    // Only bounds the wait for the headers; the watchdog, which sees bytes, is to speak first.
    timeout: stallTimeoutMs * 2,
    openTelemetry: false,
    // The SDK would print frames that it cannot parse, and they hold what the model wrote.
    logLevel: 'off',
    fetch: (url, init) => watchedFetch(url, init, watches.getStore()),
    // Older proxies look for the key where it used to be.
    ...(options.compat ? { defaultHeaders: { 'x-api-key': options.apiKey } } : {}),
  })

  return {
    kind: options.kind ?? 'anthropic',
    async stream(request: ModelRequest, streamOptions: StreamOptions): Promise<ModelReply> {
      const profile = profileFor(request.model, { compat: options.compat ?? false })
      const call = new Call(profile, streamOptions, stallTimeoutMs)
      try {
        const reply = await watches.run(call.watch, () => call.run(client, request))
        options.logger?.debug(logFields(request, reply), 'model replied')
        return reply
      } catch (error) {
        call.tellSpent()
        const failure = toModelError(error, {
          model: request.model,
          signal: streamOptions.signal,
          secret: options.apiKey,
          host: hostOf(baseUrl),
        })
        options.logger?.warn({ taskId: request.taskId, model: request.model, code: failure.code }, 'model call failed')
        throw failure
      } finally {
        call.watch.stop()
      }
    },
  }
}

/** One HTTP call: its clock, its watchdog, and what has arrived so far. */
class Call {
  readonly watch: ByteWatch
  readonly #profile: ModelProfile
  readonly #options: StreamOptions
  readonly #assembler = new ReplyAssembler()
  readonly #startedAt = performance.now()
  #firstTokenMs: number | null = null

  constructor(profile: ModelProfile, options: StreamOptions, stallTimeoutMs: number) {
    this.#profile = profile
    this.#options = options
    this.watch = new ByteWatch(stallTimeoutMs, () => options.onActivity?.())
  }

  async run(client: Anthropic, request: ModelRequest): Promise<ModelReply> {
    this.#options.signal.throwIfAborted()
    let listenerError: unknown
    const stream = client.messages.stream(requestBody(request, this.#profile), { signal: this.#options.signal })
    this.watch.onStall(() => stream.abort())
    stream.on('streamEvent', (event) => {
      // An error thrown in here would be wrapped by the SDK, so it is kept and the call is ended instead.
      if (listenerError !== undefined) return
      try {
        this.#take(event)
      } catch (error) {
        listenerError = error
        stream.abort()
      }
    })
    try {
      await stream.done()
    } catch (error) {
      this.#options.signal.throwIfAborted()
      if (listenerError !== undefined) throw listenerError
      // A connection that breaks after the last event took nothing away.
      if (!this.#assembler.complete) throw this.watch.stall ?? error
    }
    this.#options.signal.throwIfAborted()
    return this.#reply(stream.request_id ?? null)
  }

  #take(event: Parameters<ReplyAssembler['add']>[0]): void {
    for (const delta of this.#assembler.add(event)) {
      this.#firstTokenMs ??= performance.now() - this.#startedAt
      this.#options.onDelta(delta)
    }
  }

  #reply(requestId: string | null): ModelReply {
    const assembled = this.#assembler.finish()
    return {
      ...assembled,
      costUsd: costUsd(this.#profile, assembled.usage),
      model: assembled.model === '' ? this.#profile.model : assembled.model,
      ...(requestId === null ? {} : { requestId }),
      firstTokenMs: this.#firstTokenMs,
      durationMs: performance.now() - this.#startedAt,
    }
  }

  /** A reply that broke off after it began was still paid for. */
  tellSpent(): void {
    const { spent } = this.#assembler
    if (spent !== null) this.#options.onSpent?.({ ...spent, costUsd: costUsd(this.#profile, spent.usage) })
  }
}

/** Speaks up once when no byte arrived for `timeoutMs`, counted from its creation and from every byte since. */
class ByteWatch {
  readonly #timeoutMs: number
  readonly #onActivity: () => void
  readonly #timer: NodeJS.Timeout
  #onStall: (() => void) | undefined
  #sawBytes = false
  #stopped = false
  #stall: StallError | undefined

  constructor(timeoutMs: number, onActivity: () => void) {
    this.#timeoutMs = timeoutMs
    this.#onActivity = onActivity
    this.#timer = setTimeout(() => this.#expire(), timeoutMs)
  }

  /** Set once the watch has expired. */
  get stall(): StallError | undefined {
    return this.#stall
  }

  onStall(listener: () => void): void {
    this.#onStall = listener
  }

  touch(): void {
    // Refreshing a cleared timer would arm it again.
    if (this.#stopped) return
    this.#sawBytes = true
    this.#timer.refresh()
    this.#onActivity()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #expire(): void {
    this.#stall = new StallError(this.#timeoutMs, this.#sawBytes)
    this.#onStall?.()
  }
}

async function watchedFetch(
  url: string | URL | Request,
  init: RequestInit | undefined,
  watch: ByteWatch | undefined,
): Promise<Response> {
  const response = await fetch(url, init)
  if (!watch) return response
  watch.touch()
  const { body } = response
  // The SDK iterates the body of a stream. A generator in its place costs a fraction of piping through a further stream.
  if (body && response.ok) Object.defineProperty(response, 'body', { value: watchedBytes(body, watch) })
  return response
}

async function* watchedBytes(body: AsyncIterable<Uint8Array>, watch: ByteWatch): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    watch.touch()
    yield chunk
  }
}

function hostOf(baseUrl: string): string {
  return URL.canParse(baseUrl) ? new URL(baseUrl).host : 'the configured address'
}

function logFields(request: ModelRequest, reply: ModelReply): Readonly<Record<string, unknown>> {
  const { usage, stopReason, durationMs, firstTokenMs } = reply
  return {
    taskId: request.taskId,
    model: reply.model,
    stopReason,
    durationMs,
    firstTokenMs,
    costUsd: reply.costUsd,
    usage,
  }
}
