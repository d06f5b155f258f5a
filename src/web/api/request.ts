import { ApiFault, faultFrom } from './fault.ts'

/** No answer within this time counts as none: a proxy that swallowed it, a machine that slept. */
const TIMEOUT_MS = 30_000

/**
 * What a call says beside its path: GET without a body unless given, `body` goes out as JSON, `signal` ends it early.
 */
export interface RequestOptions {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
}

let onSignedOut: () => void = () => {}

/** Calls back whenever an answer says that this browser is not signed in. One listener; the newest counts. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener
}

/** One call, answered with JSON. Throws `ApiFault`, and the abort's own error when `signal` ends it. */
export async function request<Answer>(
  path: string,
  options: RequestOptions = {},
  timeoutMs = TIMEOUT_MS,
): Promise<Answer> {
  const response = await send(path, options, timeoutMs)
  if (response.status === 204) return undefined as Answer
  try {
    return (await response.json()) as Answer
  } catch {
    throw new ApiFault('bad_answer', 'The server answered with something else than JSON.', { status: response.status })
  }
}

/** One call whose answer's body the caller reads. Throws like {@link request}. */
export async function send(path: string, options: RequestOptions = {}, timeoutMs = TIMEOUT_MS): Promise<Response> {
  const { method = 'GET', body, headers = {}, signal } = options
  const limit = new AbortController()
  const timer = setTimeout(() => limit.abort(), timeoutMs)
  // Holds the caller's signal only as long as the answer is read: that signal may live as long as the page.
  const either = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal])
  try {
    const response = await fetch(path, {
      method,
      signal: either,
      credentials: 'same-origin',
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (response.ok) return response
    if (response.status === 401) onSignedOut()
    throw await faultFrom(response)
  } catch (error) {
    if (error instanceof ApiFault) throw error
    if (signal?.aborted) throw signal.reason
    throw new ApiFault('offline', 'The server does not answer at the moment.', { isRetryable: true })
  } finally {
    clearTimeout(timer)
  }
}

/** `?a=1&b=2` from what is defined. */
export function queryString(values: Readonly<Record<string, string | number | undefined>>): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) if (value !== undefined) search.set(name, String(value))
  const text = search.toString()
  return text === '' ? '' : `?${text}`
}
