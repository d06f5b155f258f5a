import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { z } from 'zod'
import type { Log } from '../logger.ts'
import { AppError, ERRORS } from '../shared/errors.ts'

/** Said when an error names no delay of its own. */
const DEFAULT_RETRY_AFTER_MS = 2_000

/** The contract's body of every error. */
export interface ErrorBody {
  readonly error: { code: string; message: string; retryable?: boolean; details?: Readonly<Record<string, unknown>> }
  readonly requestId: string
}

/**
 * The one place where an error becomes an HTTP answer. An {@link AppError} says itself what it is; anything else is a
 * defect: logged whole, answered as `internal` without a word about it.
 */
export function createOnError(log: Log) {
  return (error: unknown, c: Context): Response => {
    const known = toAppError(error)
    const requestId = requestIdOf(c)
    const path = c.req.routePath
    if (known === undefined) log.error({ err: error, requestId, path }, 'a request failed')
    else if (ERRORS[known.code].httpStatus >= 500) {
      log.warn({ code: known.code, err: known.cause, requestId, path }, 'a request could not be served')
    }
    return errorResponse(known ?? new AppError('internal', 'Something went wrong on the server.'), c)
  }
}

/** The request's id, which its log lines and its error answer carry. Pure. */
export function requestIdOf(c: Context): string {
  return (c as Context<{ Variables: { requestId?: string } }>).get('requestId') ?? 'none'
}

/** An error as the contract has it: `{error: {code, message, …}}` under its status, with `Retry-After` where it says when. */
export function errorResponse(error: AppError, c: Context): Response {
  const { httpStatus, retryable } = ERRORS[error.code]
  const body: ErrorBody = {
    error: {
      code: error.code,
      message: error.message,
      ...(retryable ? { retryable: true } : {}),
      ...(error.details === undefined ? {} : { details: error.details }),
    },
    requestId: requestIdOf(c),
  }
  if (httpStatus === 429 || httpStatus === 503) {
    c.header('retry-after', String(Math.max(1, Math.ceil((error.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS) / 1_000))))
  }
  c.header('cache-control', 'no-store')
  return c.json(body, httpStatus)
}

/** One problem for each field, named as in code: `{message: "must not be empty", "criteria[3].text": "…"}`. */
export function fieldProblems(error: z.ZodError): AppError {
  const details: Record<string, string> = {}
  for (const issue of error.issues) {
    const unknown = issue.code === 'unrecognized_keys' ? issue.keys : []
    const at = fieldName(issue.path)
    for (const key of unknown) details[at === '' ? key : `${at}.${key}`] = 'is not a known field'
    if (unknown.length === 0) details[at === '' ? 'body' : at] ??= issue.message
  }
  const [field, problem] = Object.entries(details)[0] ?? ['body', 'is not valid']
  return new AppError('bad_request', `${field}: ${problem}`, { details })
}

function fieldName(path: readonly PropertyKey[]): string {
  return path.reduce<string>((name, key) => {
    if (typeof key === 'number') return `${name}[${key}]`
    return name === '' ? String(key) : `${name}.${String(key)}`
  }, '')
}

function toAppError(error: unknown): AppError | undefined {
  // A source that has to be changed is the caller's to change, and the field of the request tells which one it is.
  if (error instanceof AppError && error.code === 'project_source_failed' && error.details?.['source'] !== undefined) {
    return new AppError('bad_request', error.message, { cause: error, details: error.details })
  }
  if (error instanceof AppError) return error
  if (error instanceof z.ZodError) return fieldProblems(error)
  if (error instanceof HTTPException && error.status < 500) return new AppError('bad_request', error.message)
  return undefined
}
