/**
 * A server that speaks the Messages protocol over real HTTP and lets a policy write the replies. It checks what it is
 * sent more strictly than most clients test themselves, keeps an honest account of the prompt cache, and fails on
 * request. Used for trying the product without a key, for tests, and for benchmarks.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type AdminState, handleAdmin } from './admin.ts'
import { CacheAccountant, type CacheStats } from './cache.ts'
import { ConversationLog } from './conversations.ts'
import { type Fault, FaultList, isStatusFault, STATUS_FAULTS, turnOf } from './faults.ts'
import { isGoodSignature, planReply } from './frames.ts'
import { answerError, parseJson, readBody, sendJson } from './http.ts'
import { modelById, modelList } from './models.ts'
import { type Pace, sendFrames } from './pacing.ts'
import { type Policy, viewOf } from './policy.ts'
import { type Prefix, walkPrefix } from './prefix.ts'
import { type JournalEntry, RequestJournal } from './request-journal.ts'
import { type ValidRequest, validateRequest } from './validate.ts'
import { blocksOf, invalid, WireError } from './wire.ts'

/** Longer than a client keeps an idle connection, so that it never reuses one which is being closed. */
const KEEP_ALIVE_MS = 65_000
/** A hanging or stalling answer ends by itself after this long. */
const MAX_HANG_MS = 15 * 60_000

/** How a scripted server starts: its policy, its pace and what it keeps. */
export interface ScriptedServerOptions extends Partial<Pace> {
  /** 0 or left out: a free one. */
  readonly port?: number
  /** 127.0.0.1 when left out. */
  readonly host?: string
  readonly policy: Policy
  /** How many of the latest request bodies to keep for tests to look at; none when left out. */
  readonly keepBodies?: number
  /** A smaller context window than the model's own, in tokens, which it then enforces. */
  readonly contextTokens?: number
  /** The clock of the prompt cache, in milliseconds. */
  readonly now?: () => number
}

/** A running scripted server with its back door. `close` ends calls in flight. */
export interface ScriptedServer {
  /** Base URL for the SDK, without a trailing slash. */
  readonly url: string
  readonly port: number
  arm(...faults: readonly Fault[]): void
  /** Takes every armed fault back. */
  disarm(): void
  setPace(pace: Partial<Pace>): void
  /** Every request since the start or the last reset, oldest first, at most 10,000. */
  journal(): readonly JournalEntry[]
  /** The kept bodies, oldest first. */
  bodies(): readonly unknown[]
  cacheStats(): CacheStats
  /** Ends every connection and stops listening. Safe to call twice. */
  close(): Promise<void>
}

/** Starts listening; rejects when the port is taken. The caller owns it and closes it. */
export async function startScriptedServer(options: ScriptedServerOptions): Promise<ScriptedServer> {
  const service = new Service(options)
  const server = createServer((request, response) => void service.handle(request, response))
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.requestTimeout = 60_000
  await listen(server, options.port ?? 0, options.host ?? '127.0.0.1')
  const { port, address, family } = server.address() as AddressInfo
  const host = family === 'IPv6' ? `[${address}]` : address
  return {
    url: `http://${host}:${port}`,
    port,
    arm: (...faults) => service.state.faults.arm(faults),
    disarm: () => service.state.faults.clear(),
    setPace: (pace) => service.state.setPace(pace),
    journal: () => service.state.journal.entries(),
    bodies: () => service.state.journal.bodies(),
    cacheStats: () => service.state.cache.stats(),
    close: () => closeServer(server),
  }
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      // Later errors concern single connections, which have their own listeners.
      server.on('error', () => undefined)
      resolve()
    })
  })
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

class Service {
  readonly state: AdminState
  readonly #policy: Policy
  readonly #contextTokens: number
  readonly #conversations = new ConversationLog()
  #requestCount = 0

  constructor(options: ScriptedServerOptions) {
    this.#policy = options.policy
    this.#contextTokens = options.contextTokens ?? Number.POSITIVE_INFINITY
    const pace: Pace = {
      ttftMs: options.ttftMs ?? 0,
      tokensPerSecond: options.tokensPerSecond ?? 0,
      jitter: options.jitter ?? 0,
    }
    this.state = {
      pace,
      faults: new FaultList(),
      journal: new RequestJournal(options.keepBodies ?? 0),
      cache: new CacheAccountant(options.now),
      setPace(changes) {
        this.pace = { ...this.pace, ...changes }
      },
    }
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = `req_scripted_${(++this.#requestCount).toString(36).padStart(8, '0')}`
    response.setHeader('request-id', requestId)
    // The client left; its 'close' ends the reply.
    response.on('error', () => undefined)
    try {
      await this.#route(request, response)
    } catch (error) {
      answerError(response, error, requestId)
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', 'http://scripted')
    if (pathname.startsWith('/_keelson/')) {
      const body = await readBody(request)
      return sendJson(response, 200, handleAdmin(this.state, request.method ?? 'GET', pathname, body))
    }
    authenticate(request)
    const route = `${request.method} ${pathname}`
    if (route === 'POST /v1/messages') return this.#messages(request, response)
    if (route === 'POST /v1/messages/count_tokens') {
      const { request: body, profile } = validateRequest(parseJson(await readBody(request)), { countOnly: true })
      return sendJson(response, 200, { input_tokens: walkPrefix(body, profile).tokens })
    }
    if (route === 'GET /v1/models') return sendJson(response, 200, modelList())
    if (request.method === 'GET' && pathname.startsWith('/v1/models/')) {
      return sendJson(response, 200, modelById(decodeURIComponent(pathname.slice('/v1/models/'.length))))
    }
    throw new WireError(404, 'not_found_error', `Not found: ${route}`)
  }

  async #messages(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = parseJson(await readBody(request))
    const entry = this.state.journal.begin(request, body)
    try {
      const accepted = validateRequest(body)
      const fault = this.state.faults.take(accepted.request)
      entry.fault = fault?.kind ?? null
      if (fault && (await failBeforeStream(fault, response))) {
        entry.status = response.headersSent ? response.statusCode : 0
        return
      }
      await this.#reply(accepted, fault, entry, response)
    } catch (error) {
      entry.status = error instanceof WireError ? error.status : 500
      entry.error = error instanceof Error ? error.message : String(error)
      throw error
    } finally {
      entry.endedAt = Date.now()
    }
  }

  async #reply(
    accepted: ValidRequest,
    fault: Fault | null,
    entry: JournalEntry,
    response: ServerResponse,
  ): Promise<void> {
    const { request, profile } = accepted
    const prefix = walkPrefix(request, profile)
    checkSize(prefix, Math.min(profile.contextTokens, this.#contextTokens))
    checkSignatures(accepted, prefix)
    this.#conversations.take(request, prefix)
    const view = viewOf(request)
    const account = this.state.cache.account(prefix, profile)
    const reply = this.#policy(view)
    const plan = planReply({ request, profile, prefix, account, reply, fault: fault?.kind ?? null })
    Object.assign(entry, { lane: view.lane, turn: turnOf(request), status: 200, stopReason: plan.stopReason })
    entry.usage = { ...account, outputTokens: plan.outputTokens }
    if (request.stream !== true) {
      this.state.cache.commit(prefix, profile)
      return sendJson(response, 200, plan.message)
    }
    const pace = { ...this.state.pace, ttftMs: this.state.pace.ttftMs + (reply.delayMs ?? 0) }
    const sent = await sendFrames({
      response,
      plan,
      pace,
      fault,
      maxHangMs: MAX_HANG_MS,
      onStart: () => this.state.cache.commit(prefix, profile),
    })
    entry.delivered = sent
  }
}

function authenticate(request: IncomingMessage): void {
  const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
  const key = bearer ?? request.headers['x-api-key']
  if (typeof key !== 'string' || key === '') {
    throw new WireError(401, 'authentication_error', 'Could not resolve authentication method.')
  }
  if (key.includes('invalid')) throw new WireError(401, 'authentication_error', 'invalid x-api-key')
  if (!request.headers['anthropic-version']) throw invalid('anthropic-version: header is required')
}

function checkSize(prefix: Prefix, contextTokens: number): void {
  if (prefix.tokens > contextTokens) {
    throw invalid(`prompt is too long: ${prefix.tokens} tokens > ${contextTokens} maximum`)
  }
}

/** A thinking block that no longer stands behind the prefix it was made for. */
function checkSignatures({ request }: ValidRequest, prefix: Prefix): void {
  for (const [index, message] of request.messages.entries()) {
    if (message.role !== 'assistant') continue
    for (const [at, block] of blocksOf(message.content).entries()) {
      if (block.type !== 'thinking') continue
      if (!isGoodSignature(block.signature ?? '', request.model, prefix.chainBefore[index] ?? '')) {
        throw invalid(`messages.${index}.content.${at}: Invalid \`signature\` in \`thinking\` block`)
      }
    }
  }
}

/** True when the fault was the whole answer. */
async function failBeforeStream(fault: Fault, response: ServerResponse): Promise<boolean> {
  if (isStatusFault(fault.kind)) {
    const { status, type, message } = STATUS_FAULTS[fault.kind]
    const seconds = fault.retryAfterSeconds ?? (fault.kind === 'rate_limited' ? 1 : undefined)
    throw new WireError(status, type, message, {
      ...(seconds === undefined || fault.kind === 'spend_limit' ? {} : { 'retry-after': String(seconds) }),
      ...(fault.shouldRetry === undefined ? {} : { 'x-should-retry': String(fault.shouldRetry) }),
    })
  }
  switch (fault.kind) {
    case 'hang':
      await untilClosed(response, MAX_HANG_MS)
      return true
    case 'reset_before_headers':
      response.socket?.resetAndDestroy()
      return true
    case 'empty_body':
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' }).end()
      return true
    default:
      return false
  }
}

function untilClosed(response: ServerResponse, timeoutMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => response.destroy(), timeoutMs)
    response.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
