import { randomBytes } from 'node:crypto'
import type { Context } from 'hono'

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 14px/1.45 ui-monospace, monospace }
pre { overflow-x: auto; padding: .75rem; border: 1px solid #8886; border-radius: .4rem }
details { border-top: 1px solid #8884; padding: .4rem 0 }
summary { cursor: pointer }
.method { display: inline-block; min-width: 4.5rem; font-weight: 600 }
`

/** Text for use inside HTML elements and quoted attributes. */
export function escapeHtml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? '')
}

/** A page of our own that loads nothing from anywhere; `body` is HTML, `script` runs under a nonce. */
export function htmlPage(c: Context, page: { title: string; body: string; script?: string }): Response {
  const nonce = randomBytes(16).toString('base64')
  const policy = [
    `default-src 'none'`,
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    `connect-src 'self'`,
    `base-uri 'none'`,
    `form-action 'none'`,
    `frame-ancestors 'none'`,
  ].join('; ')
  const script = page.script === undefined ? '' : `<script nonce="${nonce}">${page.script}</script>`
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(page.title)}</title><style nonce="${nonce}">${STYLE}</style></head>
<body>${page.body}${script}</body></html>`
  return c.html(html, 200, { 'content-security-policy': policy, 'cache-control': 'no-store' })
}

/**
 * The built page with a nonce of its own. Only this server's files run or are asked; no page may frame it. `frames`: what
 * it may show in a frame itself.
 */
export function webPage(c: Context, index: string, frames: readonly string[]): Response {
  const nonce = randomBytes(16).toString('base64')
  const policy = [
    `default-src 'self'`,
    `script-src 'self' 'nonce-${nonce}'`,
    `style-src 'self' 'nonce-${nonce}'`,
    // Attributes of elements that the page itself made; they can neither load nor run anything under this policy.
    `style-src-attr 'unsafe-inline'`,
    `img-src 'self' data:`,
    `font-src 'self'`,
    `connect-src 'self'`,
    `worker-src 'self'`,
    `frame-src ${["'self'", ...frames].join(' ')}`,
    `object-src 'none'`,
    `base-uri 'none'`,
    `form-action 'none'`,
    `frame-ancestors 'none'`,
  ].join('; ')
  const headers = { 'content-security-policy': policy, 'cache-control': 'no-store' }
  return c.html(index.replaceAll('__NONCE__', nonce), 200, headers)
}
