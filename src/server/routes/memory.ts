import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { getProject } from '../../db/project/projects.ts'
import { forgetFact, projectMemory, replaceFacts } from '../../db/turn/memory.ts'
import type { ProjectMemory } from '../../shared/memory.ts'
import type { AppDeps } from '../deps.ts'
import { matchedVersion } from '../if-match.ts'
import { addRoute } from '../route.ts'
import { ProjectParams } from '../schemas/fields.ts'
import { FactParams, MemoryBody, MemorySchema } from '../schemas/memory.ts'

/** What a project remembers: read, and edited as one list. */
export function addMemoryRoutes(app: OpenAPIHono, { db }: AppDeps): void {
  const path = '/api/workspace/{projectId}/memory'
  addRoute(
    app,
    {
      method: 'get',
      path,
      summary: 'Read what the user asked to remember',
      tag: 'memory',
      params: ProjectParams,
      responses: { 200: { description: 'The facts; version 0 before the first', schema: MemorySchema } },
    },
    async ({ c, params }) => {
      await getProject(db, params.projectId)
      return answer(c, await projectMemory(db, params.projectId))
    },
  )
  addRoute(
    app,
    {
      method: 'put',
      path,
      summary: 'Replace what is remembered; If-Match holds the version that was read',
      tag: 'memory',
      params: ProjectParams,
      body: MemoryBody,
      responses: { 200: { description: 'The facts as they are now', schema: MemorySchema } },
    },
    async ({ c, params, body }) => {
      await getProject(db, params.projectId)
      const version = matchedVersion(c)
      return answer(c, await replaceFacts(db, params.projectId, { version, facts: body.facts }))
    },
  )
  addRoute(
    app,
    {
      method: 'delete',
      path: `${path}/{factId}`,
      summary: 'Forget one fact, such as one that memory.remembered told of',
      tag: 'memory',
      params: FactParams,
      responses: { 200: { description: 'The facts that are left', schema: MemorySchema } },
    },
    async ({ c, params }) => {
      await getProject(db, params.projectId)
      return answer(c, await forgetFact(db, params.projectId, params.factId))
    },
  )
}

function answer(c: Context, memory: ProjectMemory): Response {
  return c.json(memory, 200, { etag: `"${memory.version}"` })
}
