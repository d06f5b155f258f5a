/** Tokens of what is about to be sent, before the server has counted them. Pure; errs on the side of more. */

import { type ModelProfile, promptTokens } from '../../model/profiles.ts'
import type { Usage } from '../../shared/task.ts'
import { estimateTokens } from '../../shared/text/tokens.ts'
import { toolDefinitions } from '../../tools/registry.ts'
import { buildHistory } from '../history.ts'
import type { Lane } from '../lane.ts'
import { turnsToTell } from './turns-to-tell.ts'

/** What the service adds when there are tools. Source: Messages API, tool use pricing. */
const TOOL_PROMPT_TOKENS = 500

/** Tokens of a value as it stands in a request. */
export function tokensOf(value: unknown, profile: ModelProfile): number {
  return Math.ceil(estimateTokens(JSON.stringify(value)) * profile.tokenFactor)
}

/** Tokens of the static prefix: tools and system. */
export function staticTokens(lane: Pick<Lane, 'system' | 'tools' | 'profile'>): number {
  const { system, tools, profile } = lane
  return (
    tokensOf(system, profile) +
    (tools.length === 0 ? 0 : TOOL_PROMPT_TOKENS + tokensOf(toolDefinitions(tools), profile))
  )
}

/** Tokens of the lane's next request: the last one's as the server counted them, and what was added since. */
export function nextPromptTokens(
  lane: Pick<Lane, 'system' | 'tools' | 'profile' | 'opening' | 'earlier' | 'turns' | 'compaction'>,
): number {
  const { turns, profile, compaction } = lane
  const counted = turns.findLastIndex((turn) => turn.reply !== null && turn.turn >= (compaction?.turn ?? 0))
  const last = turns[counted]
  if (last && promptTokens(last.usage) > 0) return lengthAfter(last.usage) + added(lane, counted)
  const messages = buildHistory(turnsToTell(lane))
  return staticTokens(lane) + tokensOf(messages, profile)
}

function lengthAfter(usage: Usage): number {
  return promptTokens(usage) + usage.outputTokens
}

function added({ turns, profile }: Pick<Lane, 'turns' | 'profile'>, after: number): number {
  return turns.slice(after + 1).reduce((sum, turn) => sum + tokensOf(turn.userContent, profile), 0)
}
