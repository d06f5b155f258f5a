/** The Messages API over HTTP, by the official SDK: Anthropic itself, the scripted server, or one with the same protocol. */

import { AsyncLocalStorage } from 'node:async_hooks'
import Anthropic from '@anthropic-ai/sdk'
import { AppError } from '../shared/errors.ts'
import type { Usage } from '../shared/task.ts'
import { asEventStream } from './answer-form.ts'
import { misshapen, StallError, saidNothing, toModelError } from './failures.ts'
import { followingRedirects } from './follow-redirects.ts'
import { costUsd, isSameModel, type ModelProfile, profileFor } from './profiles.ts'
import { ReplyAssembler } from './reply-assembler.ts'
import { requestBody } from './request-body.ts'
import { sendRequest } from './send-request.ts'
import { listServerModels } from './server-models.ts'
import type { Model, ModelDelta, ModelReading, ModelReply, ModelRequest, StreamOptions } from './types.ts'

const ANTHROPIC_URL = 'https://api.anthropic.com'
const DEFAULT_STALL_TIMEOUT_MS = 60_000
/** Models that think at length send signs of life alone for minutes. */
const DEFAULT_EVENT_TIMEOUT_MS = 600_000
/** Servers without keys want the field all the same. */
const NO_KEY = 'none'

/** The narrow part of a pino logger that is used here. Prompts, replies and keys are never logged. */
export interface ModelLogger {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
}

/** How the client speaks to one server. All times are in milliseconds. */
export interface AnthropicModelOptions {
  /** Left out for a server that wants none. */
  readonly apiKey?: string
  /** Without a trailing `/v1`; Anthropic's own when left out. */
  readonly baseUrl?: string
  /** Take model ids outside the table and send them plain fields only. */
  readonly compat?: boolean
  /** What {@link Model.kind} says; the wire is the same. */
  readonly kind?: Model['kind']
  /** Longest silence of the connection, before and within a reply, in milliseconds; pings count as life. */
  readonly stallTimeoutMs?: number
  /**
   * For servers of one's own, which say nothing while they read a prompt: longest wait for the first content of a reply, in
   * milliseconds. Until then silence is waited out. Each silence of such a server, within its reply too, is told as life and
   * to people. Left out: `stallTimeoutMs` holds from the start, and silence is no life.
   */
  readonly firstEventTimeoutMs?: number
  /** Longest time without an event, in milliseconds, whatever signs of life come meanwhile. */
  readonly eventTimeoutMs?: number
  readonly logger?: ModelLogger
}

/**
 * A model behind the Messages API. `stream` makes exactly one HTTP call and throws `AppError` with a `model_*` code, or
 * `bad_request` for an unknown model; on abort it throws `signal.reason`, also when the reply had just become whole. An
 * `onDelta` that throws ends the call with that very error. Calls may run side by side. Nothing is kept between them.
 */
export function createAnthropicModel(options: AnthropicModelOptions): Model {
  const { firstEventTimeoutMs, stallTimeoutMs = DEFAULT_STALL_TIMEOUT_MS } = options
  const { apiKey = NO_KEY, eventTimeoutMs = DEFAULT_EVENT_TIMEOUT_MS, compat = false } = options
  const limits = {
    stallTimeoutMs,
    eventTimeoutMs,
    ...(firstEventTimeoutMs === undefined ? {} : { firstEventTimeoutMs }),
  }
  const baseUrl = options.baseUrl ?? ANTHROPIC_URL
  const host = hostOf(baseUrl)
  // Anthropic is reached by the runtime's own fetch, which goes by the proxy that the runtime is told of.
  const isAnthropic = !compat && options.kind !== 'scripted'
  const follow = followingRedirects(isAnthropic ? fetch : sendRequest)
  const send: Send = compat ? async (url, init) => await asEventStream(await follow(url, init), host) : follow
  const watches = new AsyncLocalStorage<ByteWatch>()
  const client = new Anthropic({
    apiKey,
    baseURL: baseUrl,
    maxRetries: 0,
    // Only bounds the wait for the headers; the watchdog, which sees bytes, is to speak first.
    timeout: Math.max(stallTimeoutMs, firstEventTimeoutMs ?? 0) * 2,
    openTelemetry: false,
    // The SDK would print frames that it cannot parse, and they hold what the model wrote.
    logLevel: 'off',
    fetch: (url, init) => watchedFetch(send, url, init, watches.getStore()),
    // Older proxies look for the key where it used to be.
    ...(compat ? { defaultHeaders: { 'x-api-key': apiKey } } : {}),
  })

  return {
    kind: options.kind ?? 'anthropic',
    async stream(request: ModelRequest, streamOptions: StreamOptions): Promise<ModelReply> {
      const profile = profileFor(request.model, { compat })
      const call = new Call(profile, streamOptions, limits)
      try {
        const reply = await watches.run(call.watch, () => call.run(client, request))
        if (compat && hasSaidNothing(reply)) throw saidNothing()
        options.logger?.debug(logFields(request, reply), 'model replied')
        return reply
      } catch (error) {
        call.tellSpent()
        const failure = toModelError(error, {
          model: request.model,
          signal: streamOptions.signal,
          ...(options.apiKey === undefined ? {} : { secret: options.apiKey }),
          hasKey: options.apiKey !== undefined,
          hasBegun: call.hasBegun,
          host,
          isOwnServer: compat,
        })
        options.logger?.warn({ taskId: request.taskId, model: request.model, code: failure.code }, 'model call failed')
        const isUnknown = failure.code === 'model_not_found' && compat
        throw isUnknown ? await withKnownNames(failure, { baseUrl, apiKey: options.apiKey }) : failure
      } finally {
        call.watch.stop()
      }
    },
  }
}

function hasSaidNothing({ content, stopReason, usage }: ModelReply): boolean {
  return content.length === 0 && stopReason === 'end_turn' && usage.outputTokens === 0
}

const MAX_NAMED = 20

/** An unknown model's failure with the names that its server lists, where it lists any. */
async function withKnownNames(
  failure: AppError,
  server: { baseUrl: string; apiKey: string | undefined },
): Promise<AppError> {
  const listed = (await listServerModels(server)) ?? []
  if (listed.length === 0) return failure
  const names = listed.slice(0, MAX_NAMED).map(({ id }) => id)
  const more = listed.length > names.length ? ` and ${listed.length - names.length} more` : ''
  const message = `${failure.message} The server has: ${names.join(', ')}${more}.`
  return new AppError(failure.code, message, { cause: failure, details: { ...failure.details, models: names } })
}

/** Carries what a listener threw past those who would take it for a failure of the connection. */
class ListenerError extends Error {
  constructor(cause: unknown) {
    super('a listener of the stream threw', { cause })
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

  constructor(profile: ModelProfile, options: StreamOptions, limits: Omit<WatchLimits, 'onActivity' | 'onReading'>) {
    this.#profile = profile
    this.#options = options
    this.watch = new ByteWatch({
      ...limits,
      onActivity: () => options.onActivity?.(),
      onReading: (reading) => options.onReading?.(reading),
    })
  }

  async run(client: Anthropic, request: ModelRequest): Promise<ModelReply> {
    const { signal } = this.#options
    signal.throwIfAborted()
    const ended = new AbortController()
    const onAbort = (): void => ended.abort()
    signal.addEventListener('abort', onAbort)
    this.watch.onStall(onAbort)
    let requestId: string | null = null
    try {
      // The raw events: the SDK's own accumulation throws at a tool input that is not JSON, which the assembler keeps.
      const call = client.messages.create(requestBody(request, this.#profile), { signal: ended.signal })
      const { data: events, request_id: named } = await call.withResponse()
      requestId = named ?? null
      for await (const event of events) this.#take(event)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof ListenerError) throw error.cause
      // A connection that breaks after the last event took nothing away.
      if (!this.#assembler.complete) throw this.watch.stall ?? error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
    signal.throwIfAborted()
    // An aborted stream ends without an error.
    if (this.watch.stall && !this.#assembler.complete) throw this.watch.stall
    return this.#reply(requestId)
  }

  #take(event: Parameters<ReplyAssembler['add']>[0]): void {
    const deltas = this.#add(event)
    // Gateways send the frame of a reply at once, while their model's server still reads the prompt.
    this.watch.sawEvent({ isContent: deltas.length > 0 || event.type === 'message_delta' })
    for (const delta of deltas) {
      this.#firstTokenMs ??= performance.now() - this.#startedAt
      try {
        this.#options.onDelta(delta)
      } catch (error) {
        throw new ListenerError(error)
      }
    }
  }

  /** An event that has not the protocol's shape is the server's fault, not ours. */
  #add(event: Parameters<ReplyAssembler['add']>[0]): readonly ModelDelta[] {
    try {
      return this.#assembler.add(event)
    } catch (error) {
      if (error instanceof AppError) throw error
      throw misshapen(error)
    }
  }

  #reply(requestId: string | null): ModelReply {
    const assembled = this.#assembler.finish()
    return {
      ...assembled,
      costUsd: this.#costOf(assembled),
      model: assembled.model === '' ? this.#profile.model : assembled.model,
      ...(requestId === null ? {} : { requestId }),
      firstTokenMs: this.#firstTokenMs,
      durationMs: performance.now() - this.#startedAt,
    }
  }

  /** Whether an event of the reply has come. */
  get hasBegun(): boolean {
    return this.#assembler.spent !== null
  }

  /** A reply that broke off after it began was still paid for. */
  tellSpent(): void {
    const { spent } = this.#assembler
    if (spent === null) return
    const { usage, isEstimated } = spent
    this.#options.onSpent?.({ usage, isEstimated, costUsd: this.#costOf(spent) })
  }

  /** What another model than the one that was asked for costs is not known. */
  #costOf({ usage, model }: { readonly usage: Usage; readonly model: string }): number | null {
    return model === '' || isSameModel(this.#profile.model, model) ? costUsd(this.#profile, usage) : null
  }
}

interface WatchLimits {
  /** Longest silence of the connection, in milliseconds. */
  readonly stallTimeoutMs: number
  /** Longest wait for the first content; until then silence alone is no stall. Left out: silence counts from the start. */
  readonly firstEventTimeoutMs?: number
  /** Longest time without an event once silence counts, in milliseconds. */
  readonly eventTimeoutMs: number
  onActivity(): void
  onReading(reading: ModelReading): void
}

/** How often a wait for a server of one's own shows that it lives. */
const SIGN_OF_LIFE_MS = 5_000
/**
 * When people are told of it: first after this, or a tenth of the longest wait when that is less, then each time twice as
 * late, and once a minute at last.
 */
const FIRST_NOTICE_MS = { prompt: 10_000, reply: 30_000 } as const
const MAX_NOTICE_GAP_MS = 60_000

/**
 * Speaks up once when a call stalls: no byte for a while, counted from its creation and from every byte since, or bytes for
 * long without an event; before the first content of the reply by a clock of its own, if there is one, since a server that
 * reads a long prompt says nothing. With that clock, silence that is waited out is life, before a reply and within it: a
 * local model pauses while its cache is shifted or another request has its slot.
 */
class ByteWatch {
  readonly #limits: WatchLimits
  /** For silence; not yet while a wait for the first content is on. */
  #timer: NodeJS.Timeout | undefined
  #eventTimer: NodeJS.Timeout | undefined
  readonly #pulse: NodeJS.Timeout | undefined
  /** Since when nothing came: the call's beginning, or, within the reply, its last byte. */
  #quietSince = performance.now()
  #waitsFor: 'prompt' | 'reply' = 'prompt'
  #noticeAtMs: number
  #onStall: (() => void) | undefined
  #sawBytes = false
  #stopped = false
  #stall: StallError | undefined

  constructor(limits: WatchLimits) {
    this.#limits = limits
    const { firstEventTimeoutMs } = limits
    this.#noticeAtMs = this.#firstNotice()
    if (firstEventTimeoutMs === undefined) this.#listen()
    else {
      const everyMs = Math.min(SIGN_OF_LIFE_MS, this.#firstNotice(), limits.stallTimeoutMs / 10)
      this.#pulse = setInterval(() => this.#beat(firstEventTimeoutMs), everyMs)
    }
  }

  #firstNotice(): number {
    const { firstEventTimeoutMs = Number.POSITIVE_INFINITY, stallTimeoutMs } = this.#limits
    const limitMs = this.#waitsFor === 'prompt' ? firstEventTimeoutMs : stallTimeoutMs
    return Math.min(FIRST_NOTICE_MS[this.#waitsFor], limitMs / 10)
  }

  #listen(): void {
    const { stallTimeoutMs, eventTimeoutMs } = this.#limits
    this.#timer = setTimeout(() => this.#expire(stallTimeoutMs), stallTimeoutMs)
    this.#eventTimer = setTimeout(() => this.#expire(eventTimeoutMs), eventTimeoutMs)
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
    if (this.#waitsFor === 'reply') this.#restartQuiet()
    this.#timer?.refresh()
    this.#limits.onActivity()
  }

  /** The reply goes on; with its first content it has begun, and from then on silence counts. */
  sawEvent({ isContent }: { readonly isContent: boolean }): void {
    if (this.#stopped) return
    this.#eventTimer?.refresh()
    if (!isContent || this.#waitsFor === 'reply') return
    this.#waitsFor = 'reply'
    this.#restartQuiet()
    if (this.#timer === undefined) this.#listen()
  }

  #restartQuiet(): void {
    this.#quietSince = performance.now()
    this.#noticeAtMs = this.#firstNotice()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    clearTimeout(this.#eventTimer)
    clearInterval(this.#pulse)
  }

  #beat(firstEventTimeoutMs: number): void {
    const waitedMs = Math.round(performance.now() - this.#quietSince)
    const waitsFor = this.#waitsFor
    if (waitsFor === 'prompt' && waitedMs >= firstEventTimeoutMs) return this.#expire(firstEventTimeoutMs)
    this.#limits.onActivity()
    if (waitedMs < this.#noticeAtMs) return
    this.#noticeAtMs += Math.min(this.#noticeAtMs, MAX_NOTICE_GAP_MS)
    const limitMs = waitsFor === 'prompt' ? firstEventTimeoutMs : this.#limits.stallTimeoutMs
    this.#limits.onReading({ waitedMs, limitMs, waitsFor })
  }

  #expire(limitMs: number): void {
    this.stop()
    this.#stall = new StallError(limitMs, this.#sawBytes)
    this.#onStall?.()
  }
}

type Send = (url: string | URL, init?: RequestInit) => Promise<Response>

async function watchedFetch(
  send: Send,
  url: string | URL | Request,
  init: RequestInit | undefined,
  watch: ByteWatch | undefined,
): Promise<Response> {
  const response = await send(url instanceof Request ? url.url : url, init)
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
