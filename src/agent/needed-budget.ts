/** What a turn and its call of the model need of the budget, before they are made. */

import type { JournalTurn } from '../db/turn/turns.ts'
import { promptTokens } from '../model/profiles.ts'
import type { BudgetNeed } from '../shared/budget.ts'
import { toolDefinitions } from '../tools/registry.ts'
import { upperCostUsd, upperTokens } from './budget.ts'
import { turnsToTell } from './compaction/turns-to-tell.ts'
import { buildHistory, toolResultsOf } from './history.ts'
import type { Lane } from './lane.ts'

/** What one more turn needs, by what is known before its messages are. */
export function needOfTurn(lane: Lane): BudgetNeed {
  const last = lane.turns.at(-1)
  const prompt = last ? promptAfter(lane, last) + upperTokens(lane.profile, toolResultsOf(last)) : 0
  return { usd: upperCostUsd(lane.profile, prompt, lane.profile.defaultMaxTokens), turns: 1 }
}

/** Whether the budget has no room for the call that is to be made now. A new turn's first was read for at its beginning. */
export async function isCallRefused(lane: Lane, call: { maxTokens: number; isRepeat: boolean }): Promise<boolean> {
  const { profile, turns } = lane
  const replied = turns.findLast((turn) => turn.reply !== null && turn.turn >= (lane.compaction?.turn ?? 0))
  const prompt = replied
    ? promptAfter(lane, replied) + upperTokens(profile, turns.at(-1)?.userContent ?? [])
    : upperTokens(profile, [lane.system, toolDefinitions(lane.tools), buildHistory(turnsToTell(lane))])
  const need = { usd: upperCostUsd(profile, prompt, call.maxTokens), turns: 0 } as const
  return await lane.budget.refuses(need, call.isRepeat ? undefined : 'same_reading')
}

/** Tokens of the history up to and with a reply: those that the model counted. */
function promptAfter(lane: Lane, turn: JournalTurn): number {
  const counted = promptTokens(turn.usage) + turn.usage.outputTokens
  // A server that counts nothing leaves the size to be guessed.
  return counted > 0 ? counted : upperTokens(lane.profile, buildHistory(turnsToTell(lane)))
}
