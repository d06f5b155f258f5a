/** The Messages protocol as the scripted server reads it: only what it looks at, after `validate.ts` has accepted it. */

interface WireCacheControl {
  readonly type: 'ephemeral'
  readonly ttl?: '5m' | '1h'
}

/** A block as it stands in a request's JSON, before its type is looked at. */
export type WireBlock = {
  readonly type: string
  readonly cache_control?: WireCacheControl
  readonly text?: string
  readonly id?: string
  readonly name?: string
  readonly input?: unknown
  readonly tool_use_id?: string
  readonly content?: string | readonly WireBlock[]
  readonly is_error?: boolean
  readonly thinking?: string
  readonly signature?: string
  readonly data?: string
}

/** A message as it stands in a request's JSON; a text stands for one block of text. */
export interface WireMessage {
  readonly role: 'user' | 'assistant' | 'system'
  readonly content: string | readonly WireBlock[]
}

interface WireTool {
  readonly name: string
  readonly description?: string
  readonly input_schema: { readonly type: 'object' }
  readonly cache_control?: WireCacheControl
}

/** A request's JSON after {@link validateRequest} looked at it. */
export interface WireRequest {
  readonly model: string
  readonly max_tokens: number
  readonly messages: readonly WireMessage[]
  readonly system?: string | readonly WireBlock[]
  readonly tools?: readonly WireTool[]
  readonly metadata?: { readonly user_id?: string }
  readonly stream?: boolean
  readonly cache_control?: WireCacheControl
  readonly thinking?: { readonly type: string }
  readonly output_config?: { readonly effort?: string }
}

/** The content of a message as blocks, whichever of the two forms it was sent in. */
export function blocksOf(content: string | readonly WireBlock[]): readonly WireBlock[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content
}

/** A failure in the protocol's words; the server turns it into the HTTP answer. */
export class WireError extends Error {
  readonly status: number
  readonly type: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, type: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.name = 'WireError'
    this.status = status
    this.type = type
    this.headers = headers
  }
}

/** The 400 that the real service gives for a request it will not take. */
export function invalid(message: string): WireError {
  return new WireError(400, 'invalid_request_error', message)
}
