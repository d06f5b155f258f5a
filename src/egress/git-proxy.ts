/**
 * The way of one git command to one repository: an HTTP proxy that takes plain requests from inside, in which git was told
 * to ask `http://HOST:PORT/` in place of `https://HOST[:PORT]/`, and speaks TLS outside. So a credential is added where no
 * project's process can see it. Invariants:
 * 1. Nothing is asked for but git's own requests for this repository, and nothing is sent to another host.
 * 2. A redirect is followed on the same host alone; one to elsewhere ends the command.
 * 3. The name is resolved here, and the address that was checked is the one that is dialled.
 */

import { type ClientRequest, createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Agent, request } from 'node:https'
import { isIP, type Socket } from 'node:net'
import { type AddressRule, addressOf } from './addresses.ts'
import { capBytes, passedOn, refuseRequest, statusOf } from './http-message.ts'
import { oneAtATime } from './one-at-a-time.ts'
import { type Resolve, resolveBySystem } from './resolve.ts'

/** What git asks a host for over HTTP: to fetch, or to push. */
export type GitService = 'git-upload-pack' | 'git-receive-pack'

/** Why the newest request that failed did so. */
export type GitFailure =
  /** Another host was asked for, or this one is none that may be used. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'certificate' }
  /** The host answered with something else than 200. */
  | { readonly kind: 'status'; readonly status: number; readonly isAuthorized: boolean }
  /** The host sends git elsewhere: to another host, or to one of its own pages. */
  | { readonly kind: 'moved'; readonly to: string }

/** The one repository that a proxy leads to, and what it may be asked. */
export interface GitProxyOptions {
  /** Without brackets. */
  readonly host: string
  readonly port: number
  readonly addresses: AddressRule
  /** The path of the repository's address. */
  readonly repository: string
  readonly services: readonly GitService[]
  /**
   * The `Authorization` that belongs to this host. `always`: it is sent with the first request; otherwise only when the host
   * gives nothing out without, as git itself does it.
   */
  readonly authorization?: { readonly value: string; readonly always: boolean } | undefined
  /** Told once, when the authorization is first sent. Must not throw. */
  onAuthorized?(): void
  /** Certificate authorities in PEM. */
  readonly trusted: readonly string[]
  readonly resolve?: Resolve | undefined
  /** How long either side may be silent, in milliseconds. */
  readonly idleTimeoutMs: number
  /** How long one connection lives, in milliseconds. */
  readonly maxLifeMs: number
}

/** A proxy for one git command, which adds the authorization outside of the sandbox. */
export interface GitProxy {
  /** The caller listens and closes. */
  readonly server: Server
  failure(): GitFailure | null
}

const MAX_CONNECTIONS = 16
const MAX_URL_CHARACTERS = 8_192
const MAX_ANSWER_BYTES = 8 * 1024 ** 3
/** A body that is kept, so that it can be sent again with the authorization: as much as git itself sends in one piece. */
const REPLAY_BYTES = 1024 * 1024
/** What a host answers about a repository that it does not show to just anybody. */
const HIDDEN = new Set([401, 403, 404])
const REDIRECTS = new Set([301, 302, 303, 307, 308])
const CERTIFICATE_CODES =
  /^(CERT_|UNABLE_TO_(GET_ISSUER|VERIFY)|SELF_SIGNED|DEPTH_ZERO_SELF_SIGNED|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_CA)/

/** Where git inside is told to go in place of `https://HOST[:PORT]/`. Pure. */
export function innerOrigin({ host, port }: { readonly host: string; readonly port: number }): string {
  return `http://${isIP(host) === 6 ? `[${host}]` : host}:${port}/`
}

/** Makes the proxy for one command. */
export function createGitProxy(options: GitProxyOptions): GitProxy {
  const { host, port, authorization } = options
  const resolve = options.resolve ?? resolveBySystem
  const inner = innerOrigin(options)
  const outer = inner.replace('http:', 'https:')
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS, ca: [...options.trusted] })
  const repositories = new Set([repositoryPath(new URL(options.repository, outer).pathname)])
  let failure: GitFailure | null = null
  let isAuthorized = authorization?.always === true
  let wasSent = false

  const refuse = (answer: ServerResponse, why: GitFailure, reason: string, status = 403) => {
    failure = why
    refuseRequest(answer, reason, status)
  }

  /** The path outside when a request is one of git's own for this repository. */
  const allowedPath = (asked: IncomingMessage): string | null => {
    const text = asked.url ?? ''
    if (text.length > MAX_URL_CHARACTERS || !text.startsWith(inner) || !URL.canParse(text)) return null
    const { pathname, search } = new URL(text)
    const fits = [...repositories].some((repository) =>
      options.services.some(
        (service) =>
          (asked.method === 'GET' && pathname === `${repository}/info/refs` && search === `?service=${service}`) ||
          (asked.method === 'POST' && pathname === `${repository}/${service}` && search === ''),
      ),
    )
    return fits ? `${pathname}${search}` : null
  }

  const ask = (
    address: string,
    asked: IncomingMessage,
    path: string,
    onAnswer: (response: IncomingMessage) => void,
    onError: (error: NodeJS.ErrnoException) => void,
  ) => {
    const headers: Record<string, string | string[]> = { ...passedOn(asked), host: new URL(outer).host }
    delete headers['authorization']
    if (authorization !== undefined && isAuthorized) {
      headers['authorization'] = authorization.value
      if (!wasSent) options.onAuthorized?.()
      wasSent = true
    }
    const upstream = request({
      agent,
      host,
      servername: isIP(host) === 0 ? host : '',
      port,
      method: asked.method,
      path,
      headers,
      lookup: (_host, lookupOptions, done) => {
        const family = isIP(address)
        if (lookupOptions.all) done(null, [{ address, family }])
        else done(null, address, family)
      },
    })
    upstream.setTimeout(options.idleTimeoutMs, () => upstream.destroy(new Error('no answer')))
    upstream.once('response', onAnswer)
    upstream.once('error', onError)
    return upstream
  }

  const pass = (response: IncomingMessage, answer: ServerResponse, service: string): void => {
    response.once('error', () => answer.destroy())
    const status = statusOf(response)
    if (status === null) {
      response.destroy()
      return refuse(answer, { kind: 'unreachable' }, `${host} does not speak HTTP.`, 502)
    }
    const headers = passedOn(response)
    if (REDIRECTS.has(status)) {
      const to = redirectTarget(response.headers.location, outer, service)
      if (to === null || to.origin !== new URL(outer).origin) {
        response.resume()
        return refuse(answer, { kind: 'moved', to: to?.host ?? 'elsewhere' }, 'the repository has moved.')
      }
      repositories.add(repositoryPath(to.pathname.slice(0, -'/info/refs'.length)))
      headers['location'] = to.href.replace(outer, inner).replace(to.origin, inner.slice(0, -1))
    }
    failure = status >= 400 ? { kind: 'status', status, isAuthorized } : null
    // Nothing inside could answer a question for a password, and git asks in words that help nobody.
    delete headers['www-authenticate']
    answer.writeHead(status, headers)
    capBytes(MAX_ANSWER_BYTES, response, () => answer.destroy())
    response.pipe(answer)
  }

  const serve = async (asked: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const path = allowedPath(asked)
    if (path === null) return refuse(answer, { kind: 'refused' }, 'only this one repository can be asked for here.')
    const address = await addressOf(host, options.addresses, resolve)
    if (address === null) return refuse(answer, { kind: 'refused' }, 'the host cannot be used.', 502)
    const service = new URL(path, outer).search
    const onError = (error: NodeJS.ErrnoException) => {
      failure = CERTIFICATE_CODES.test(error.code ?? '') ? { kind: 'certificate' } : { kind: 'unreachable' }
      if (answer.headersSent) answer.destroy()
      else refuseRequest(answer, `${host} does not answer.`, 504)
    }
    const mayNeedMore = authorization !== undefined && !isAuthorized
    // Some hosts show what there is to anybody and ask who it is only when it is fetched or pushed.
    const body = asked.method === 'GET' || mayNeedMore ? await beginningOf(asked) : null
    const send = (upstream: ClientRequest): void => {
      answer.once('close', () => upstream.destroy())
      for (const piece of body?.pieces ?? []) upstream.write(piece)
      if (body?.isWhole === true) upstream.end()
      else asked.pipe(upstream)
    }
    const onAnswer = (response: IncomingMessage) => {
      const canAskAgain = mayNeedMore && body?.isWhole === true
      if (!canAskAgain || !HIDDEN.has(response.statusCode ?? 0)) return pass(response, answer, service)
      response.resume()
      isAuthorized = true
      send(ask(address, asked, path, (second) => pass(second, answer, service), onError))
    }
    send(ask(address, asked, path, onAnswer, onError))
  }

  const server = createServer({ maxHeaderSize: 32 * 1024, headersTimeout: 10_000, requestTimeout: options.maxLifeMs })
  server.maxConnections = MAX_CONNECTIONS
  server.on('request', oneAtATime(serve))
  server.on('connect', (_asked: IncomingMessage, client: Socket) => {
    failure = { kind: 'refused' }
    client.on('error', () => undefined) // 'close' follows
    client.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n')
  })
  server.on('upgrade', (_asked: IncomingMessage, client: Socket) => client.destroy())
  server.on('connection', (client: Socket) => {
    // Later than the other side's limit, so that what it did is said.
    client.setTimeout(2 * options.idleTimeoutMs, () => client.destroy())
    const life = setTimeout(() => client.destroy(), options.maxLifeMs)
    client.once('close', () => clearTimeout(life))
  })
  server.on('clientError', (_error, client) => client.destroy())
  server.on('close', () => agent.destroy())
  return { server, failure: () => failure }
}

interface Beginning {
  readonly pieces: readonly Uint8Array[]
  /** Nothing comes behind them. */
  readonly isWhole: boolean
}

/** Reads a request's body up to {@link REPLAY_BYTES}; what comes behind stays to be read. */
async function beginningOf(asked: IncomingMessage): Promise<Beginning> {
  const pieces: Buffer[] = []
  let bytes = 0
  const take = (): boolean => {
    for (;;) {
      const piece: unknown = asked.read()
      if (!Buffer.isBuffer(piece)) return false
      pieces.push(piece)
      bytes += piece.length
      if (bytes > REPLAY_BYTES) return true
    }
  }
  return await new Promise<Beginning>((resolve, reject) => {
    const settle = (isWhole: boolean): void => {
      asked.off('readable', onReadable).off('end', onEnd).off('error', reject).off('close', onClose)
      resolve({ pieces, isWhole })
    }
    const onReadable = (): void => {
      if (take()) settle(false)
    }
    const onEnd = (): void => settle(true)
    const onClose = (): void => reject(new Error('the request was broken off'))
    asked.on('readable', onReadable).on('end', onEnd).on('error', reject).on('close', onClose)
  })
}

/** As requests for it begin: without a slash at the end. */
function repositoryPath(pathname: string): string {
  return pathname.replace(/\/+$/, '')
}

/** Where a redirect of `info/refs` leads, when it leads to another repository's. */
function redirectTarget(location: string | undefined, outer: string, service: string): URL | null {
  if (location === undefined || !URL.canParse(location, outer)) return null
  const to = new URL(location, outer)
  if (to.username !== '' || to.password !== '') return null
  const isRefs = to.pathname.endsWith('/info/refs') && to.search === service
  return isRefs || to.origin !== new URL(outer).origin ? to : null
}
