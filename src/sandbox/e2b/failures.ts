import { AppError, type ErrorCode } from '../../shared/errors.ts'

const BUSY_RETRY_MS = 5_000
const MAX_SAID = 300

/** Only its text crosses this file's border: the SDK's own error may hold the request, and with it the key. */
function said(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/e2b_[A-Za-z0-9]+/g, '[hidden]').slice(0, MAX_SAID)
}

/**
 * Turns a failure of the E2B SDK 2.51 into ours. What retries: `sandbox_unreachable`, `sandbox_busy`,
 * `sandbox_rate_limited`. What does not: `sandbox_gone`, `sandbox_auth_failed`, `sandbox_bad_request`,
 * `sandbox_unavailable`. The SDK's classes are told apart by name, since it is loaded only when it is needed.
 */
export function toSandboxError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const make = (code: ErrorCode, message: string, retryAfterMs?: number) =>
    new AppError(code, message, retryAfterMs === undefined ? {} : { retryAfterMs })
  switch (error instanceof Error ? error.name : '') {
    case 'AuthenticationError':
      return make('sandbox_auth_failed', AUTH_FAILED)
    case 'SandboxNotFoundError':
      return goneError()
    case 'RateLimitError':
      return make('sandbox_rate_limited', 'E2B limits the requests of this key; it is tried again.', BUSY_RETRY_MS)
    case 'ServiceBusyError':
      return make('sandbox_busy', 'E2B is busy; it is tried again.', BUSY_RETRY_MS)
    case 'NotEnoughSpaceError':
      return make('sandbox_bad_request', 'The disk of the sandbox is full.')
    case 'NotFoundError':
    case 'FileNotFoundError':
    case 'InvalidArgumentError':
      return make('sandbox_bad_request', `E2B refused the request: ${said(error)}`)
    case 'TemplateError':
      return make('sandbox_unavailable', `The E2B template cannot be used: ${said(error)}`)
    case 'SandboxError':
      return fromStatus(statusOf(error), said(error))
    default:
      return make('sandbox_unreachable', `E2B cannot be reached: ${said(error)}`)
  }
}

const AUTH_FAILED =
  'E2B refused the API key. Set E2B_API_KEY to a valid key (e2b.dev/dashboard, API Keys), restart the server and the worker, and send the message again.'

/** The VM does not exist any more. `recoverable`: another attempt may find a new one, made from the last checkpoint. */
export function goneError(): AppError {
  const message = 'The E2B sandbox does not exist any more; the next task makes a new one from the last checkpoint.'
  return new AppError('sandbox_gone', message, { details: { recoverable: true } })
}

function statusOf(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  return typeof status === 'number' ? status : 0
}

function fromStatus(status: number, text: string): AppError {
  if (status === 403) return new AppError('sandbox_auth_failed', `${AUTH_FAILED} It said: ${text}`)
  if (status >= 400 && status < 500) return new AppError('sandbox_unavailable', `E2B refused the request: ${text}`)
  return new AppError('sandbox_unreachable', `E2B cannot be reached: ${text}`)
}
