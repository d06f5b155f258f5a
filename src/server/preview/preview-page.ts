import { escapeHtml } from '../html-page.ts'

/** What is wrong with a preview, for the person who looks at it. */
export interface PreviewFault {
  /** Sent as `x-keelson-preview`, e.g. `not_listening`. */
  readonly code: string
  readonly status: 400 | 401 | 403 | 404 | 410 | 429 | 502 | 503 | 504
  readonly title: string
  readonly detail: string
  /** The end of the service's output. */
  readonly log?: string
  /** Asks again by itself after so many seconds. */
  readonly retryAfterSeconds?: number
}

const STYLE = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:46rem;margin:10vh auto;padding:0 1rem}
h1{font-size:1.25rem}
pre{overflow:auto;max-height:50vh;padding:.75rem;border:1px solid #8886;border-radius:.4rem;font:13px/1.45 ui-monospace,monospace;white-space:pre-wrap}`

/** A page of our own in a preview's place. It loads and runs nothing. Pure. */
export function faultPage({ title, detail, log, retryAfterSeconds }: PreviewFault): string {
  const refresh = retryAfterSeconds === undefined ? '' : `<meta http-equiv="refresh" content="${retryAfterSeconds}">`
  const output =
    log === undefined || log.trim() === '' ? '' : `<h2>The end of its output</h2><pre>${escapeHtml(log)}</pre>`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">${refresh}
<title>${escapeHtml(title)}</title><style>${STYLE}</style></head>
<body><main><h1>${escapeHtml(title)}</h1><p>${escapeHtml(detail)}</p>${output}</main></body></html>`
}

/** The content policy of such a page: its own styles and nothing else. */
export const FAULT_POLICY = `default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'`
