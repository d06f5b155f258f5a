/**
 * What a task's first message says before the user's words: of project, facts and earlier tasks that which the conversation
 * was not told yet, so that whatever stands before it, the static prefix and the messages of earlier tasks, is the same from
 * task to task and comes from the cache. Pure.
 */

import type { ToldOpening } from '../db/turn/memory.ts'
import { HEADINGS } from './memory-text.ts'

/** What a task knows now; null where there is nothing. */
export interface KnownBlocks {
  readonly context: string | null
  readonly facts: string | null
  readonly summaries: string | null
}

/** The blocks that are new to the conversation, as far as it is told in `whole`, oldest first. */
export function openingOf(
  known: KnownBlocks,
  at: { readonly whole: readonly string[]; readonly told: readonly ToldOpening[]; readonly factsVersion: number },
): string[] {
  const openings = new Map(at.told.map((opening) => [opening.taskId, opening]))
  const newestFirst = at.whole.toReversed().flatMap((taskId) => openings.get(taskId) ?? [])
  const blockIn = ({ blocks }: ToldOpening, heading: string) =>
    blocks.find((block) => block.startsWith(`${heading}\n`)) ?? null
  const lastTold = (heading: string) => {
    const index = newestFirst.findIndex((opening) => blockIn(opening, heading) !== null)
    const by = newestFirst[index]
    return { block: by === undefined ? null : blockIn(by, heading), by, since: newestFirst.slice(0, index + 1) }
  }

  const context = lastTold(HEADINGS.context)
  // Told of another while a task ran, the model may have to hear of this one again.
  const isContextKnown = known.context === context.block && !context.since.some((opening) => opening.isContextRenewed)
  const facts = lastTold(HEADINGS.facts)
  const factsNow = known.facts ?? (facts.block === null ? null : NO_FACTS)
  const isFactsKnown = factsNow === facts.block && facts.by?.factsVersion === at.factsVersion
  const isSummariesKnown = known.summaries === lastTold(HEADINGS.summaries).block

  const fresh = [
    isContextKnown ? null : known.context,
    isFactsKnown ? null : factsNow,
    isSummariesKnown ? null : known.summaries,
  ]
  return fresh.filter((block) => block !== null)
}

const NO_FACTS = `${HEADINGS.facts}\n\nNothing any more.\n`

const NOTICE =
  'Notice: this comes from the harness, not from the user. It is how things stand now, in place of what you were told of the same before.'

/** The blocks as one text for the model; null without any. */
export function openingText(blocks: readonly string[]): string | null {
  return blocks.length === 0 ? null : [NOTICE, ...blocks].join('\n\n')
}
