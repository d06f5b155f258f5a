/** A server may ask for more; waiting longer than this is better done by asking again. */
const MAX_RETRY_AFTER_MS = 60_000

/**
 * The wait that an answer asks for, in milliseconds, 0 to {@link MAX_RETRY_AFTER_MS}: `retry-after-ms`, else
 * `retry-after` as seconds or as an HTTP date. Undefined when neither can be read. Source: RFC 9110 section 10.2.3.
 */
export function retryAfterMsOf(headers: Headers, now: number): number | undefined {
  const exact = Number.parseFloat(headers.get('retry-after-ms') ?? '')
  if (Number.isFinite(exact)) return clampWait(exact)
  const value = headers.get('retry-after')?.trim() ?? ''
  if (value === '') return undefined
  if (/^[-+]?\d+(\.\d+)?$/.test(value)) return clampWait(Number(value) * 1000)
  // The engine reads nearly anything with a number in it as a date.
  const date = HTTP_DATE.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(date) ? undefined : clampWait(date - now)
}

/** The three forms of an HTTP date, and the one of ISO 8601, which servers send too. */
const HTTP_DATE = /^(?:[A-Z][a-z]{2,8},? .*\d{2}:\d{2}:\d{2}|\d{4}-\d{2}-\d{2}T\d{2}:\d{2})/

function clampWait(waitMs: number): number {
  return Math.round(Math.min(MAX_RETRY_AFTER_MS, Math.max(0, waitMs)))
}
