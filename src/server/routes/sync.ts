import { type OpenAPIHono, z } from '@hono/zod-openapi'
import { AppError } from '../../shared/errors.ts'
import { syncProject } from '../../sources/sync/sync-project.ts'
import type { AppDeps } from '../deps.ts'
import { presentCheckpoint } from '../present.ts'
import { addRoute } from '../route.ts'
import { CheckpointSchema } from '../schemas/checkpoints.ts'
import { ProjectParams } from '../schemas/fields.ts'

/** Each has a sandbox of its own; more are told to come back. */
const MAX_AT_ONCE = 4

const SyncBody = z.strictObject({ onConflict: z.enum(['refuse', 'markers']).default('refuse') })
const SyncedSchema = z
  .object({
    status: z.enum(['up_to_date', 'merged', 'conflicts']),
    from: z.string(),
    commit: z.string(),
    changed: z.array(z.string()),
    conflicts: z.array(z.string()),
    historyMoved: z.boolean().describe('Whether the project’s own git has the new commits'),
    checkpoint: CheckpointSchema.optional(),
  })
  .openapi('Synced')

/** Brings in what came upstream since a project was cloned. */
export function addSyncRoute(app: OpenAPIHono, deps: AppDeps): void {
  let busy = 0
  addRoute(
    app,
    {
      method: 'post',
      path: '/api/workspace/{projectId}/sync',
      summary: 'Merge what came upstream into the files; on a conflict refuse (409 with the paths) or leave marks',
      tag: 'projects',
      params: ProjectParams,
      body: SyncBody,
      responses: { 200: { description: 'What was merged', schema: SyncedSchema } },
    },
    async ({ c, params, body }) => {
      if (busy >= MAX_AT_ONCE) {
        throw new AppError('rate_limited', `${MAX_AT_ONCE} projects are being synced already. Try again in a moment.`, {
          retryAfterMs: 5_000,
        })
      }
      busy += 1
      try {
        const { checkpoint, ...synced } = await syncProject(deps.sync, params.projectId, body.onConflict)
        return c.json({ ...synced, ...(checkpoint === undefined ? {} : { checkpoint: presentCheckpoint(checkpoint) }) })
      } finally {
        busy -= 1
      }
    },
  )
}
