/**
 * From a `ModelRequest` to the body that is sent. The same history must give the same bytes every time: the cache works
 * on prefixes, and newer models check that earlier messages were not edited. Only the cache marks move.
 */

import type {
  MessageCreateParamsStreaming,
  MessageParam,
  TextBlockParam,
  Tool,
} from '@anthropic-ai/sdk/resources/messages'
import { plainTools } from './plain-schema.ts'
import type { ModelProfile } from './profiles.ts'
import type { HistoryMessage, ModelRequest } from './types.ts'

const EPHEMERAL = { type: 'ephemeral' } as const

/** A cached prefix is found at most this many blocks before a mark. Source: Messages API, prompt caching. */
const LOOKBACK_BLOCKS = 20

/**
 * The body for one call. Marks the static prefix (the last system block, or the last tool when there is none) and the
 * last block of the last user message; when one turn added so many blocks that the earlier mark lies out of reach, the
 * user message before it too; and the message at `anchor`. Those are four at most, which is what the service takes. A
 * `compat` profile gets model, max_tokens, system, messages, tools and stream only. Servers other than Anthropic's get
 * tools in their plain form, whatever the model is called.
 */
export function requestBody(request: ModelRequest, profile: ModelProfile): MessageCreateParamsStreaming {
  const system = request.system.filter((text) => text !== '')
  const tools = (profile.sendsWholeSchemas ? request.tools : plainTools(request.tools)) as unknown as Tool[]
  if (!profile.sendsCacheControl) return plainBody(request, system, tools)
  const messages = marked(request.messages, request.anchor)
  return {
    model: request.model,
    max_tokens: request.maxTokens,
    ...(tools.length === 0 ? {} : { tools: system.length === 0 ? markLast(tools) : tools }),
    ...(system.length === 0
      ? {}
      : { system: markLast(system.map((text): TextBlockParam => ({ type: 'text', text }))) }),
    messages,
    metadata: { user_id: request.taskId },
    ...(profile.thinking === 'adaptive' ? { thinking: { type: 'adaptive', display: 'summarized' } as const } : {}),
    ...(profile.effort === null ? {} : { output_config: { effort: profile.effort } }),
    stream: true,
  }
}

function plainBody(request: ModelRequest, system: readonly string[], tools: Tool[]): MessageCreateParamsStreaming {
  return {
    model: request.model,
    max_tokens: request.maxTokens,
    ...(tools.length === 0 ? {} : { tools }),
    ...(system.length === 0 ? {} : { system: system.join('\n\n') }),
    messages: request.messages as unknown as MessageParam[],
    stream: true,
  }
}

function markLast<T extends object>(items: readonly T[]): T[] {
  return items.map((item, index) => (index === items.length - 1 ? { ...item, cache_control: EPHEMERAL } : item))
}

function marked(history: readonly HistoryMessage[], anchor: number | undefined): MessageParam[] {
  const messages = history as unknown as MessageParam[]
  const last = lastUserIndex(history, history.length)
  if (last === -1) return messages
  const out = [...messages]
  if (anchor !== undefined && history[anchor]?.role === 'user') out[anchor] = markMessage(history[anchor])
  out[last] = markMessage(history[last])
  const before = lastUserIndex(history, last)
  if (before !== -1 && blocksBetween(history, before, last) >= LOOKBACK_BLOCKS)
    out[before] = markMessage(history[before])
  return out
}

function lastUserIndex(history: readonly HistoryMessage[], end: number): number {
  for (let index = end - 1; index >= 0; index--) if (history[index]?.role === 'user') return index
  return -1
}

function blocksBetween(history: readonly HistoryMessage[], after: number, through: number): number {
  let blocks = 0
  for (let index = after + 1; index <= through; index++) blocks += history[index]?.content.length ?? 0
  return blocks
}

function markMessage(message: HistoryMessage | undefined): MessageParam {
  return { ...message, content: markLast<object>(message?.content ?? []) } as unknown as MessageParam
}
