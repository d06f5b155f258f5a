/**
 * The one table of error codes. Every failure that crosses a boundary (HTTP answer, activity failure, task reason)
 * carries one of these codes; a code without a status and a retry rule does not compile.
 */

interface ErrorRule {
  /** Status of the HTTP answer when the error reaches the server's `onError`. */
  readonly httpStatus: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 428 | 429 | 500 | 502 | 503
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean
}

/** Every error code with its HTTP status and whether the same call may do better later. The one place for codes. */
export const ERRORS = {
  bad_request: { httpStatus: 400, retryable: false },
  invalid_json: { httpStatus: 400, retryable: false },
  unauthorized: { httpStatus: 401, retryable: false },
  forbidden_host: { httpStatus: 403, retryable: false },
  forbidden_origin: { httpStatus: 403, retryable: false },
  not_found: { httpStatus: 404, retryable: false },
  method_not_allowed: { httpStatus: 405, retryable: false },
  idempotency_mismatch: { httpStatus: 409, retryable: false },
  message_claimed: { httpStatus: 409, retryable: false },
  approval_over: { httpStatus: 409, retryable: false },
  task_over: { httpStatus: 409, retryable: false },
  task_running: { httpStatus: 409, retryable: false },
  restore_running: { httpStatus: 409, retryable: true },
  no_changes: { httpStatus: 409, retryable: false },
  no_git_source: { httpStatus: 409, retryable: false },
  already_decided: { httpStatus: 409, retryable: false },
  checkpoint_gone: { httpStatus: 409, retryable: false },
  comparison_limit: { httpStatus: 409, retryable: false },
  is_alternative: { httpStatus: 409, retryable: false },
  files_moved_on: { httpStatus: 409, retryable: false },
  task_undone: { httpStatus: 409, retryable: false },
  publish_denied: { httpStatus: 409, retryable: false },
  publish_running: { httpStatus: 409, retryable: false },
  branch_moved: { httpStatus: 409, retryable: false },
  branch_taken: { httpStatus: 409, retryable: false },
  branch_protected: { httpStatus: 409, retryable: false },
  workflow_files: { httpStatus: 409, retryable: false },
  undo_conflict: { httpStatus: 409, retryable: false },
  sync_conflict: { httpStatus: 409, retryable: false },
  credential_unreadable: { httpStatus: 409, retryable: false },
  service_limit: { httpStatus: 409, retryable: false },
  version_conflict: { httpStatus: 409, retryable: false },
  body_too_large: { httpStatus: 413, retryable: false },
  unsupported_media_type: { httpStatus: 415, retryable: false },
  precondition_required: { httpStatus: 428, retryable: false },
  rate_limited: { httpStatus: 429, retryable: true },
  internal: { httpStatus: 500, retryable: false },
  store_unavailable: { httpStatus: 503, retryable: true },

  lease_lost: { httpStatus: 500, retryable: false },
  journal_conflict: { httpStatus: 500, retryable: false },

  model_overloaded: { httpStatus: 503, retryable: true },
  model_rate_limited: { httpStatus: 503, retryable: true },
  model_unreachable: { httpStatus: 503, retryable: true },
  model_stalled: { httpStatus: 503, retryable: true },
  model_stream_broken: { httpStatus: 503, retryable: true },
  model_auth_failed: { httpStatus: 502, retryable: false },
  model_spend_limit: { httpStatus: 502, retryable: false },
  model_rejected: { httpStatus: 502, retryable: false },
  model_not_found: { httpStatus: 502, retryable: false },
  model_context_exceeded: { httpStatus: 502, retryable: false },
  model_calls_as_text: { httpStatus: 502, retryable: false },
  model_invalid_calls: { httpStatus: 502, retryable: false },
  model_output_exceeded: { httpStatus: 502, retryable: false },

  sandbox_unavailable: { httpStatus: 503, retryable: false },
  sandbox_unreachable: { httpStatus: 503, retryable: true },
  sandbox_busy: { httpStatus: 503, retryable: true },
  sandbox_rate_limited: { httpStatus: 503, retryable: true },
  sandbox_gone: { httpStatus: 502, retryable: false },
  sandbox_auth_failed: { httpStatus: 502, retryable: false },
  sandbox_bad_request: { httpStatus: 400, retryable: false },
  git_unreachable: { httpStatus: 503, retryable: true },
  git_refused: { httpStatus: 502, retryable: false },
  credential_missing: { httpStatus: 409, retryable: false },
  credential_refused: { httpStatus: 502, retryable: false },
  missing_scope: { httpStatus: 502, retryable: false },
  forge_unknown: { httpStatus: 409, retryable: false },
  forge_unreachable: { httpStatus: 503, retryable: true },
  forge_refused: { httpStatus: 502, retryable: false },
  project_source_failed: { httpStatus: 502, retryable: false },
} as const satisfies Record<string, ErrorRule>

/** One of the codes in {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS

/** What an error carries beside its code and sentence. */
export interface AppErrorOptions {
  readonly cause?: unknown
  /** Facts for the caller, never secrets: `{field: 'message'}` for malformed input. */
  readonly details?: Readonly<Record<string, unknown>>
  /** How long the other side asked us to wait before trying again, in milliseconds. */
  readonly retryAfterMs?: number
}

/**
 * The only error class of ours. `message` is a sentence for a person; whether a repeat makes sense is looked up in
 * {@link ERRORS}, never decided where the error is caught.
 */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>> | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.details = options.details
    this.retryAfterMs = options.retryAfterMs
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable
  }
}
