/**
 * A call that did not give what was asked for. `code` is the server's, or `offline` when no answer came (the network, a
 * server that is starting again), or `bad_answer` when something else than Keelson answered.
 */
export class ApiFault extends Error {
  readonly code: string
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number
  readonly isRetryable: boolean
  readonly details: Readonly<Record<string, unknown>>
  readonly retryAfterMs: number | undefined

  constructor(
    code: string,
    message: string,
    options: {
      status?: number
      isRetryable?: boolean
      details?: Readonly<Record<string, unknown>>
      retryAfterMs?: number | undefined
    } = {},
  ) {
    super(message)
    this.name = 'ApiFault'
    this.code = code
    this.status = options.status ?? 0
    this.isRetryable = options.isRetryable ?? false
    this.details = options.details ?? {}
    this.retryAfterMs = options.retryAfterMs
  }
}

/** Any thrown value as a fault with a sentence to show. */
export function faultOf(error: unknown): ApiFault {
  if (error instanceof ApiFault) return error
  const message = error instanceof Error ? error.message : String(error)
  return new ApiFault('page_fault', message || 'Something went wrong in the page.')
}

interface Envelope {
  readonly error?: { code?: unknown; message?: unknown; retryable?: unknown; details?: unknown }
}

/** Reads the error envelope of an answer that is not ok. Never throws. */
export async function faultFrom(response: Response): Promise<ApiFault> {
  const envelope = (await response.json().catch(() => null)) as Envelope | null
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  const retryAfterMs = Number.isFinite(seconds) ? seconds * 1_000 : undefined
  const { code, message, retryable, details } = envelope?.error ?? {}
  if (typeof code !== 'string' || typeof message !== 'string') {
    const isGateway = response.status >= 502 && response.status <= 504
    return new ApiFault(
      isGateway ? 'offline' : 'bad_answer',
      isGateway
        ? 'The server does not answer at the moment.'
        : `The server answered ${response.status} without a reason.`,
      { status: response.status, isRetryable: isGateway, retryAfterMs },
    )
  }
  return new ApiFault(code, message, {
    status: response.status,
    isRetryable: retryable === true,
    retryAfterMs,
    details: typeof details === 'object' && details !== null ? (details as Record<string, unknown>) : {},
  })
}

/** What a person is told whose save met a newer version (`version_conflict`). */
export const STALE_SAVE = 'Somebody saved a newer version meanwhile. Load it, then make your change again.'
