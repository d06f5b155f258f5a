import type { JournalTurn } from '../../db/journal.ts'
import type { Lane } from '../lane.ts'
import { withoutThinking } from '../made-valid.ts'

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
