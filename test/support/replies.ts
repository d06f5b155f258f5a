import type { RequestedCall, StoreReply } from '../../src/db/turn/model-calls.ts'
import type { AssistantBlock, ModelReply } from '../../src/model/types.ts'

export function aReply(overrides: Partial<ModelReply> = {}): ModelReply {
  return {
    id: 'msg_wire',
    model: 'claude-haiku-4-5',
    content: [{ type: 'text', text: 'Done.' }],
    stopReason: 'end_turn',
    usage: { inputTokens: 10, outputTokens: 20, cacheReadTokens: 30, cacheWriteTokens: 40 },
    costUsd: 0.5,
    firstTokenMs: 12,
    durationMs: 34,
    ...overrides,
  } as ModelReply
}

/** What the loop stores for a reply that holds these blocks. */
export function aStoredReply(
  turn: { readonly turn: number; readonly messageId: string; readonly lane: StoreReply['lane'] },
  content: readonly AssistantBlock[] = [{ type: 'text', text: 'Done.' }],
  overrides: Partial<ModelReply> = {},
): StoreReply {
  const calls = content.flatMap((block, index): RequestedCall[] =>
    block.type === 'tool_use'
      ? [{ toolUseId: block.id, partId: `${turn.messageId}:${index}`, name: block.name, input: block.input }]
      : [],
  )
  const parts = content.flatMap((block, index) =>
    block.type === 'text' ? [{ partId: `${turn.messageId}:${index}`, type: 'text' as const, text: block.text }] : [],
  )
  const stopReason = calls.length > 0 ? 'tool_use' : 'end_turn'
  return {
    turn: turn.turn,
    lane: turn.lane,
    messageId: turn.messageId,
    reply: aReply({ content: [...content], stopReason, ...overrides }),
    parts,
    calls,
  }
}
