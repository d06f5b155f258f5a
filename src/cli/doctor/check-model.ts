import { limitTime } from '../../shared/time-limit.ts'
import { type Diagnosis, fail, lineOf, ok, warn } from './diagnosis.ts'

const TIMEOUT_MS = 10_000
const REFUSED = new Set([401, 403])

/** The server that models are asked at, and what it is asked with. */
export interface ModelServer {
  readonly kind: 'anthropic' | 'scripted'
  readonly baseUrl?: string
  readonly apiKey?: string
}

/** Asks the model's server for its list, which costs nothing. The key stands in no answer. */
export async function checkModel({ kind, baseUrl, apiKey }: ModelServer): Promise<Diagnosis> {
  if (kind === 'scripted' || baseUrl === undefined) {
    return warn('model', 'no key: a scripted demonstration answers in place of Claude', 'set ANTHROPIC_API_KEY')
  }
  const named = apiKey === undefined ? `no key, ${baseUrl}` : `a key is set, ${baseUrl}`
  const limit = limitTime(TIMEOUT_MS)
  try {
    const response = await fetch(`${baseUrl.replace(/\/+$/, '')}/v1/models?limit=1`, {
      headers: {
        'anthropic-version': '2023-06-01',
        ...(apiKey === undefined ? {} : { 'x-api-key': apiKey, authorization: `Bearer ${apiKey}` }),
      },
      redirect: 'manual',
      signal: limit.signal,
    })
    await response.body?.cancel()
    if (response.ok) return ok('model', `${named} answers`)
    if (REFUSED.has(response.status)) {
      return fail(
        'model',
        `${named} refuses the key (${response.status})`,
        'set ANTHROPIC_API_KEY to one that is good there',
      )
    }
    const fix = 'look at ANTHROPIC_BASE_URL; servers without a list of models work all the same'
    return warn('model', `${named} answers with status ${response.status}`, fix)
  } catch (error) {
    return fail('model', `${named} does not answer (${lineOf(error)})`, 'look at ANTHROPIC_BASE_URL and the network')
  } finally {
    limit.release()
  }
}
