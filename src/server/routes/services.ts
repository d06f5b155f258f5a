import { setTimeout as sleep } from 'node:timers/promises'
import type { OpenAPIHono } from '@hono/zod-openapi'
import { getProject } from '../../db/project/projects.ts'
import { nameService } from '../../db/workspace/named-service.ts'
import { addService, getService, listServices, requestStop, type ServiceRow } from '../../db/workspace/services.ts'
import { AppError } from '../../shared/errors.ts'
import { isEnded, MAX_SERVICES_PER_PROJECT } from '../../shared/service.ts'
import { cleanText, showOutput } from '../../shared/text/clean-text.ts'
import type { AppDeps } from '../deps.ts'
import { issueTicket, pathToken, TICKET_SECONDS } from '../preview/preview-access.ts'
import { OPEN_PATH, previewBase } from '../preview/preview-target.ts'
import { addRoute } from '../route.ts'
import { NoBody, ProjectParams } from '../schemas/fields.ts'
import {
  PreviewSchema,
  ServiceBody,
  ServiceLogSchema,
  ServiceParams,
  ServiceSchema,
  ServicesSchema,
} from '../schemas/services.ts'

const LISTED_TAIL_BYTES = 4 * 1024
const LOG_HEAD_BYTES = 16 * 1024
const LOG_TAIL_BYTES = 112 * 1024
/** How long an answer waits for a service to be gone; a worker ends it in about a second. */
const STOP_WAIT_MS = 10_000
const STOP_POLL_MS = 100

/** A project's long-lived commands: listed, started, stopped, restarted, and what they printed. */
export function addServiceRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const { db, settings } = deps
  const path = '/api/workspace/{projectId}/services'
  const limits = { perProject: MAX_SERVICES_PER_PROJECT, perHost: settings.maxServices }
  const tag = 'services'
  const start = async (projectId: string, given: { name: string; command: string; port?: number | undefined }) =>
    await addService(db, projectId, { ...given, startedBy: 'user', maxOnHost: settings.maxServices })

  addRoute(
    app,
    {
      method: 'get',
      path,
      summary: 'List the services that run, and the last ten that ended',
      tag,
      params: ProjectParams,
      responses: { 200: { description: 'Oldest first, on one page', schema: ServicesSchema } },
    },
    async ({ c, params }) => {
      await getProject(db, params.projectId)
      const rows = await listServices(db, params.projectId)
      const items = await Promise.all(rows.map(async (row) => presentService(row, await tailOf(deps, row))))
      return c.json({ items, nextAfter: null, limits }, 200, { 'cache-control': 'no-store' })
    },
  )
  addRoute(
    app,
    {
      method: 'post',
      path,
      summary: "Start a long-lived command, such as a dev server: one of the environment's by its name, or any",
      tag,
      params: ProjectParams,
      body: ServiceBody,
      responses: {
        201: { description: 'It is being started', schema: ServiceSchema },
        200: { description: 'The same command runs already', schema: ServiceSchema },
      },
    },
    async ({ c, params, body }) => {
      await getProject(db, params.projectId)
      const { service, isNew } = await start(params.projectId, await nameService(db, params.projectId, body))
      return c.json(presentService(service, ''), isNew ? 201 : 200)
    },
  )
  addRoute(
    app,
    {
      method: 'delete',
      path: `${path}/{serviceId}`,
      summary: 'Stop a service; its record stays in the list',
      tag,
      params: ServiceParams,
      responses: { 204: { description: 'It has ended' } },
    },
    async ({ c, params }) => {
      await stop(deps, await getService(db, params.projectId, params.serviceId))
      return c.body(null, 204)
    },
  )
  addRoute(
    app,
    {
      method: 'post',
      path: `${path}/{serviceId}/restart`,
      summary: 'Stop a service, if it runs, and start its command again as a new one',
      tag,
      params: ServiceParams,
      body: NoBody,
      responses: { 201: { description: 'The new service', schema: ServiceSchema } },
    },
    async ({ c, params }) => {
      const old = await getService(db, params.projectId, params.serviceId)
      await stop(deps, old)
      const { name, command, wantedPort } = old
      const { service } = await start(params.projectId, { name, command, port: wantedPort ?? undefined })
      return c.json(presentService(service, ''), 201)
    },
  )
  addRoute(
    app,
    {
      method: 'post',
      path: `${path}/{serviceId}/preview`,
      summary: 'Get an address that opens the service in a browser: once, within a minute, on an origin of its own',
      tag,
      params: ServiceParams,
      body: NoBody,
      responses: { 201: { description: 'Where to go', schema: PreviewSchema } },
    },
    async ({ c, params }) => {
      const service = await getService(db, params.projectId, params.serviceId)
      const { form, url, origin } = previewBase(deps.readOrigin(c), service.id, settings.previewDomain)
      const opens =
        form === 'path'
          ? `${url}${pathToken(service)}/`
          : `${url}${OPEN_PATH.slice(1)}?ticket=${await issueTicket(db, service.id)}`
      const answer = { url: opens, origin, form, expiresInSeconds: form === 'path' ? null : TICKET_SECONDS }
      return c.json(answer, 201, { 'cache-control': 'no-store' })
    },
  )
  addRoute(
    app,
    {
      method: 'get',
      path: `${path}/{serviceId}/log`,
      summary: 'Read what a service printed: the beginning and the end, at most 128 KiB',
      tag,
      params: ServiceParams,
      responses: { 200: { description: 'As text, without control sequences', schema: ServiceLogSchema } },
    },
    async ({ c, params }) => {
      const service = await getService(db, params.projectId, params.serviceId)
      return c.json(await logOf(deps, service), 200, { 'cache-control': 'no-store' })
    },
  )
}

/** What the contract shows of a service. Pure. */
export function presentService(service: ServiceRow, tail: string) {
  const { id, projectId, name, command, state, port, ports, startedBy, exitCode, reason, createdAt, endedAt } = service
  return {
    id,
    projectId,
    name,
    command,
    state,
    port,
    ports: [...ports],
    startedBy,
    exitCode,
    ...(reason === null ? {} : { reason }),
    tail,
    createdAt: createdAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
  }
}

/** Ends a service and waits for it. Throws `sandbox_busy` when that takes long; the service is ended all the same. */
async function stop(deps: AppDeps, { id, projectId, execId, state }: ServiceRow): Promise<void> {
  if (isEnded(state)) return
  await requestStop(deps.db, id)
  try {
    const sandbox = await deps.workspaces.openExisting(projectId)
    if ((await sandbox?.execs('services'))?.some((exec) => exec.execId === execId)) await sandbox?.kill(execId)
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    deps.log.warn({ serviceId: id, code: error.code }, 'a service is left to its worker to end')
  }
  const deadline = Date.now() + STOP_WAIT_MS
  while (!isEnded((await getService(deps.db, projectId, id)).state)) {
    if (Date.now() > deadline) {
      throw new AppError('sandbox_busy', 'The service is being stopped; no worker has confirmed it yet.')
    }
    await sleep(STOP_POLL_MS)
  }
}

/** The end of what a service printed; empty when it cannot be had right now. */
async function tailOf(deps: AppDeps, service: ServiceRow): Promise<string> {
  if (isEnded(service.state)) return service.tail
  const ends = await readLog(deps, service, { headBytes: 0, tailBytes: LISTED_TAIL_BYTES })
  return ends === null ? '' : cleanText(Buffer.from(ends.tail).toString('utf8'))
}

async function logOf(deps: AppDeps, service: ServiceRow) {
  const ends = await readLog(deps, service, { headBytes: LOG_HEAD_BYTES, tailBytes: LOG_TAIL_BYTES })
  if (ends === null) {
    const sizeBytes = Buffer.byteLength(service.tail)
    return { serviceId: service.id, text: service.tail, sizeBytes, truncated: isEnded(service.state) }
  }
  const sizeBytes = ends.head.length + ends.omittedBytes + ends.tail.length
  return { serviceId: service.id, text: showOutput(ends), sizeBytes, truncated: ends.omittedBytes > 0 }
}

/** Null while nothing was printed yet, or when the sandbox has no log of it (any more). */
async function readLog(deps: AppDeps, service: ServiceRow, size: { headBytes: number; tailBytes: number }) {
  try {
    const sandbox = await deps.workspaces.openExisting(service.projectId)
    return sandbox === null ? null : await sandbox.output(service.execId, size)
  } catch (error) {
    if (error instanceof AppError) return null
    throw error
  }
}
