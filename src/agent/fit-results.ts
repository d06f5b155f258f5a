/** How much of a model's window the results of one reply's calls may take. */

import type { ModelProfile } from '../model/profiles.ts'
import type { UserBlock } from '../model/types.ts'
import { fitTexts } from './compaction/fit-texts.ts'

/** Of the mark for compaction: what stays beside them is the request and the work so far. */
const RESULTS_SHARE = 0.4
/** A character of a result in JSON is a little more than a quarter of a token. */
const CHARACTERS_PER_TOKEN = 3.5
/** One result is told at least so far, however small the window. */
const MIN_CHARACTERS = 400

/** Characters that the results of one reply may have together. */
export function resultCharacters(profile: Pick<ModelProfile, 'compactAtTokens' | 'tokenFactor'>): number {
  return Math.floor((profile.compactAtTokens * RESULTS_SHARE * CHARACTERS_PER_TOKEN) / profile.tokenFactor)
}

/** New results beside those that the reply's other calls have: the longest are cut in their middle, with a mark, until all fit. Pure. */
export function fitResults(
  results: readonly string[],
  at: { readonly profile: ModelProfile; readonly usedCharacters: number },
): string[] {
  const room = resultCharacters(at.profile) - at.usedCharacters
  return fitTexts(results, Math.max(room, MIN_CHARACTERS * results.length))
}

/** A user message whose results are cut to what the window holds; null when they fit already. Pure. */
export function withFittingResults(content: readonly UserBlock[], profile: ModelProfile): UserBlock[] | null {
  const results = content.flatMap((block) => (block.type === 'tool_result' ? [block.content] : []))
  const fitting = fitResults(results, { profile, usedCharacters: 0 })
  if (fitting.every((text, index) => text === results[index])) return null
  const left = fitting.values()
  return content.map((block) =>
    block.type === 'tool_result' ? { ...block, content: left.next().value ?? block.content } : block,
  )
}
