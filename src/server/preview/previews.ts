/**
 * Pages of projects' own servers, each on an origin of its own. The page is hostile and so is its server: nothing of ours
 * (cookies, token, names) reaches it, it is asked only with what opens this one preview, and whatever it answers is bounded
 * and told to the browser in its own name.
 */

import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Db } from '../../db/client.ts'
import type { ServiceRow } from '../../db/workspace/services.ts'
import type { Log } from '../../logger.ts'
import { AppError } from '../../shared/errors.ts'
import { isEnded } from '../../shared/service.ts'
import type { Auth } from '../auth.ts'
import type { AppDeps } from '../deps.ts'
import type { Origin } from '../forwarded.ts'
import { accessCookies, accessOf, takeTicket } from './preview-access.ts'
import { type Answer, answerWith, headOf, reasonPhrase, refuseSocket, socketHeaders } from './preview-answers.ts'
import { createPreviewDoors } from './preview-doors.ts'
import { endedFault, FAULTS, previewFaultOf, redirectFault, startingFault } from './preview-faults.ts'
import { type AnswerContext, answerHeaders, requestHeaders } from './preview-headers.ts'
import { createTargetReader, LOCAL_PREVIEW_DOMAIN, OPEN_PATH, type PreviewTarget } from './preview-target.ts'

/** What previews need. */
export interface PreviewDeps {
  readonly db: Db
  readonly workspaces: AppDeps['workspaces']
  readonly auth: Pick<Auth, 'isOpen' | 'takesToken'>
  readonly log: Log
  readOrigin(incoming: IncomingMessage): Origin
  /** Whether a Host, without its port, is one of ours. */
  isOwnHost(name: string): boolean
  readonly settings: {
    /** Host names that are ours besides loopback ones. */
    readonly allowedHosts: readonly string[]
    readonly previewDomain?: string | undefined
  }
  /** How long a service may take to begin its answer, in milliseconds. */
  readonly firstByteMs?: number
}

/** The pages of projects' services, each on an origin of its own. */
export interface Previews {
  /** Which preview a request is for; null: it is for us. */
  targetOf(incoming: IncomingMessage): PreviewTarget | null
  handle(incoming: IncomingMessage, outgoing: ServerResponse, target: PreviewTarget): void
  /** For a WebSocket's beginning. */
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer, target: PreviewTarget): void
  /** Ends every WebSocket and takes no more. */
  close(): void
}

const FIRST_BYTE_MS = 120_000
/** A connection over which nothing goes for this long is ended. */
const SILENT_MS = 3 * 3_600_000
const MAX_HEADER_BYTES = 32 * 1024

/** Previews over the services of all projects. Holds connections alone; any server answers any preview. */
export function createPreviews(deps: PreviewDeps): Previews {
  const { db, auth, log, settings } = deps
  const domain = settings.previewDomain
  const readTarget = createTargetReader(domain === undefined ? [LOCAL_PREVIEW_DOMAIN] : [LOCAL_PREVIEW_DOMAIN, domain])
  const doors = createPreviewDoors(deps)
  const sockets = new Set<Duplex>()

  const frameAncestorsOf = ({ origin, form }: PreviewTarget): string[] => {
    if (form === 'path') return []
    const [, port = ''] = /(:\d+)$/.exec(origin.host) ?? []
    const names = ['localhost', '127.0.0.1', ...settings.allowedHosts]
    return [...new Set(names)].map((name) => `${origin.protocol ?? 'http:'}//${name}${port}`)
  }

  /** The service of a request that may see it; otherwise what is wrong is answered, and null. */
  const admit = async (
    incoming: IncomingMessage,
    target: PreviewTarget,
    refuse: Answer,
  ): Promise<{ service: ServiceRow; by: 'token' | 'cookie' | 'path' } | null> => {
    if (target.form === 'path' && !deps.isOwnHost(target.origin.host.replace(/:\d+$/, ''))) {
      refuse(FAULTS.foreignHost)
      return null
    }
    const service = await doors.find(target.serviceId)
    if (service === null) {
      refuse(FAULTS.unknown)
      return null
    }
    const by = accessOf(incoming, target, service, auth)
    if (by === null) refuse(FAULTS.closed)
    else if (isForeign(incoming, target, by)) refuse(FAULTS.foreignOrigin)
    else return { service, by }
    return null
  }

  /** The port that is shown; otherwise what is wrong is answered, and null. */
  const portOf = async (service: ServiceRow, refuse: Answer): Promise<number | null> => {
    if (!isEnded(service.state) && service.port !== null) return service.port
    const tail = await doors.tail(service)
    refuse(isEnded(service.state) ? endedFault(service, tail) : startingFault(service, tail))
    return null
  }

  const open = async (incoming: IncomingMessage, outgoing: ServerResponse, target: PreviewTarget): Promise<void> => {
    const refuse = answerWith(outgoing, target, frameAncestorsOf(target))
    const service = await doors.find(target.serviceId)
    if (service === null) return refuse(FAULTS.unknown)
    const ticket = new URL(target.path, 'http://preview').searchParams.get('ticket') ?? ''
    if (await takeTicket(db, service.id, ticket)) outgoing.setHeader('Set-Cookie', accessCookies(service, Date.now()))
    else if (accessOf(incoming, target, service, auth) === null) return refuse(FAULTS.usedTicket)
    outgoing.writeHead(303, { Location: '/', 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' })
    outgoing.end()
  }

  const handle = async (incoming: IncomingMessage, outgoing: ServerResponse, target: PreviewTarget): Promise<void> => {
    const refuse = answerWith(outgoing, target, frameAncestorsOf(target))
    if (!target.path.startsWith('/')) return refuse(FAULTS.malformed)
    if (target.form === 'host' && target.path.split('?', 1)[0] === OPEN_PATH)
      return await open(incoming, outgoing, target)
    const admitted = await admit(incoming, target, refuse)
    if (admitted === null) return
    const { service, by } = admitted
    const port = await portOf(service, refuse)
    if (port === null) return
    const release = doors.take(service.id, 'request')
    if (release === null) return refuse(FAULTS.tooMany)
    outgoing.once('close', release)
    if (outgoing.closed) return release()
    const door = await doors.connect(service, port)
    const headers = requestHeaders(incoming.rawHeaders, target, { hidesAuthorization: by === 'token' })
    exchange({ incoming, outgoing, door, headers, path: target.path, refuse, context: contextOf(target, service) })
  }

  const contextOf = (target: PreviewTarget, service: ServiceRow): AnswerContext => ({
    target,
    service,
    frameAncestors: frameAncestorsOf(target),
    ownHosts: settings.allowedHosts,
  })

  const exchange = (at: Exchange): void => {
    const { incoming, outgoing, door, refuse } = at
    const asked = request({
      // With a connection of its own Node asks no pool: one of another service could be in it.
      createConnection: () => door,
      method: incoming.method ?? 'GET',
      path: at.path,
      headers: at.headers,
      setHost: false,
      maxHeaderSize: MAX_HEADER_BYTES,
    })
    door.setTimeout(SILENT_MS, () => asked.destroy())
    let timer: NodeJS.Timeout | undefined
    const await1stByte = () => {
      timer = setTimeout(() => {
        refuse(FAULTS.slow)
        asked.destroy()
      }, deps.firstByteMs ?? FIRST_BYTE_MS)
    }
    asked.once('response', (answer) => {
      clearTimeout(timer)
      const headers = answerHeaders(answer.rawHeaders, at.context)
      if (headers === null) {
        answer.destroy()
        return refuse(redirectFault(answer.headers.location ?? ''))
      }
      try {
        outgoing.sendDate = false
        outgoing.writeHead(answer.statusCode ?? 502, reasonPhrase(answer), headers)
      } catch {
        // A status or a header that no HTTP has.
        answer.destroy()
        return refuse(FAULTS.noHttp)
      }
      answer.pipe(outgoing)
      answer.on('error', () => outgoing.destroy())
      answer.once('aborted', () => outgoing.destroy())
    })
    asked.on('error', () => {
      clearTimeout(timer)
      // The page was told of the fault already.
      if (outgoing.writableEnded) return
      if (outgoing.headersSent) outgoing.destroy()
      else refuse(FAULTS.noHttp)
    })
    outgoing.once('close', () => {
      clearTimeout(timer)
      asked.destroy()
      door.destroy()
    })
    incoming.once('end', await1stByte)
    incoming.on('error', () => asked.destroy())
    incoming.pipe(asked)
  }

  const upgrade = async (
    incoming: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    target: PreviewTarget,
  ): Promise<void> => {
    const refuse: Answer = (fault) => refuseSocket(socket, fault)
    if (!target.path.startsWith('/')) return refuse(FAULTS.malformed)
    const admitted = await admit(incoming, target, refuse)
    if (admitted === null) return
    const { service, by } = admitted
    const port = await portOf(service, refuse)
    if (port === null) return
    const release = doors.take(service.id, 'socket')
    if (release === null) return refuse(FAULTS.tooMany)
    socket.once('close', release)
    if (socket.closed) return release()
    const door = await doors.connect(service, port)
    const options = { hidesAuthorization: by === 'token', upgrade: 'websocket' }
    const asked = request({
      createConnection: () => door,
      path: target.path,
      headers: requestHeaders(incoming.rawHeaders, target, options),
      setHost: false,
      maxHeaderSize: MAX_HEADER_BYTES,
    })
    const timer = setTimeout(() => asked.destroy(), deps.firstByteMs ?? FIRST_BYTE_MS)
    const context = contextOf(target, service)
    asked.once('upgrade', (answer, inner, innerHead) => {
      clearTimeout(timer)
      socket.write(
        headOf(answer, ['Connection', 'Upgrade', 'Upgrade', 'websocket', ...(socketHeaders(answer, context) ?? [])]),
      )
      if (innerHead.length > 0) socket.write(innerHead)
      if (head.length > 0) inner.write(head)
      inner.setTimeout(SILENT_MS, () => inner.destroy())
      inner.on('error', () => socket.destroy())
      inner.once('close', () => socket.destroy())
      socket.once('close', () => inner.destroy())
      inner.pipe(socket)
      socket.pipe(inner)
    })
    asked.once('response', (answer) => {
      clearTimeout(timer)
      // The server wants no WebSocket: its answer is passed on, and nothing after it.
      const headers = socketHeaders(answer, context)
      if (headers === null) return refuse(FAULTS.noHttp)
      socket.write(headOf(answer, ['Connection', 'close', ...headers]))
      answer.pipe(socket)
    })
    asked.on('error', () => {
      clearTimeout(timer)
      refuse(FAULTS.noHttp)
    })
    socket.once('close', () => {
      clearTimeout(timer)
      asked.destroy()
      door.destroy()
    })
    asked.end()
  }

  /** What became of a request that failed before anything was passed on. */
  const failed = (error: unknown, refuse: Answer, serviceId: string): void => {
    if (!(error instanceof AppError)) log.error({ err: error, serviceId }, 'a preview failed')
    refuse(previewFaultOf(error))
  }

  return {
    targetOf: (incoming) => readTarget(incoming, deps.readOrigin(incoming)),
    handle(incoming, outgoing, target) {
      handle(incoming, outgoing, target).catch((error: unknown) =>
        failed(error, answerWith(outgoing, target, frameAncestorsOf(target)), target.serviceId),
      )
    },
    upgrade(incoming, socket, head, target) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      upgrade(incoming, socket, head, target).catch((error: unknown) =>
        failed(error, (fault) => refuseSocket(socket, fault), target.serviceId),
      )
    },
    close() {
      doors.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

interface Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly door: Socket
  readonly headers: string[]
  readonly path: string
  readonly refuse: Answer
  readonly context: AnswerContext
}

/**
 * A page of another origin that has a browser send something to this preview. A WebSocket is told apart by its Origin
 * alone, since a browser lets every page open one.
 */
function isForeign(incoming: IncomingMessage, { origin: asked, form }: PreviewTarget, by: string): boolean {
  if (by === 'token' || form === 'path') return false
  const isSocket = incoming.headers.upgrade !== undefined
  if (!isSocket && (incoming.method === 'GET' || incoming.method === 'HEAD')) return false
  const { origin } = incoming.headers
  if (origin === undefined) return incoming.headers['sec-fetch-site'] === 'cross-site'
  return !URL.canParse(origin) || new URL(origin).host !== asked.host
}
