/**
 * The agent loop: build the request → stream the reply → store it → run its tools → store their results → again. Every
 * step is journalled before the next begins, so whoever calls this again after a crash goes on at the step that was lost.
 */

import type { BeginTurn } from '../db/turn/begin-turn.ts'
import type { JournalTurn } from '../db/turn/turns.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import { toolDefinitions } from '../tools/registry.ts'
import { askModel } from './ask-model.ts'
import { toolResultsOf } from './history.ts'
import { isOutOfTries, OUT_OF_TRIES_END } from './invalid-calls.ts'
import type { Lane } from './lane.ts'
import { needOfTurn } from './needed-budget.ts'
import { runTools } from './run-tools.ts'
import { judgeProgress, STUCK_NOTE } from './stuck.ts'
import { hasWrittenCall, WRITTEN_CALL_NOTE, WRITTEN_CALLS_END, writtenCalls } from './written-calls.ts'

/**
 * How a lane stands when {@link runLane} returns. `continue`: its time is up, call again. `idle`: it has nothing to
 * say to the model. `answered`: it submitted what the lane is for, a review. `needs_budget`, `needs_answer`: it waits
 * for a person. `stuck`, `refused`: it does not go on.
 */
export type LaneStatus = 'continue' | 'idle' | 'answered' | 'needs_budget' | 'needs_answer' | 'stuck' | 'refused'

const CONTINUE_NOTE = 'Notice: your reply was cut off because it was too long. Continue where it stopped.'
const SUMMARY_NOTE = 'Notice: your last reply had no text. End with two to five plain sentences on what you did.'
const MAX_NUDGES = 2

/**
 * Runs turns until the lane is idle, answered or stopped, or until `isTimeUp()` at a turn boundary (`continue`). Throws
 * `model_*`, `sandbox_*`, `lease_lost` and what the lane's signal says. Safe to call again after any of these.
 */
export async function runLane(lane: Lane, isTimeUp: () => boolean): Promise<LaneStatus> {
  try {
    const status = await runTurns(lane, isTimeUp)
    await lane.journal.flush()
    return status
  } catch (error) {
    // What is done is stored whatever ended the lane; the first failure says more than one to store it, which is mended.
    await lane.journal.flush().catch(() => undefined)
    throw error
  }
}

async function runTurns(lane: Lane, isTimeUp: () => boolean): Promise<LaneStatus> {
  if (lane.turns.length > 0) lane.compaction = await lane.journal.readCompaction()
  for (let turns = 0; ; turns++) {
    lane.signal.throwIfAborted()
    lane.onProgress()
    const last = lane.turns.at(-1)
    if (last && !isWhole(last)) {
      const stopped = await completeTurn(lane, last, 'resumed')
      if (stopped !== null) return stopped
      continue
    }
    if (last?.stopReason === 'refusal') return 'refused'
    if (last && lane.isAnswered(last)) return 'answered'
    if (last && (await lane.people.isHeld(() => lane.journal.flush()))) return 'needs_answer'
    if (turns > 0 && isTimeUp()) return 'continue'
    if (isOutOfTries(lane.turns, lane.tools)) throw new AppError('model_invalid_calls', OUT_OF_TRIES_END)
    if (last && isWrittenCallAgain(lane, last)) {
      if (lane.name !== 'coder') return 'idle'
      throw new AppError('model_calls_as_text', WRITTEN_CALLS_END)
    }
    const progress = judgeProgress(lane.turns)
    if (progress === 'stuck') return 'stuck'
    if (lane.maxTurns !== null && lane.turns.length >= lane.maxTurns) return 'idle'
    const begin = turnToBegin(lane, progress === 'nudge' ? [STUCK_NOTE] : [])
    const begun = await beginTurn(lane, begin)
    if (typeof begun === 'string') return begun
    lane.turns.push(begun)
    hitCrashPoint('turn.begun')
    const stopped = await completeTurn(lane, begun, 'new')
    if (stopped !== null) return stopped
  }
}

/** The turn that began, or why none did. */
async function beginTurn(lane: Lane, begin: BeginTurn): Promise<JournalTurn | 'idle' | 'needs_budget'> {
  const { journal, budget } = lane
  const next = await journal.beginNext(begin, (reading) => budget.fits(reading, needOfTurn(lane)))
  if (next !== null) return next
  // Work that is done is done, also when it took the last of the budget.
  if (begin.idle && !(await journal.hasWaiting())) return 'idle'
  if (await budget.refuses(needOfTurn(lane))) return 'needs_budget'
  return (await journal.beginTurn(begin)) ?? 'idle'
}

function isWhole(turn: JournalTurn): boolean {
  return turn.reply !== null && turn.toolCalls.every((call) => call.status === 'finished')
}

/** What the turn waits for as it is: a larger budget for its model call, or people whom its calls ask; null: it is whole. */
async function completeTurn(
  lane: Lane,
  turn: JournalTurn,
  origin: 'new' | 'resumed',
): Promise<'needs_budget' | 'needs_answer' | null> {
  const replied = turn.reply === null ? await askModel(lane, turn, origin) : turn
  if (replied === null) return 'needs_budget'
  lane.turns[lane.turns.length - 1] = replied
  if (replied.toolCalls.length === 0) return null
  const done = await runTools(lane, replied)
  lane.turns[lane.turns.length - 1] = done
  if (!isWhole(done)) return 'needs_answer'
  await lane.onToolsDone?.(done)
  return null
}

function turnToBegin(lane: Lane, notes: readonly string[]): BeginTurn {
  const last = lane.turns.at(-1)
  const nudge = last ? nudgeAfter(lane) : null
  return {
    lane: lane.name,
    messageId: lane.newMessageId(),
    toolResults: last ? toolResultsOf(last) : [],
    notes: [...notes, ...(nudge ? [nudge] : []), ...(last ? [] : lane.firstNotes)],
    idle: !nudge && (last?.toolCalls.length ?? 0) === 0,
  }
}

/** Whether the newest reply wrote a call as text, after the model was told before that nobody runs those. */
function isWrittenCallAgain({ turns, tools }: Lane, last: JournalTurn): boolean {
  const definitions = toolDefinitions(tools)
  return hasWrittenCall(last.reply, definitions) && writtenCalls(turns, definitions) > 1
}

/** What to say after a reply that ended without calling tools and is not an answer; at most twice in a row. */
function nudgeAfter({ turns, tools }: Lane): string | null {
  if (hasWrittenCall(turns.at(-1)?.reply ?? null, toolDefinitions(tools))) return WRITTEN_CALL_NOTE
  const noteFor = (turn: JournalTurn | undefined): string | null => {
    if (!turn || turn.toolCalls.length > 0) return null
    if (turn.stopReason === 'max_tokens' || turn.stopReason === 'pause_turn') return CONTINUE_NOTE
    return (turn.reply ?? []).some((block) => block.type === 'text' && block.text.trim() !== '') ? null : SUMMARY_NOTE
  }
  const nudged = turns.slice(-MAX_NUDGES - 1).filter((turn) => noteFor(turn) !== null).length
  return nudged > MAX_NUDGES ? null : noteFor(turns.at(-1))
}
