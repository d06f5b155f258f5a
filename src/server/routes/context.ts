import { type OpenAPIHono, z } from '@hono/zod-openapi'
import { currentContext } from '../../db/project/contexts.ts'
import { getProject } from '../../db/project/projects.ts'
import { requestContext } from '../../db/task/requests.ts'
import { AppError } from '../../shared/errors.ts'
import type { AppDeps } from '../deps.ts'
import { presentContext } from '../present.ts'
import { addRoute } from '../route.ts'
import { ContextSchema } from '../schemas/environment.ts'
import { NoBody, ProjectParams } from '../schemas/fields.ts'

/** What the model is told about a project. */
export function addContextRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const { db } = deps
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/workspace/{projectId}/context',
      summary: "Read the project's context as the model gets it",
      tag: 'context',
      params: ProjectParams,
      responses: { 200: { description: 'The cached context', schema: ContextSchema } },
    },
    async ({ c, params }) => {
      await getProject(db, params.projectId)
      const context = await currentContext(db, params.projectId)
      if (context === null)
        throw new AppError('not_found', 'The context is made with the first task; there was none yet.')
      return c.json(presentContext(context))
    },
  )
  addRoute(
    app,
    {
      method: 'post',
      path: '/api/workspace/{projectId}/context/regenerate',
      summary: 'Have the context made anew, by the running task or alone',
      tag: 'context',
      params: ProjectParams,
      body: NoBody,
      responses: {
        202: {
          description: 'It will be made',
          schema: z.object({ status: z.literal('regenerate_requested'), taskId: z.string().nullable() }),
        },
      },
    },
    async ({ c, params }) => {
      const { taskId } = await requestContext(db, params.projectId, 'user')
      deps.dispatcher.kick()
      return c.json({ status: 'regenerate_requested', taskId }, 202)
    },
  )
}
