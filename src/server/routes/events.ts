import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { getProject } from '../../db/project/projects.ts'
import { getTask } from '../../db/task/tasks.ts'
import { pingFrame } from '../../events/frame.ts'
import type { JoinRequest } from '../../events/hub.ts'
import { TOPICS, type Topic } from '../../events/topics.ts'
import { AppError } from '../../shared/errors.ts'
import type { AppDeps } from '../deps.ts'
import { follow } from '../follow.ts'
import { addRoute } from '../route.ts'
import { ProjectParams, TaskParams } from '../schemas/fields.ts'
import { EnvelopeSchema, EventsQuery } from '../schemas/installation.ts'

const STREAM = {
  200: { description: 'Server-sent events', schema: EnvelopeSchema, mediaType: 'text/event-stream' },
}

/** The two streams: of a project until the reader leaves, of a task until it has ended. Both can be rejoined anywhere. */
export function addEventRoutes(app: OpenAPIHono, deps: AppDeps): void {
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/workspace/{projectId}/events',
      summary: 'Stream everything that happens in a project; without a cursor, from now on',
      tag: 'events',
      params: ProjectParams,
      query: EventsQuery,
      responses: STREAM,
    },
    async ({ c, params, query }) => {
      const topics = topicsOf(query.topics)
      const { id: projectId } = await getProject(deps.db, params.projectId)
      await deps.hub.prepare(projectId)
      const after = cursorOf(c, query.after) ?? 'latest'
      return stream(c, deps, { projectId, after, ...(topics === undefined ? {} : { topics }) })
    },
  )
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/tasks/{taskId}/events',
      summary: 'Stream a task; without a cursor, from its beginning',
      tag: 'events',
      params: TaskParams,
      query: EventsQuery.pick({ after: true }),
      responses: STREAM,
    },
    async ({ c, params, query }) => {
      const { id: taskId, projectId } = await getTask(deps.db, params.taskId)
      await deps.hub.prepare(projectId)
      return stream(c, deps, { projectId, taskId, after: cursorOf(c, query.after) ?? 0 })
    },
  )
}

function stream(c: Context, deps: AppDeps, request: JoinRequest): Response {
  const { projectId, taskId } = request
  const latestSeq = (): number => deps.hub.lastSeqOf(projectId)
  const { connection, response } = deps.sse.open(c, {
    projectId,
    latestSeq,
    ...(taskId === undefined ? {} : { taskId }),
  })
  // Tells a reader without a cursor where it stands, before anything happens.
  if (taskId === undefined) connection.sendBytes(pingFrame(latestSeq()))
  void follow(deps, connection, request)
  return response
}

/** The header wins: a browser that reconnects repeats the address it first had. */
function cursorOf(c: Context, after: string | undefined): number | 'invalid' | undefined {
  const text = (c.req.header('last-event-id') || after || '').trim()
  if (text === '') return undefined
  return /^\d{1,15}$/.test(text) ? Number(text) : 'invalid'
}

function topicsOf(text: string | undefined): readonly Topic[] | undefined {
  const names = (text ?? '').split(',').map((name) => name.trim())
  const wanted = names.filter((name) => name !== '')
  const unknown = wanted.find((name) => !TOPICS.some((topic) => topic === name))
  if (unknown !== undefined) {
    const message = `There is no topic "${unknown.slice(0, 50)}"; topics: ${TOPICS.join(', ')}.`
    throw new AppError('bad_request', message, { details: { topics: 'unknown topic' } })
  }
  return wanted.length === 0 ? undefined : TOPICS.filter((topic) => wanted.includes(topic))
}
