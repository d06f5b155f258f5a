import type { JournalTurn } from '../db/turn/turns.ts'
import type { ModelReply } from '../model/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { findTool } from '../tools/registry.ts'
import type { Lane } from './lane.ts'
import { partIdOf, partsOf } from './reply-stream.ts'

/**
 * Stores a whole reply with its tool calls, the first of which is started with it where it changes something. Gives the
 * turn as the journal has it now. Throws `lease_lost`, `store_unavailable`; twice stores once.
 */
export async function journalReply(
  lane: Lane,
  turn: JournalTurn,
  attempt: number,
  reply: ModelReply,
): Promise<JournalTurn> {
  // What was said before a refusal is discarded: it may not be shown to the model again.
  const content = reply.stopReason === 'refusal' ? [] : reply.content
  const calls = content.flatMap((block, index) =>
    block.type === 'tool_use'
      ? [
          {
            toolUseId: block.id,
            partId: partIdOf({ messageId: turn.messageId, attempt }, index),
            name: block.name,
            input: block.input,
          },
        ]
      : [],
  )
  hitCrashPoint('reply.before_store')
  const store = {
    turn: turn.turn,
    lane: lane.name,
    messageId: turn.messageId,
    reply: { ...reply, content },
    parts: partsOf({ messageId: turn.messageId, attempt }, content),
    calls,
  }
  await lane.journal.storeReply(store, startsAtOnce(lane, calls[0]))
  return {
    ...turn,
    reply: content,
    stopReason: reply.stopReason,
    usage: reply.usage,
    costUsd: reply.costUsd,
    firstTokenMs: reply.firstTokenMs === null ? null : Math.round(reply.firstTokenMs),
    durationMs: Math.round(reply.durationMs),
    toolCalls: calls.map((call) => ({
      toolUseId: call.toolUseId,
      lane: lane.name,
      turn: turn.turn,
      name: call.name,
      input: JSON.stringify(call.input),
      status: 'requested' as const,
      effect: null,
      result: null,
      isError: false,
      startedAt: null,
    })),
  }
}

/** Whether a reply's first call is one that announces what it does, which goes with the reply. */
function startsAtOnce(lane: Lane, first: { readonly name: string } | undefined): boolean {
  return first !== undefined && findTool(lane.tools, first.name)?.readOnly === false
}
