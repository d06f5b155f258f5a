/**
 * One reply of the model: asked for with room for its prompt and its answer, again where a call fails in a way that another
 * form of it may mend, and stored whole before any of its tool calls runs.
 */

import type { JournalTurn } from '../db/turn/turns.ts'
import { limitsOf } from '../model/failures.ts'
import type { ModelLimits } from '../model/limits.ts'
import type { ModelReply } from '../model/types.ts'
import { AppError } from '../shared/errors.ts'
import { compactFull, compactWhenDue } from './compaction/compact.ts'
import { nextPromptTokens } from './compaction/estimate.ts'
import { withFittingResults } from './fit-results.ts'
import { journalReply } from './journal-reply.ts'
import type { Lane } from './lane.ts'
import { withoutThinking } from './made-valid.ts'
import { isCallRefused } from './needed-budget.ts'
import { blocksToDrop, placesIn } from './repair.ts'
import { streamReply, toldMessages } from './stream-reply.ts'

const MAX_DOUBLINGS = 2

/**
 * Asks until the reply is usable: one that broke off inside a tool call is asked for again with more room, a prompt that
 * the model does not take once more in a compacted form. null: the budget does not allow the next call.
 */
export async function askModel(lane: Lane, turn: JournalTurn, origin: 'new' | 'resumed'): Promise<JournalTurn | null> {
  await compactWhenDue(lane, turn)
  let maxTokens = lane.profile.defaultMaxTokens
  let doublings = 0
  for (let calls = 0; ; calls++) {
    const isRepeat = origin === 'resumed' || calls > 0
    if (await isCallRefused(lane, { maxTokens, isRepeat })) return null
    const attempt = isRepeat ? await lane.journal.beginModelCall(turn.turn) : turn.attempts
    const asked = await askOnce(lane, turn, { attempt, maxTokens })
    if ('refusal' in asked) {
      const isSmaller = maxTokens > lane.profile.defaultMaxTokens
      maxTokens = Math.min(maxTokens, lane.profile.defaultMaxTokens)
      // Each is bounded: results are cut once for a window, a turn is compacted once, and only limits that turned out
      // smaller make a reply smaller.
      if ((await shortenResults(lane)) || (await compactFull(lane, turn)) || isSmaller) continue
      throw asked.refusal
    }
    const { reply } = asked
    if (!isCutInsideBlock(reply)) return await journalReply(lane, lane.turns.at(-1) ?? turn, attempt, reply)
    await lane.journal.recordSpent({ usage: reply.usage, costUsd: reply.costUsd })
    if (doublings === MAX_DOUBLINGS || maxTokens >= lane.profile.maxOutputTokens) {
      throw new AppError(
        'model_output_exceeded',
        'The model’s reply was cut off three times, each time with more room.',
      )
    }
    doublings += 1
    maxTokens = Math.min(maxTokens * 2, lane.profile.maxOutputTokens)
  }
}

/** Cuts the results that wait for an answer to what the window, as it is known by now, holds. False: they fit already. */
async function shortenResults(lane: Lane): Promise<boolean> {
  const last = lane.turns.at(-1)
  const userContent = last ? withFittingResults(last.userContent, lane.profile) : null
  if (last === undefined || userContent === null) return false
  await lane.journal.shortenTurn(last.turn, userContent)
  lane.turns[lane.turns.length - 1] = { ...last, userContent }
  return true
}

/**
 * One call: the reply, or the refusal when the model says, at once or while it replies, that prompt and reply do not fit its
 * window, or that it gives no reply of that length. What it says of its limits is learnt.
 */
async function askOnce(
  lane: Lane,
  turn: JournalTurn,
  call: { attempt: number; maxTokens: number },
): Promise<{ readonly reply: ModelReply } | { readonly refusal: AppError }> {
  try {
    const reply = await streamRepaired(lane, turn, call)
    if (reply.stopReason !== 'model_context_window_exceeded') return { reply }
    await lane.journal.recordSpent({ usage: reply.usage, costUsd: reply.costUsd })
    return {
      refusal: new AppError('model_context_exceeded', 'The reply filled the rest of the model’s context window.'),
    }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const limits = error.code === 'model_context_exceeded' ? windowBehind(lane, error) : limitsOf(error)
    lane.profile = lane.learnLimits(limits)
    if (error.code === 'model_context_exceeded' || limits.maxOutputTokens !== undefined) return { refusal: error }
    throw error
  }
}

/** Without a number in it, a refusal of a server of one's own still says that its window is smaller than what was sent. */
const BELOW_REFUSED = 0.85
const MIN_GUESSED_TOKENS = 2_048

function windowBehind(lane: Lane, refusal: AppError): ModelLimits {
  const limits = limitsOf(refusal)
  if (limits.contextTokens !== undefined || lane.profile.kind !== 'compat') return limits
  const guess = Math.floor(Math.min(nextPromptTokens(lane), lane.profile.contextTokens) * BELOW_REFUSED)
  return { contextTokens: Math.max(MIN_GUESSED_TOKENS, guess) }
}

const MAX_REPAIRS = 4

/**
 * A request that the server refuses as malformed is made again without what it names, then without the one thing that a
 * server may dislike unsaid: thinking. What was named stays out of the lane's later requests too.
 */
async function streamRepaired(
  lane: Lane,
  turn: JournalTurn,
  call: { attempt: number; maxTokens: number },
): Promise<ModelReply> {
  let bare = false
  for (let repair = 1; ; repair++) {
    try {
      return await streamReply(lane, turn, { ...call, bare })
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'model_rejected' || repair > MAX_REPAIRS) throw error
      const without = repairFor(lane, error, bare)
      if (without === null) throw error
      bare ||= without === THINKING
      const message = `${error.message} The call is made again without ${without}.`
      const name = { turn: turn.turn, attempt: call.attempt, repair }
      lane.onRepair(name, message)
      await lane.journal.noteRepair(name, message)
    }
  }
}

const THINKING = 'earlier thinking'

/** Notes what a refusal names to be left out, and says what that is; null: there is nothing that could be left out. */
function repairFor(lane: Lane, refusal: AppError, isBare: boolean): string | null {
  const messages = toldMessages(lane, isBare)
  const places = limitsOf(refusal).maxOutputTokens === undefined ? placesIn(refusal.message, messages) : []
  const blocks = blocksToDrop(messages, places).filter((block) => !lane.dropped.has(block))
  if (blocks.length > 0) {
    for (const block of blocks) lane.dropped.add(block)
    return `what it names (${blocks.length === 1 ? '1 block' : `${blocks.length} blocks`} of the conversation)`
  }
  const hasThinking = lane.turns.some(({ reply }) => withoutThinking(reply ?? []).length < (reply ?? []).length)
  return hasThinking && !isBare && lane.dropped.size === 0 ? THINKING : null
}

/** Out of room with nothing usable said: half a tool call (which must never run), or thinking alone. */
function isCutInsideBlock(reply: ModelReply): boolean {
  if (reply.stopReason !== 'max_tokens') return false
  return reply.truncated === 'tool_use' || !reply.content.some((block) => block.type === 'text')
}
