import type { OpenAPIHono } from '@hono/zod-openapi'
import type { AppDeps, SandboxState } from '../deps.ts'
import { addRoute } from '../route.ts'
import { HealthSchema, ReadySchema } from '../schemas/installation.ts'

/** `/healthz` and `/readyz`, which answer without a token. */
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
      summary: 'Whether every part is up, each by name, and what protects this host from commands',
      tag: 'health',
      isPublic: true,
      responses: {
        200: { description: 'All are up', schema: ReadySchema },
        503: { description: 'One is not', schema: ReadySchema },
      },
    },
    async ({ c }) => {
      const [{ isReady, parts }, state, isKnown] = await Promise.all([
        deps.readiness(),
        deps.sandboxState(),
        deps.auth.knows(c),
      ])
      const sandbox = state === null ? null : isKnown ? state : withoutDetails(state)
      c.header('cache-control', 'no-store')
      if (isReady) return c.json({ status: 'ready', parts, sandbox })
      return c.json({ status: 'unready', parts, sandbox }, 503, { 'retry-after': '2' })
    },
  )
}

/** What a stranger may know: which protections there are and whether they hold. Pure. */
function withoutDetails({ kind, ok, protections }: SandboxState) {
  return { kind, ok, protections: protections.map(({ name, holds }) => ({ name, holds })) }
}
