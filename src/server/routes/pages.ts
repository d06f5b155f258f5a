import type { OpenAPIHono } from '@hono/zod-openapi'
import type { AppDeps } from '../deps.ts'
import { escapeHtml, htmlPage, webPage } from '../html-page.ts'
import { LOCAL_PREVIEW_DOMAIN } from '../preview/preview-target.ts'
import { addRoute } from '../route.ts'
import { SessionBody, SignOutBody } from '../schemas/installation.ts'
import { findWebFiles, type WebFiles } from '../web-files.ts'

/** The link's token stands in the fragment, which browsers send to nobody; the script takes it out of the address. */
const SIGN_IN = `
const state = document.getElementById('state')
const setupToken = new URLSearchParams(location.hash.slice(1)).get('setup')
const show = (text) => { state.textContent = text }
const check = async () => {
  const answer = await fetch('/api/projects?limit=1')
  show(answer.ok ? 'This browser is signed in.' : 'This browser is not signed in: open the link that the start printed.')
}
const run = async () => {
  if (setupToken === null) return await check()
  history.replaceState(null, '', location.pathname)
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch('/api/session', { method: 'POST', headers, body: JSON.stringify({ setupToken }) })
  if (!answer.ok) return show((await answer.json()).error.message)
  await check()
}
run().catch(() => show('The server does not answer.'))
`

const EXAMPLE = `TOKEN=$(node -p "require('./.keelson/state.json').apiToken")
URL=$(node -p "require('./.keelson/state.json').url")
curl -s -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \\
  -d '{"name":"sample","source":{"kind":"sample"}}' $URL/api/projects
curl -N -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' \\
  -d '{"message":"Fix the failing test"}' $URL/api/workspace/PROJECT_ID/claude/chat`

/** Places of the page are addresses too; what they name is the page's business, and the API's whether it exists. */
const PLACES = ['/', '/p/:projectId', '/p/:projectId/c/:conversationId']

/** The built page at each of its places, and its files. Their names hold their hash, so a browser asks once. */
function addWebRoutes(app: OpenAPIHono, files: WebFiles, previewDomain: string | undefined): void {
  const domains = [LOCAL_PREVIEW_DOMAIN, ...(previewDomain === undefined ? [] : [previewDomain])]
  const frames = domains.flatMap((domain) => [`http://*.${domain}:*`, `https://*.${domain}:*`])
  for (const place of PLACES) app.get(place, (c) => webPage(c, files.index, frames))
  app.get('/assets/:name', async (c) => {
    const acceptsGzip = (c.req.header('accept-encoding') ?? '').includes('gzip')
    const file = await files.readAsset(c.req.param('name'), { acceptsGzip })
    if (file === undefined) return c.notFound()
    return c.body(file.data, 200, {
      'content-type': file.mediaType,
      'cache-control': 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
      ...(file.isGzip ? { 'content-encoding': 'gzip' } : {}),
    })
  })
}

/** The first page and the exchange of the setup token for the page's cookie. */
export function addPageRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const { model, temporalWebUrl } = deps.settings
  const modelNote =
    model.kind === 'scripted'
      ? '<p><strong>A scripted model answers.</strong> It plays a fixed demonstration; set <code>ANTHROPIC_API_KEY</code> to work with Claude.</p>'
      : `<p>Model: <code>${escapeHtml(model.name)}</code>.</p>`
  const webLink =
    temporalWebUrl === undefined ? '' : `<li><a href="${escapeHtml(temporalWebUrl)}">Temporal's Web UI</a></li>`
  const body = `<h1>Keelson</h1>
<p>A server that runs a coding agent: send a message, follow the work as a stream, get reviewed code.</p>
<p id="state" role="status">Looking …</p>${modelNote}
<ul><li><a href="/docs">The API</a> (<a href="/openapi.json">openapi.json</a>)</li>${webLink}</ul>
<p>In the terminal: <code>npm run chat -- "Fix the failing test"</code>, or with curl:</p>
<pre>${escapeHtml(EXAMPLE)}</pre>`

  const files = findWebFiles()
  if (files === undefined) app.get('/', (c) => htmlPage(c, { title: 'Keelson', body, script: SIGN_IN }))
  else addWebRoutes(app, files, deps.settings.previewDomain)
  app.get('/favicon.ico', (c) => c.body(null, 204))
  addRoute(
    app,
    {
      method: 'post',
      path: '/api/session',
      summary: "Exchange the one-time setup token, or the API token, for the page's cookie",
      tag: 'session',
      isPublic: true,
      body: SessionBody,
      responses: { 204: { description: 'Signed in' } },
    },
    async ({ c, body }) => {
      await deps.auth.exchange(c, body)
      return c.body(null, 204)
    },
  )
  addRoute(
    app,
    {
      method: 'post',
      path: '/api/sign-out',
      summary: "End this browser's sign-in, or all of them; its cookie is worth nothing afterwards",
      tag: 'session',
      body: SignOutBody,
      responses: { 204: { description: 'Signed out' } },
    },
    async ({ c, body }) => {
      await deps.auth.signOut(c, body)
      return c.body(null, 204)
    },
  )
}
