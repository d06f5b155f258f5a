import type { OpenAPIHono } from '@hono/zod-openapi'
import { judgeFinding } from '../../db/review/reviews.ts'
import type { AppDeps } from '../deps.ts'
import { addRoute } from '../route.ts'
import { FindingBody, FindingParams, FindingSchema } from '../schemas/review.ts'

/** A person's verdict on what a reviewer found; the precision of each criterion is computed from these. */
export function addFindingRoutes(app: OpenAPIHono, { db }: AppDeps): void {
  addRoute(
    app,
    {
      method: 'post',
      path: '/api/findings/{findingId}',
      summary: 'Confirm or dismiss a finding; while its task runs, a dismissed one holds nothing up',
      tag: 'review',
      params: FindingParams,
      body: FindingBody,
      responses: { 200: { description: 'The finding with the verdict', schema: FindingSchema } },
    },
    async ({ c, params, body }) => c.json(await judgeFinding(db, params.findingId, body)),
  )
}
