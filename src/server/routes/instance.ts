import { readFileSync } from 'node:fs'
import type { OpenAPIHono } from '@hono/zod-openapi'
import { z } from '@hono/zod-openapi'
import { knownModels, profileFor } from '../../model/profiles.ts'
import type { AppDeps } from '../deps.ts'
import { addRoute } from '../route.ts'

const InstanceSchema = z
  .object({
    version: z.string(),
    model: z.object({ kind: z.enum(['anthropic', 'scripted']), name: z.string() }),
    models: z.array(z.object({ id: z.string(), name: z.string() })),
    workers: z.enum(['polling', 'none']),
    temporalWebUrl: z.string().optional(),
    temporalNamespace: z.string().optional(),
  })
  .openapi('Instance')

/** What a client must know of the server it talks to, for those with the token. */
export function addInstanceRoute(app: OpenAPIHono, deps: AppDeps): void {
  const version = ownVersion()
  addRoute(
    app,
    {
      method: 'get',
      path: '/api/instance',
      summary: 'Read the version, the models and whether a worker is there',
      tag: 'instance',
      responses: { 200: { description: 'This instance', schema: InstanceSchema } },
    },
    async ({ c }) => {
      const { model, temporalWebUrl, temporalNamespace } = deps.settings
      const workers = await deps.workers()
      return c.json({
        version,
        model: { kind: model.kind, name: model.name },
        models: modelsOf(model.name),
        workers,
        ...(temporalWebUrl === undefined ? {} : { temporalWebUrl: temporalWebUrl.replace(/\/+$/, '') }),
        ...(temporalNamespace === undefined ? {} : { temporalNamespace }),
      })
    },
  )
}

/** The one in use first, which a server of one's own may know alone. */
function modelsOf(current: string): { id: string; name: string }[] {
  const ids = [...new Set([current, ...knownModels()])]
  return ids.map((id) => ({ id, name: profileFor(id, { compat: true }).displayName }))
}

/** The package's version; this file lies three levels below it both as source and compiled. */
function ownVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
