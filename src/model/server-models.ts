import { limitTime } from '../shared/time-limit.ts'
import { limitsOfEntry, type ModelLimits } from './limits.ts'

const TIMEOUT_MS = 5_000
const MAX_BYTES = 2 * 1024 * 1024
const MAX_MODELS = 1_000
const MAX_NAME_CHARACTERS = 200

/** A model as its server lists it. */
export interface ListedModel {
  readonly id: string
  readonly limits: ModelLimits
}

/**
 * Asks a server for its models (`GET /v1/models`, one page of at most 1,000), bounded in bytes and by five seconds. null:
 * it gave no list that can be read, for whatever reason; many servers have none. Safe to repeat.
 */
export async function listServerModels(server: {
  readonly baseUrl: string
  readonly apiKey: string | undefined
}): Promise<readonly ListedModel[] | null> {
  const limit = limitTime(TIMEOUT_MS)
  try {
    const url = `${server.baseUrl.replace(/\/+$/, '')}/v1/models`
    const { apiKey } = server
    const headers = {
      'anthropic-version': '2023-06-01',
      ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}`, 'x-api-key': apiKey }),
    }
    const response = await fetch(url, { headers, signal: limit.signal, redirect: 'error' })
    if (!response.ok || response.body === null) return null
    return entriesOf(JSON.parse(await boundedText(response.body)))
  } catch {
    // The list is a help where there is one: a call's own failure is what people are told.
    return null
  } finally {
    limit.release()
  }
}

async function boundedText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body) {
    sizeBytes += chunk.length
    if (sizeBytes > MAX_BYTES) throw new Error('the list of models is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function entriesOf(body: unknown): readonly ListedModel[] | null {
  if (typeof body !== 'object' || body === null) return null
  const list = 'data' in body ? body.data : 'models' in body ? body.models : undefined
  if (!Array.isArray(list)) return null
  return list.slice(0, MAX_MODELS).flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) return []
    const id = 'id' in entry ? entry.id : 'name' in entry ? entry.name : undefined
    if (typeof id !== 'string' || id === '' || id.length > MAX_NAME_CHARACTERS) return []
    return [{ id, limits: limitsOfEntry(entry) }]
  })
}
