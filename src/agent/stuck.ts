import { createHash } from 'node:crypto'
import type { JournalTurn } from '../db/journal.ts'

const NUDGE_AFTER = 3
const STOP_AFTER = 5

export const STUCK_NOTE =
  'Notice: you have made the same tool call with the same result several times. Do something different, or end with what you know.'

/**
 * Whether the newest turns repeat one another: the same calls, the same inputs, the same results. Three in a row earn a
 * note, five end the work. Pure.
 */
export function judgeProgress(turns: readonly JournalTurn[]): 'fine' | 'nudge' | 'stuck' {
  const newest = turns.at(-1)
  if (!newest || newest.toolCalls.length === 0) return 'fine'
  const signature = signatureOf(newest)
  let repeats = 0
  for (let i = turns.length - 1; i >= 0 && repeats < STOP_AFTER; i--) {
    const turn = turns[i]
    if (!turn || signatureOf(turn) !== signature) break
    repeats += 1
  }
  if (repeats >= STOP_AFTER) return 'stuck'
  return repeats === NUDGE_AFTER ? 'nudge' : 'fine'
}

function signatureOf(turn: JournalTurn): string {
  const hash = createHash('sha256')
  for (const call of turn.toolCalls) hash.update(JSON.stringify([call.name, call.input, call.result]))
  return hash.digest('hex')
}
