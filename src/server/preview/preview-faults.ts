/** What a browser is told where a preview cannot be shown: by its HTTP answer or, for a WebSocket, by the refusal of it. */

import type { ServiceRow } from '../../db/workspace/services.ts'
import { AppError } from '../../shared/errors.ts'
import type { PreviewFault } from './preview-page.ts'

/** Faults that say the same whatever the service is. */
export const FAULTS = {
  unknown: {
    code: 'unknown',
    status: 404,
    title: 'There is no such preview.',
    detail: 'Its service or its project was removed. Each start of a service has an address of its own.',
  },
  closed: {
    code: 'closed',
    status: 401,
    title: 'This preview is opened from Keelson.',
    detail: 'Open it from the Preview tab, or ask POST …/services/{id}/preview for an address that opens it.',
  },
  usedTicket: {
    code: 'used_ticket',
    status: 401,
    title: 'This link was used already, or is too old.',
    detail: 'Open the preview again from Keelson.',
  },
  foreignOrigin: {
    code: 'foreign_origin',
    status: 403,
    title: 'Another page asked for this.',
    detail: 'Pages of other origins may not send requests to a preview.',
  },
  foreignHost: {
    code: 'foreign_host',
    status: 403,
    title: 'This server does not answer to that host name.',
    detail: 'Set KEELSON_ALLOWED_HOSTS, or KEELSON_PREVIEW_DOMAIN for previews.',
  },
  tooMany: {
    code: 'too_many',
    status: 503,
    title: 'Too many connections to this preview.',
    detail: 'Close some of its pages, then load it again.',
    retryAfterSeconds: 2,
  },
  slow: {
    code: 'slow',
    status: 504,
    title: 'The service does not answer.',
    detail: 'It took the request and sent nothing in time. Its log in the Preview tab may say why.',
  },
  noHttp: {
    code: 'no_http',
    status: 502,
    title: 'The service gave no HTTP answer.',
    detail: 'It closed the connection, or what it sent is not HTTP. Its log in the Preview tab may say why.',
  },
  malformed: { code: 'malformed', status: 400, title: 'This is no address of a page.', detail: '' },
} as const satisfies Record<string, PreviewFault>

/** For a service that is not running any more; `log` is the end of its output. */
export function endedFault({ exitCode, reason, state }: ServiceRow, log: string): PreviewFault {
  const how =
    state === 'stopped' ? 'It was stopped.' : exitCode === null ? 'It ended.' : `It ended with exit code ${exitCode}.`
  return {
    code: 'ended',
    status: 410,
    title: 'The service has ended.',
    detail: `${how} ${reason ?? ''} Start it again from the Preview tab.`,
    log,
  }
}

/** For a service that runs and does not listen yet: the page asks again each second. */
export function startingFault({ wantedPort }: ServiceRow, log: string): PreviewFault {
  const port = wantedPort === null ? 'on a port' : `on port ${wantedPort}`
  return {
    code: 'not_listening',
    status: 503,
    title: 'The service does not listen yet.',
    detail: `This page loads again by itself until it listens ${port}.`,
    log,
    retryAfterSeconds: 1,
  }
}

/** For an answer that would lead the browser from the preview to Keelson itself. */
export function redirectFault(location: string): PreviewFault {
  return {
    code: 'redirect_refused',
    status: 502,
    title: 'The service sends this page to Keelson itself.',
    detail: `Such a redirect is not followed: ${location.slice(0, 300)}`,
  }
}

/** What an error of ours is to the browser; what is no `AppError` is told without its message, which may hold anything. */
export function previewFaultOf(error: unknown): PreviewFault {
  if (error instanceof AppError && error.code === 'rate_limited') {
    return { code: 'rate_limited', status: 429, title: 'Too many wrong credentials.', detail: 'Wait a minute.' }
  }
  if (error instanceof AppError && error.code === 'store_unavailable') {
    const detail = 'This page loads again by itself.'
    return { code: 'unavailable', status: 503, title: 'Keelson’s database is away.', detail, retryAfterSeconds: 2 }
  }
  const detail = error instanceof AppError ? error.message : 'Keelson’s log says why.'
  return { code: 'unreachable', status: 502, title: 'The service cannot be reached.', detail, retryAfterSeconds: 2 }
}
