import type { OpenAPIHono } from '@hono/zod-openapi'
import type { AppDeps } from '../deps.ts'
import { addRoute } from '../route.ts'
import { HealthSchema } from '../schemas.ts'

export function addHealthRoutes(app: OpenAPIHono, deps: AppDeps): void {
  addRoute(
    app,
    {
      method: 'get',
      path: '/healthz',
      summary: 'Whether the process lives',
      tag: 'health',
      isPublic: true,
      responses: { 200: { description: 'It does', schema: HealthSchema } },
    },
    ({ c }) => c.json({ status: 'ok' }),
  )
  addRoute(
    app,
    {
      method: 'get',
      path: '/readyz',
      summary: 'Whether every part is up, each by name',
      tag: 'health',
      isPublic: true,
      responses: {
        200: { description: 'All are up', schema: HealthSchema },
        503: { description: 'One is not', schema: HealthSchema },
      },
    },
    async ({ c }) => {
      const { isReady, parts } = await deps.readiness()
      c.header('cache-control', 'no-store')
      if (isReady) return c.json({ status: 'ready', parts })
      return c.json({ status: 'unready', parts }, 503, { 'retry-after': '2' })
    },
  )
}
