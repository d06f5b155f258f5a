/**
 * The server's back door for tests and benchmarks, under `/_keelson/`, JSON in and out:
 * `GET health` · `GET journal` and `DELETE` it · `GET bodies` · `GET faults`, `POST` a list of them, `DELETE` all ·
 * `GET cache` · `GET pace`, `POST` `{ttftMs?, tokensPerSecond?, jitter?}`.
 */

import { z } from 'zod'
import type { CacheAccountant } from './cache.ts'
import { type FaultList, FaultSchema } from './faults.ts'
import type { Pace } from './pacing.ts'
import type { RequestJournal } from './request-journal.ts'
import { invalid, WireError } from './wire.ts'

/** What the back door of a scripted server reads and changes. */
export interface AdminState {
  pace: Pace
  readonly faults: FaultList
  readonly journal: RequestJournal
  readonly cache: CacheAccountant
  setPace(changes: Partial<Pace>): void
}

const PaceSchema = z.strictObject({
  ttftMs: z.number().min(0).max(600_000).optional(),
  tokensPerSecond: z.number().min(0).optional(),
  jitter: z.number().min(0).max(1).optional(),
})

/** Answers one admin call with what is to be sent as JSON; throws `WireError` for what it does not know. */
export function handleAdmin(state: AdminState, method: string, pathname: string, body: string): unknown {
  switch (`${method} ${pathname.slice('/_keelson/'.length)}`) {
    case 'GET health':
      return { ok: true }
    case 'GET journal':
      return { items: state.journal.entries() }
    case 'DELETE journal':
      state.journal.reset()
      return { items: [] }
    case 'GET bodies':
      return { items: state.journal.bodies() }
    case 'POST faults':
      state.faults.arm(parse(z.array(FaultSchema), body))
      return { items: state.faults.list() }
    case 'DELETE faults':
      state.faults.clear()
      return { items: [] }
    case 'GET faults':
      return { items: state.faults.list() }
    case 'GET cache':
      return state.cache.stats()
    case 'POST pace':
      state.setPace(definedOnly(parse(PaceSchema, body)))
      return state.pace
    case 'GET pace':
      return state.pace
    default:
      throw new WireError(404, 'not_found_error', `Not found: ${method} ${pathname}`)
  }
}

function parse<T>(schema: z.ZodType<T>, body: string): T {
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    throw invalid('The request body is not valid JSON')
  }
  const parsed = schema.safeParse(json)
  if (!parsed.success) throw invalid(z.prettifyError(parsed.error))
  return parsed.data
}

function definedOnly(changes: z.infer<typeof PaceSchema>): Partial<Pace> {
  const { ttftMs, tokensPerSecond, jitter } = changes
  return {
    ...(ttftMs === undefined ? {} : { ttftMs }),
    ...(tokensPerSecond === undefined ? {} : { tokensPerSecond }),
    ...(jitter === undefined ? {} : { jitter }),
  }
}
