import type { OpenAPIHono } from '@hono/zod-openapi'
import { getProject } from '../../db/project/projects.ts'
import { AppError } from '../../shared/errors.ts'
import type { AppDeps } from '../deps.ts'
import { contentOf } from '../file-content.ts'
import { addRoute } from '../route.ts'
import { ProjectParams } from '../schemas/fields.ts'
import { ContentQuery, ContentSchema, FilesQuery, TreeSchema } from '../schemas/files.ts'

const MAX_ENTRIES = 2_000
const DEFAULT_CONTENT_BYTES = 256 * 1024

/** The files of a project's workspace. */
export function addFileRoutes(app: OpenAPIHono, deps: AppDeps): void {
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/workspace/{projectId}/files',
      summary: "List a directory of the project's workspace",
      tag: 'files',
      params: ProjectParams,
      query: FilesQuery,
      responses: {
        200: {
          description: 'The tree, at most 2,000 entries, shared fairly among its directories',
          schema: TreeSchema,
        },
      },
    },
    async ({ c, params, query }) => {
      await getProject(deps.db, params.projectId)
      const sandbox = await deps.workspaces.open(params.projectId)
      const path = query.path === '.' ? '' : query.path
      const stat = path === '' ? null : await sandbox.stat(path)
      if (path !== '' && stat === null) throw new AppError('not_found', 'There is no such directory.')
      if (stat !== null && stat.kind !== 'directory') throw new AppError('bad_request', 'path: is not a directory')
      return c.json({ path, ...(await sandbox.list(path, { depth: query.depth, limit: MAX_ENTRIES })) })
    },
  )
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/workspace/{projectId}/files/content',
      summary: 'Read a file or a range of it',
      tag: 'files',
      params: ProjectParams,
      query: ContentQuery,
      responses: { 200: { description: 'At most 1 MiB; binary content as base64', schema: ContentSchema } },
    },
    async ({ c, params, query }) => {
      await getProject(deps.db, params.projectId)
      const sandbox = await deps.workspaces.open(params.projectId)
      const stat = await sandbox.stat(query.path)
      if (stat === null) throw new AppError('not_found', 'There is no such file.')
      if (stat.kind !== 'file') throw new AppError('bad_request', `path: is a ${stat.kind}, not a file`)
      const length = query.length ?? DEFAULT_CONTENT_BYTES
      const slice = await sandbox.read(query.path, { offset: query.offset, length })
      return c.json({ path: query.path, ...contentOf(slice, query.offset) })
    },
  )
}
