/**
 * When and how a lane's history is compacted: between two tool rounds, once the next prompt would reach the profile's
 * mark, or when the model says that it does not fit. Invariants: (1) what is stored is never edited, a compaction is a
 * row beside it; (2) it is decided once for a turn and read by every later request and attempt; (3) the newest reply
 * stays with its results, so that each call keeps its answer; (4) no reply stands directly behind two different texts,
 * which would look like an edited history: one compaction replaces at least one whole reply.
 */

import type { JournalTurn } from '../../db/turn/turns.ts'
import type { Pinned } from '../../memory/pinned.ts'
import { buildHistory } from '../history.ts'
import type { Lane } from '../lane.ts'
import { compactionText } from './compaction-text.ts'
import { nextPromptTokens, staticTokens, tokensOf } from './estimate.ts'
import { turnsToTell } from './turns-to-tell.ts'

/** Of the mark, what the text may take at most, and what it and all that stays should stay below. */
const TEXT_SHARE = 0.4
const AFTER_SHARE = 0.75
const MIN_TEXT_TOKENS = 800
/** A character of a text in JSON and of the marks around it is a little more than a quarter of a token. */
const CHARACTERS_PER_TOKEN = 3.5

/** Compacts before `turn` is asked if its prompt would reach the mark. False: nothing was due, or nothing can go. */
export async function compactWhenDue(lane: Lane, turn: JournalTurn): Promise<boolean> {
  const before = nextPromptTokens(lane)
  return before >= lane.profile.compactAtTokens && (await compact(lane, turn, before))
}

/**
 * Compacts because the prompt of `turn` did not fit. False when that cannot help: the turn was compacted already, or
 * nothing is left to go.
 */
export async function compactFull(lane: Lane, turn: JournalTurn): Promise<boolean> {
  return lane.compaction?.turn !== turn.turn && (await compact(lane, turn, nextPromptTokens(lane)))
}

async function compact(lane: Lane, turn: JournalTurn, beforeTokens: number): Promise<boolean> {
  const plan = planCompaction(lane)
  if (plan === null) return false
  const pinned = await lane.readPinned(plan.throughTurn)
  const text = textFor(lane, plan, pinned)
  const compaction = { turn: turn.turn, throughTurn: plan.throughTurn, text, beforeTokens }
  const after = { ...lane, compaction: { ...compaction, afterTokens: 0 } }
  const afterTokens = staticTokens(lane) + tokensOf(buildHistory(turnsToTell(after)), lane.profile)
  lane.compaction = await lane.journal.storeCompaction({ ...compaction, afterTokens })
  return true
}

/** What one compaction takes away and what it keeps, within one lane. */
export interface CompactionPlan {
  /** The turn whose reply stays; 0: none. */
  readonly throughTurn: number
  /** The lane's own turns whose replies go, in order. */
  readonly replaced: readonly JournalTurn[]
}

/** What a compaction would replace now, or null when nothing would be gained. Pure. */
export function planCompaction({
  earlier,
  turns,
  compaction,
}: Pick<Lane, 'earlier' | 'turns' | 'compaction'>): CompactionPlan | null {
  const replied = turns.filter((turn) => turn.reply !== null)
  const kept = replied.at(-1)
  const isWithEarlier = compaction === null && earlier.some((turn) => turn.reply !== null)
  if (kept === undefined) return isWithEarlier ? { throughTurn: 0, replaced: [] } : null
  const replaced = replied.filter((turn) => turn.turn < kept.turn)
  const going = replaced.filter((turn) => turn.turn >= (compaction?.throughTurn ?? 0))
  return going.length > 0 || isWithEarlier ? { throughTurn: kept.turn, replaced } : null
}

/** The text in what room the mark leaves beside the static prefix, the opening and the round that stays. */
export function textFor(
  lane: Pick<Lane, 'system' | 'tools' | 'profile' | 'opening' | 'turns'>,
  { throughTurn, replaced }: CompactionPlan,
  pinned: Pinned,
): string {
  const { profile } = lane
  const stays = lane.turns.filter((turn) => turn.turn >= throughTurn)
  const kept = stays.reduce(
    (sum, turn) => sum + tokensOf(turn.turn === throughTurn ? (turn.reply ?? []) : turn.userContent, profile),
    0,
  )
  const opening = lane.opening?.compacted ? tokensOf(lane.opening.compacted, profile) : 0
  const room = profile.compactAtTokens * AFTER_SHARE - staticTokens(lane) - opening - kept
  const tokens = Math.max(MIN_TEXT_TOKENS, Math.min(profile.compactAtTokens * TEXT_SHARE, room))
  const maxCharacters = Math.floor((tokens / profile.tokenFactor) * CHARACTERS_PER_TOKEN)
  return compactionText(pinned, { replaced, maxCharacters })
}
