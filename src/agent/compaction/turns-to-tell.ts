import type { JournalTurn } from '../../db/journal.ts'
import type { AssistantBlock } from '../../model/types.ts'
import type { Lane } from '../lane.ts'

/**
 * The turns that the model is told, oldest first: all there are, or since a compaction its text, the reply that it keeps
 * and what came after. The journal itself is never edited. Pure.
 */
export function turnsToTell({
  earlier,
  turns,
  compaction,
}: Pick<Lane, 'earlier' | 'turns' | 'compaction'>): JournalTurn[] {
  const [first] = turns
  if (compaction === null || first === undefined) return [...earlier, ...turns]
  const kept = turns.find((turn) => turn.turn === compaction.throughTurn)
  const told: JournalTurn = {
    ...(kept ?? first),
    turn: compaction.throughTurn,
    userContent: [{ type: 'text', text: compaction.text }],
    reply: kept ? withoutThinking(kept.reply ?? []) : null,
    toolCalls: kept?.toolCalls ?? [],
  }
  return [told, ...turns.filter((turn) => turn.turn > compaction.throughTurn)]
}

/** A thinking block is signed for what stood before it and refused behind anything else. */
function withoutThinking(blocks: readonly AssistantBlock[]): AssistantBlock[] {
  return blocks.filter((block) => block.type !== 'thinking' && block.type !== 'redacted_thinking')
}
