/** Memory as the model and people read it. Pure: the same memory gives the same bytes, which the prompt cache needs. */

import type { TaskSummary } from '../db/turn/memory.ts'
import type { ModelProfile } from '../model/profiles.ts'
import type { Fact } from '../shared/memory.ts'
import { estimateTokens } from '../shared/text/tokens.ts'

/** The most that the summaries of earlier tasks take. */
const MAX_SUMMARIES_TOKENS = 8_000
/** Of a model's mark for compaction, what they may take. */
const SUMMARIES_SHARE = 0.1
/** Of that, what is left for those that are only named. */
const NAMED_SHARE = 0.25

/** Tokens of summaries that a model is given at most. */
export function summariesTokens(profile: Pick<ModelProfile, 'compactAtTokens'>): number {
  return Math.min(MAX_SUMMARIES_TOKENS, Math.floor(profile.compactAtTokens * SUMMARIES_SHARE))
}

/** How the blocks begin that a task is told before the user's words. */
export const HEADINGS = {
  context: '# The project',
  facts: '# What the user asked to remember',
  summaries: '# Earlier tasks of this conversation',
} as const

/** The project context as a block. */
export function contextBlock(markdown: string): string {
  return `${HEADINGS.context}\n\n${markdown}`
}

/** The facts as a block; null without any. */
export function factsBlock(facts: readonly Fact[]): string | null {
  if (facts.length === 0) return null
  return `${HEADINGS.facts}\n\n${list(facts)}\n`
}

/** Where the facts lie in the sandbox; not part of diffs and checkpoints. */
export const MEMORY_FILE = '.claude/memory.md'

/** What stands in {@link MEMORY_FILE}. */
export function memoryFile(facts: readonly Fact[]): string {
  const head =
    '# Memory\n\nWhat the user asked to remember. Written by the harness; changes here are not read back.\n\n'
  return `${head}${facts.length === 0 ? 'Nothing.' : list(facts)}\n`
}

function list(facts: readonly Fact[]): string {
  return facts.map((fact) => `- ${fact.text}`).join('\n')
}

/**
 * The summaries of earlier tasks, oldest first, as a block of at most about `maxTokens`; null without
 * any. The newest stand in full, those before in one line each, and those before these as a number. `firstNumber` is the
 * place of the first one in the conversation.
 */
export function summariesBlock(
  summaries: readonly TaskSummary[],
  { maxTokens, firstNumber = 1 }: { readonly maxTokens: number; readonly firstNumber?: number },
): string | null {
  if (summaries.length === 0) return null
  const numbered = summaries.map((summary, index) => ({ ...summary, number: firstNumber + index }))
  const full = newestWithin(
    numbered.map(({ number, text }) => `\n## Task ${number}\n${text}`),
    maxTokens * (1 - NAMED_SHARE),
  )
  const named = newestWithin(
    numbered.slice(0, numbered.length - full.length).map(({ number, name }) => `- Task ${number}: ${name}`),
    maxTokens * NAMED_SHARE,
  )
  const unnamed = summaries.length - full.length - named.length
  return [HEAD, ...(unnamed === 0 ? [] : [`- ${unnamed} older tasks`]), ...named, ...full, ''].join('\n')
}

const HEAD = `${HEADINGS.summaries}

A record of what was asked and done before, kept by the harness. What an agent or a reviewer said is quoted, and the files may have changed since.
`

/** The last ones that fit, in their order. */
function newestWithin(texts: readonly string[], maxTokens: number): string[] {
  const kept: string[] = []
  let used = 0
  for (const text of texts.toReversed()) {
    used += estimateTokens(text)
    if (used > maxTokens) break
    kept.unshift(text)
  }
  return kept
}
