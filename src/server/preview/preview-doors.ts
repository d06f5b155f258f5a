import type { Socket } from 'node:net'
import type { Db } from '../../db/client.ts'
import { noteViewed } from '../../db/workspace/previews.ts'
import { findService, type ServiceRow } from '../../db/workspace/services.ts'
import type { Log } from '../../logger.ts'
import type { Sandbox } from '../../sandbox/types.ts'
import { AppError } from '../../shared/errors.ts'
import type { AppDeps } from '../deps.ts'

/** A dev server's page asks for hundreds of files at once: what is known of a service is asked again after this long. */
const FRESH_MS = 1_000
const SANDBOX_FRESH_MS = 30_000
const VIEWED_EVERY_MS = 30_000
const MAX_KNOWN = 500
/** At a time; a browser opens six to one host, and one for each WebSocket. */
const MAX_REQUESTS_PER_SERVICE = 64
const MAX_SOCKETS_PER_SERVICE = 32
const MAX_OF_ALL = 2_000

/** The ways from this process to the services, and how many are in use. */
export interface PreviewDoors {
  /** The service as it was at most a second ago; null when there is none. Throws `store_unavailable`. */
  find(serviceId: string): Promise<ServiceRow | null>
  /** A connection to the port that its preview shows, for the caller to end. Throws the `sandbox_*` codes. */
  connect(service: ServiceRow, port: number): Promise<Socket>
  /** The end of what it printed; empty when that cannot be had. */
  tail(service: ServiceRow): Promise<string>
  /** Takes a place until the function that it returns is called, once; null: there are too many. Counts as a look at it. */
  take(serviceId: string, kind: 'request' | 'socket'): (() => void) | null
  close(): void
}

interface InUse {
  request: number
  socket: number
}

/** Opens connections into a project's sandbox, to a port that one of its services listens on. */
export function createPreviewDoors({
  db,
  workspaces,
  log,
}: {
  readonly db: Db
  readonly workspaces: AppDeps['workspaces']
  readonly log: Log
}): PreviewDoors {
  const services = new Kept<ServiceRow | null>(FRESH_MS)
  const sandboxes = new Kept<Sandbox | null>(SANDBOX_FRESH_MS)
  const viewedAt = new Kept<true>(VIEWED_EVERY_MS)
  const inUse = new Map<string, InUse>()
  let all = 0

  const noteView = (serviceId: string): void => {
    void viewedAt.get(serviceId, async () => {
      await noteViewed(db, serviceId).catch((error: unknown) =>
        log.warn({ err: error, serviceId }, 'a look at a preview could not be noted'),
      )
      return true
    })
  }
  const watching = setInterval(() => {
    for (const [serviceId, { socket }] of inUse) if (socket > 0) noteView(serviceId)
  }, VIEWED_EVERY_MS)
  watching.unref()

  const sandboxOf = async ({ projectId }: ServiceRow): Promise<Sandbox> => {
    const sandbox = await sandboxes.get(projectId, () => workspaces.openExisting(projectId))
    if (sandbox === null) throw new AppError('sandbox_gone', 'The project has no sandbox.')
    return sandbox
  }

  return {
    find: (serviceId) => services.get(serviceId, () => findService(db, serviceId)),
    async connect(service, port) {
      const { services: doors } = await sandboxOf(service)
      if (doors === undefined) throw new AppError('sandbox_gone', 'Services cannot be reached here.')
      try {
        return await doors.connect(service.execId, port)
      } catch (error) {
        // The project may have been given another sandbox since.
        sandboxes.forget(service.projectId)
        throw error
      }
    },
    async tail(service) {
      if (service.endedAt !== null) return service.tail
      try {
        const { tail } = await (await sandboxOf(service)).output(service.execId, { headBytes: 0, tailBytes: 4_096 })
        return Buffer.from(tail).toString('utf8')
      } catch (error) {
        if (error instanceof AppError) return ''
        throw error
      }
    },
    take(serviceId, kind) {
      const used = inUse.get(serviceId) ?? { request: 0, socket: 0 }
      const most = kind === 'request' ? MAX_REQUESTS_PER_SERVICE : MAX_SOCKETS_PER_SERVICE
      if (used[kind] >= most || all >= MAX_OF_ALL) return null
      inUse.set(serviceId, used)
      used[kind]++
      all++
      noteView(serviceId)
      let isOurs = true
      return () => {
        if (!isOurs) return
        isOurs = false
        used[kind]--
        all--
        if (used.request + used.socket === 0) inUse.delete(serviceId)
      }
    },
    close() {
      clearInterval(watching)
    },
  }
}

/** Answers that are kept for a while, the newest few hundred; a failure is not kept. */
class Kept<T> {
  readonly #freshMs: number
  readonly #known = new Map<string, { readonly at: number; readonly value: Promise<T> }>()

  constructor(freshMs: number) {
    this.#freshMs = freshMs
  }

  get(key: string, ask: () => Promise<T>): Promise<T> {
    const known = this.#known.get(key)
    if (known !== undefined && performance.now() - known.at < this.#freshMs) return known.value
    const value = ask()
    value.catch(() => this.forget(key)) // whoever asked has the failure
    this.#known.delete(key)
    this.#known.set(key, { at: performance.now(), value })
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_KNOWN) break
      this.#known.delete(oldest)
    }
    return value
  }

  forget(key: string): void {
    this.#known.delete(key)
  }
}
