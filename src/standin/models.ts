/** `GET /v1/models`: the table of models in the service's shape. */

import { knownModels, profileFor } from '../model/profiles.ts'
import { WireError } from './wire.ts'

/** One model. Throws the 404 for an id outside the table. */
export function modelById(id: string): object {
  if (!knownModels().includes(id.replace(/-\d{8}$/, ''))) throw new WireError(404, 'not_found_error', `model: ${id}`)
  const profile = profileFor(id, { compat: false })
  return {
    type: 'model',
    id: profile.model,
    display_name: profile.displayName,
    created_at: '2026-01-01T00:00:00Z',
    max_input_tokens: profile.contextTokens,
    max_tokens: profile.maxOutputTokens,
    lifecycle: 'active',
  }
}

/** The answer to `GET /v1/models`: the table's models on one page. */
export function modelList(): object {
  const ids = knownModels()
  return {
    data: ids.map((id) => modelById(id)),
    has_more: false,
    first_id: ids[0] ?? null,
    last_id: ids.at(-1) ?? null,
  }
}
