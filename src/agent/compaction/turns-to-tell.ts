import type { JournalTurn } from '../../db/turn/turns.ts'
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
  opening,
}: Pick<Lane, 'earlier' | 'turns' | 'compaction' | 'opening'>): JournalTurn[] {
  const [first, ...later] = turns
  if (first === undefined) return [...earlier]
  if (compaction === null) return [...earlier, opened(first, opening?.first), ...later]
  const kept = turns.find((turn) => turn.turn === compaction.throughTurn)
  const told: JournalTurn = {
    ...(kept ?? first),
    turn: compaction.throughTurn,
    userContent: [{ type: 'text', text: compaction.text }],
    reply: kept ? withoutThinking(kept.reply ?? []) : null,
    toolCalls: kept?.toolCalls ?? [],
  }
  return [opened(told, opening?.compacted), ...turns.filter((turn) => turn.turn > compaction.throughTurn)]
}

function opened(turn: JournalTurn, opening: string | null | undefined): JournalTurn {
  return opening ? { ...turn, opening } : turn
}
