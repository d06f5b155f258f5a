import type { OpenAPIHono } from '@hono/zod-openapi'
import { escapeHtml, htmlPage } from '../html-page.ts'

const INFO = {
  openapi: '3.1.0',
  info: {
    title: 'Keelson',
    version: '1',
    description: 'Send a message to a coding agent, follow its work as a stream, get reviewed code.',
  },
  security: [{ token: [] }],
}

/** openapi.json from the routes' own schemas, and a page that shows it. Add after all other routes. */
export function addDocRoutes(app: OpenAPIHono): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' })
  let known: { text: string; body: string } | undefined
  const generate = (): { text: string; body: string } => {
    if (known !== undefined) return known
    const document = app.getOpenAPI31Document(INFO)
    known = { text: JSON.stringify(document), body: describe(document.paths ?? {}) }
    return known
  }
  app.get('/openapi.json', (c) => c.body(generate().text, 200, { 'content-type': 'application/json' }))
  app.get('/docs', (c) => htmlPage(c, { title: 'Keelson API', body: generate().body }))
}

interface Operation {
  readonly summary?: string
  readonly parameters?: unknown
  readonly requestBody?: unknown
  readonly responses?: unknown
}

function describe(paths: Readonly<Record<string, object>>): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => describeOne(method, path, operation as Operation)),
  )
  return `<h1>Keelson API</h1>
<p>Calls carry <code>Authorization: Bearer TOKEN</code>. Errors: <code>{"error":{"code","message"},"requestId"}</code>.
The same as <a href="/openapi.json">openapi.json</a>.</p>${operations.join('')}`
}

function describeOne(method: string, path: string, operation: Operation): string {
  const { summary = '', parameters, requestBody, responses } = operation
  const shown = JSON.stringify({ parameters, requestBody, responses }, null, 2)
  return `<details><summary><span class="method">${escapeHtml(method.toUpperCase())}</span>
<code>${escapeHtml(path)}</code><br>${escapeHtml(summary)}</summary><pre>${escapeHtml(shown)}</pre></details>`
}
