import type { OpenAPIHono } from '@hono/zod-openapi'
import { z } from '@hono/zod-openapi'
import { getTask } from '../../db/tasks.ts'
import { taskPatch } from '../../publish/task-patch.ts'
import { AppError } from '../../shared/errors.ts'
import type { AppDeps } from '../deps.ts'
import { addRoute } from '../route.ts'
import { TaskParams } from '../schemas.ts'

/** Patches that are made at once; more are told to come back. */
const MAX_PATCHES = 4

/** The work gets out: as a patch, and as a branch with a pull request. */
export function addPublishRoutes(app: OpenAPIHono, deps: AppDeps): void {
  addPatchRoute(app, deps)
}

function addPatchRoute(app: OpenAPIHono, deps: AppDeps): void {
  let busy = 0
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/tasks/{taskId}/patch',
      summary: 'Download what a task changed as a mailbox for `git am`; what the ignore files name is left out',
      tag: 'publishing',
      params: TaskParams,
      responses: { 200: { description: 'The patch', schema: z.string(), mediaType: 'application/mbox' } },
    },
    async ({ c, params }) => {
      const task = await getTask(deps.db, params.taskId)
      if (busy >= MAX_PATCHES) {
        const message = `${MAX_PATCHES} patches are being made already. Try again in a moment.`
        throw new AppError('rate_limited', message, { retryAfterMs: 2_000 })
      }
      busy += 1
      try {
        const { gitAuthor: author } = deps.settings
        const open = (projectId: string) => deps.workspaces.open(projectId)
        const mailbox = await taskPatch({ db: deps.db, open, author }, task, c.req.raw.signal)
        return new Response(new Uint8Array(mailbox), {
          headers: {
            'content-type': 'application/mbox',
            'content-disposition': `attachment; filename="${task.id}.patch"`,
            'cache-control': 'no-store',
          },
        })
      } finally {
        busy -= 1
      }
    },
  )
}
