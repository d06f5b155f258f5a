/**
 * What the agent asks of a model and what it gets back, in the Messages API's own words. One implementation speaks to
 * Anthropic (or a server with the same protocol); the scripted server stands behind the same HTTP, not behind this type.
 */

import type { ErrorCode } from '../shared/errors.ts'
import type { Usage } from '../shared/task.ts'

/** Words. Text of nothing but blanks may not be sent. */
export interface TextBlock {
  readonly type: 'text'
  readonly text: string
}

/** The one field of a tool input that the model wrote as no JSON object; holds what it wrote, cut. */
export const INVALID_INPUT = 'invalid_json'

/** A call of a tool. Each id stands once in a conversation; the next user message must answer it. */
export interface ToolUseBlock {
  readonly type: 'tool_use'
  readonly id: string
  readonly name: string
  readonly input: unknown
}

/**
 * The model's thinking, signed for the very prefix that it was made behind; any other prefix makes the server refuse
 * it.
 */
export interface ThinkingBlock {
  readonly type: 'thinking'
  readonly thinking: string
  readonly signature: string
}

/** Thinking that only the server can read. Bound to its prefix as {@link ThinkingBlock} is. */
export interface RedactedThinkingBlock {
  readonly type: 'redacted_thinking'
  readonly data: string
}

/** The answer to one call of the message before; results stand before texts. */
export interface ToolResultBlock {
  readonly type: 'tool_result'
  readonly tool_use_id: string
  readonly content: string
  readonly is_error?: boolean
}

/** What a reply is made of. */
export type AssistantBlock = TextBlock | ToolUseBlock | ThinkingBlock | RedactedThinkingBlock
/** What a user message is made of. */
export type UserBlock = TextBlock | ToolResultBlock

/** One message of the history; blocks in the order in which they were first sent or received, never edited. */
export type HistoryMessage =
  | { readonly role: 'user'; readonly content: readonly UserBlock[] }
  | { readonly role: 'assistant'; readonly content: readonly AssistantBlock[] }

/** A tool as the model is told of it; `input_schema` is JSON Schema. */
export interface ToolDefinition {
  readonly name: string
  readonly description: string
  readonly input_schema: { readonly type: 'object'; readonly [key: string]: unknown }
}

/** One call. What it holds must be valid: roles alternate, calls are answered, texts are well-formed. */
export interface ModelRequest {
  readonly model: string
  /** The static prefix: one string per block; the cache breakpoint goes after the last one. */
  readonly system: readonly string[]
  readonly tools: readonly ToolDefinition[]
  readonly messages: readonly HistoryMessage[]
  /** Index of a user message at which an earlier request ended, so that the cache knows everything up to there. */
  readonly anchor?: number
  readonly maxTokens: number
  /** Sent as `metadata.user_id`, an opaque id without meaning to people. */
  readonly taskId: string
}

/** Why a reply ended. `unknown`: a word that this version does not know, taken for an end. */
export type StopReason =
  | 'end_turn'
  | 'stop_sequence'
  | 'tool_use'
  | 'max_tokens'
  | 'pause_turn'
  | 'refusal'
  | 'model_context_window_exceeded'
  | 'unknown'

/**
 * A whole reply. `content` holds only what may go back into the history and what may run: a tool call stands in it only
 * when its input arrived whole, is a JSON object, and the reply ended by the model's own will. Keys of an input keep the
 * order in which they were streamed. `content` may be empty: such a reply is never stored.
 */
export interface ModelReply {
  readonly content: readonly AssistantBlock[]
  readonly stopReason: StopReason
  /** For a refusal its category and explanation, for `stop_sequence` the sequence, for `unknown` what the server said. */
  readonly stopDetail: string | null
  /**
   * Set when the reply was cut (`max_tokens`, context window, refusal): what stood last. `tool_use` also when any tool
   * call was dropped from `content`; such a reply is thrown away and asked for again with more room.
   */
  readonly truncated?: 'text' | 'thinking' | 'tool_use'
  readonly usage: Usage
  /** null when the model's price is not known. */
  readonly costUsd: number | null
  /** The id that the server named, which may be the dated form of the one that was asked for. */
  readonly model: string
  /** The server's name for the call, for support requests and logs. */
  readonly requestId?: string
  /** From the call's start to the first piece of content. */
  readonly firstTokenMs: number | null
  readonly durationMs: number
}

/** What arrives while a reply streams. `index` is the block's place in the content of the reply that comes whole. */
export type ModelDelta =
  | {
      readonly type: 'block_start'
      readonly index: number
      readonly block: 'text' | 'thinking' | 'tool_use'
      readonly toolUseId?: string
      readonly toolName?: string
    }
  | { readonly type: 'text' | 'thinking' | 'tool_input'; readonly index: number; readonly delta: string }

/** How a call is followed. `onDelta` must not throw. */
export interface StreamOptions {
  readonly signal: AbortSignal
  onDelta(delta: ModelDelta): void
  /** Called on every byte that arrives, pings included: proof of life for heartbeats. */
  onActivity?(): void
  /** Called once when the call has to wait because the model is away; a rejection ends the call with that error. */
  onWaiting?(wait: ModelWait): Promise<void>
  /**
   * Called while a server of one's own is silent: after ten seconds before the reply, after thirty within it, then ever more
   * rarely, at last once a minute. Must not throw.
   */
  onReading?(reading: ModelReading): void
  /** Called once when a call ends without a reply after it had begun to stream, whatever ended it. Must not throw. */
  onSpent?(spent: SpentCall): void
}

/** A call whose server says nothing: how long that lasts, how long it is waited for, and whether the reply has begun. */
export interface ModelReading {
  readonly waitedMs: number
  readonly limitMs: number
  readonly waitsFor: 'prompt' | 'reply'
}

/** Why a call waits: the code of the last of `failures` in a row. The next trial is made in `delayMs`, by one of `waiting`. */
export interface ModelWait {
  readonly code: ErrorCode
  readonly failures: number
  readonly waiting: number
  readonly delayMs: number
}

/** What a call was charged for that brought no reply. */
export interface SpentCall {
  readonly usage: Usage
  /** The output was estimated from what was streamed, since its count never came. */
  readonly isEstimated: boolean
  /** null when the model's price is not known. */
  readonly costUsd: number | null
}

/** A model server, whoever runs it. */
export interface Model {
  /**
   * Streams one reply. Throws `AppError` with a `model_*` code (see failures.ts); on abort rethrows `signal.reason`.
   * Never retries by itself, never resolves with a cut-off reply.
   */
  stream(request: ModelRequest, options: StreamOptions): Promise<ModelReply>
  readonly kind: 'anthropic' | 'scripted'
}
