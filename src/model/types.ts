/**
 * What the agent asks of a model and what it gets back, in the Messages API's own words. One implementation speaks to
 * Anthropic (or a server with the same protocol); the scripted server stands behind the same HTTP, not behind this type.
 */

import type { Usage } from '../shared/task.ts'

export interface TextBlock {
  readonly type: 'text'
  readonly text: string
}

export interface ToolUseBlock {
  readonly type: 'tool_use'
  readonly id: string
  readonly name: string
  readonly input: unknown
}

export interface ThinkingBlock {
  readonly type: 'thinking'
  readonly thinking: string
  readonly signature: string
}

export interface RedactedThinkingBlock {
  readonly type: 'redacted_thinking'
  readonly data: string
}

export interface ToolResultBlock {
  readonly type: 'tool_result'
  readonly tool_use_id: string
  readonly content: string
  readonly is_error?: boolean
}

export type AssistantBlock = TextBlock | ToolUseBlock | ThinkingBlock | RedactedThinkingBlock
export type UserBlock = TextBlock | ToolResultBlock

/** One message of the history; blocks in the order in which they were first sent or received, never edited. */
export type HistoryMessage =
  | { readonly role: 'user'; readonly content: readonly UserBlock[] }
  | { readonly role: 'assistant'; readonly content: readonly AssistantBlock[] }

export interface ToolDefinition {
  readonly name: string
  readonly description: string
  readonly input_schema: { readonly type: 'object'; readonly [key: string]: unknown }
}

export interface ModelRequest {
  readonly model: string
  /** The static prefix: one string per block; the cache breakpoint goes after the last one. */
  readonly system: readonly string[]
  readonly tools: readonly ToolDefinition[]
  readonly messages: readonly HistoryMessage[]
  readonly maxTokens: number
  /** Sent as `metadata.user_id`, an opaque id without meaning to people. */
  readonly taskId: string
}

export type StopReason =
  | 'end_turn'
  | 'stop_sequence'
  | 'tool_use'
  | 'max_tokens'
  | 'pause_turn'
  | 'refusal'
  | 'model_context_window_exceeded'
  | 'unknown'

/** A whole reply. `toolInputs` holds each call's input as the raw JSON text that was streamed, keys in their order. */
export interface ModelReply {
  readonly content: readonly AssistantBlock[]
  readonly stopReason: StopReason
  readonly stopDetail: string | null
  readonly usage: Usage
  /** null when the model's price is not known. */
  readonly costUsd: number | null
  readonly model: string
  readonly firstTokenMs: number | null
  readonly durationMs: number
}

/** What arrives while a reply streams. `index` is the content block's. */
export type ModelDelta =
  | { readonly type: 'block_start'; readonly index: number; readonly block: 'text' | 'thinking' | 'tool_use'; readonly toolUseId?: string; readonly toolName?: string }
  | { readonly type: 'text' | 'thinking' | 'tool_input'; readonly index: number; readonly delta: string }

export interface StreamOptions {
  readonly signal: AbortSignal
  onDelta(delta: ModelDelta): void
  /** Called on every byte that arrives, pings included: proof of life for heartbeats. */
  onActivity?(): void
}

export interface Model {
  /**
   * Streams one reply. Throws `AppError` with a `model_*` code (see failures.ts); on abort rethrows `signal.reason`.
   * Never retries by itself, never resolves with a cut-off reply.
   */
  stream(request: ModelRequest, options: StreamOptions): Promise<ModelReply>
  readonly kind: 'anthropic' | 'scripted'
}
