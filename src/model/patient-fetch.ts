import { Agent, fetch as undiciFetch } from 'undici'

/** The built-in fetch gives up on headers and on silence after five minutes; who calls here has limits of its own. */
const PATIENT = new Agent({ headersTimeout: 0, bodyTimeout: 0 })

/**
 * `fetch` that waits for an answer as long as it takes: to be ended by its signal. Takes the method, headers, text body,
 * signal and treatment of redirects of `init`, and throws what `fetch` throws.
 */
export async function patientFetch(url: string | URL, init: RequestInit = {}): Promise<Response> {
  const { method = 'GET', headers, body, signal, redirect } = init
  return await undiciFetch(url, {
    method,
    headers: [...new Headers(headers)],
    ...(typeof body === 'string' ? { body } : {}),
    ...(signal ? { signal } : {}),
    ...(redirect ? { redirect } : {}),
    dispatcher: PATIENT,
  })
}
