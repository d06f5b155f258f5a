/**
 * The agent loop: build the request → stream the reply → store it → run its tools → store their results → again. Every
 * step is journalled before the next begins, so whoever calls this again after a crash goes on at the step that was lost.
 */

import type { BeginTurn } from '../db/turn/begin-turn.ts'
import type { JournalTurn } from '../db/turn/turns.ts'
import { limitsOf } from '../model/failures.ts'
import type { ModelLimits } from '../model/limits.ts'
import { isSameModel, promptTokens } from '../model/profiles.ts'
import type { HistoryMessage, ModelDelta, ModelReply, SpentCall } from '../model/types.ts'
import type { BudgetNeed } from '../shared/budget.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import { findTool, toolDefinitions } from '../tools/registry.ts'
import { upperCostUsd, upperTokens } from './budget.ts'
import { compactFull, compactWhenDue } from './compaction/compact.ts'
import { nextPromptTokens } from './compaction/estimate.ts'
import { turnsToTell } from './compaction/turns-to-tell.ts'
import { withFittingResults } from './fit-results.ts'
import { buildHistory, toolResultsOf, validateHistory } from './history.ts'
import { isOutOfTries, OUT_OF_TRIES_END } from './invalid-calls.ts'
import type { Lane } from './lane.ts'
import { admitted, ReplyIds, toolNameOf, withoutThinking } from './made-valid.ts'
import { readingText, substituteText, waitingText } from './model-words.ts'
import { blocksToDrop, placesIn, withoutDropped } from './repair.ts'
import { partIdOf, partsOf, ReplyStream } from './reply-stream.ts'
import { runTools } from './run-tools.ts'
import { judgeProgress, STUCK_NOTE } from './stuck.ts'
import { ToldReadings } from './told-readings.ts'
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
const MAX_DOUBLINGS = 2

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

/**
 * Asks until the reply is usable: one that broke off inside a tool call is asked for again with more room, a prompt that
 * the model does not take once more in a compacted form. null: the budget does not allow the next call.
 */
async function askModel(lane: Lane, turn: JournalTurn, origin: 'new' | 'resumed'): Promise<JournalTurn | null> {
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
    if (!isCutInsideBlock(reply)) return await storeReply(lane, lane.turns.at(-1) ?? turn, attempt, reply)
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
  const messages = messagesOf(lane, isBare)
  const places = limitsOf(refusal).maxOutputTokens === undefined ? placesIn(refusal.message, messages) : []
  const blocks = blocksToDrop(messages, places).filter((block) => !lane.dropped.has(block))
  if (blocks.length > 0) {
    for (const block of blocks) lane.dropped.add(block)
    return `what it names (${blocks.length === 1 ? '1 block' : `${blocks.length} blocks`} of the conversation)`
  }
  const hasThinking = lane.turns.some(({ reply }) => withoutThinking(reply ?? []).length < (reply ?? []).length)
  return hasThinking && !isBare && lane.dropped.size === 0 ? THINKING : null
}

/** What the model is told now. */
function messagesOf(lane: Lane, bare: boolean): HistoryMessage[] {
  return withoutDropped(buildHistory(turnsToTell(lane), { bare }), lane.dropped)
}

/** Out of room with nothing usable said: half a tool call (which must never run), or thinking alone. */
function isCutInsideBlock(reply: ModelReply): boolean {
  if (reply.stopReason !== 'max_tokens') return false
  return reply.truncated === 'tool_use' || !reply.content.some((block) => block.type === 'text')
}

async function streamReply(
  lane: Lane,
  turn: JournalTurn,
  { attempt, maxTokens, bare = false }: { attempt: number; maxTokens: number; bare?: boolean },
): Promise<ModelReply> {
  const messages = messagesOf(lane, bare)
  const anchor = anchorOf(lane)
  const problem = validateHistory(messages)
  if (problem) throw new AppError('internal', `The history of this task is not valid: ${problem}.`)
  const isShown = lane.name === 'coder'
  const stream = new ReplyStream(
    { messageId: turn.messageId, attempt },
    { ...lane.scope, turn: turn.turn },
    isShown ? lane.publish : () => {},
  )
  const ids = new ReplyIds(`${turn.messageId}_${attempt}`, takenIds(lane))
  const broken: { spent?: SpentCall } = {}
  const told = new ToldReadings((reading) =>
    lane.journal.noteReading({ turn: turn.turn, attempt }, { ...reading, message: readingText(reading) }),
  )
  try {
    const reply = await lane.model.stream(
      {
        model: lane.profile.model,
        system: lane.system,
        tools: toolDefinitions(lane.tools),
        messages,
        ...(anchor === null ? {} : { anchor }),
        maxTokens,
        taskId: lane.taskId,
      },
      {
        signal: lane.signal,
        onDelta(delta) {
          stream.push(named(delta, ids))
          hitCrashPoint('model.streaming')
        },
        onActivity: lane.onProgress,
        onReading: (reading) => told.add(reading),
        onWaiting: (wait) =>
          lane.journal.noteWaiting({ turn: turn.turn, attempt }, { ...wait, message: waitingText(wait) }),
        onSpent(spent) {
          broken.spent = spent
        },
      },
    )
    await told.settled()
    await noteOtherModel(lane, { turn: turn.turn, attempt }, reply)
    return { ...reply, content: admitted(reply.content, ids) }
  } catch (error) {
    if (broken.spent) await lane.journal.recordSpent(broken.spent)
    if (isShown && lane.signal.aborted && lane.endsTask(lane.signal.reason)) {
      await lane.journal.interruptTurn(turn, stream.partialParts())
    }
    throw error
  }
}

/**
 * The first message of the task before: up to there its own requests had the same bytes. Behind it they had thinking, which
 * is not told again, and more blocks than the cache looks back over.
 */
function anchorOf({ earlier, compaction }: Lane): number | null {
  const before = earlier.at(-1)
  if (before === undefined || compaction !== null) return null
  const first = earlier.findIndex((turn) => turn.taskId === before.taskId)
  return (
    buildHistory(earlier.slice(0, first + 1).map((turn, at) => (at === first ? { ...turn, reply: null } : turn)))
      .length - 1
  )
}

/** Says that another model answered where that leaves the price unknown. */
async function noteOtherModel(lane: Lane, call: { turn: number; attempt: number }, reply: ModelReply): Promise<void> {
  const asked = lane.profile.model
  if (lane.profile.prices.length === 0 || isSameModel(asked, reply.model)) return
  const models = { asked, answered: reply.model }
  await lane.journal.noteSubstitute(call, { ...models, message: substituteText(models) })
}

async function storeReply(lane: Lane, turn: JournalTurn, attempt: number, reply: ModelReply): Promise<JournalTurn> {
  // What was said before a refusal is discarded: it may not be shown to the model again.
  const content = reply.stopReason === 'refusal' ? [] : reply.content
  const calls = content.flatMap((block, index) =>
    block.type === 'tool_use'
      ? [
          {
            toolUseId: block.id,
            partId: partIdOf({ messageId: turn.messageId, attempt }, index),
            name: block.name,
            input: block.input,
          },
        ]
      : [],
  )
  hitCrashPoint('reply.before_store')
  const store = {
    turn: turn.turn,
    lane: lane.name,
    messageId: turn.messageId,
    reply: { ...reply, content },
    parts: partsOf({ messageId: turn.messageId, attempt }, content),
    calls,
  }
  await lane.journal.storeReply(store, startsAtOnce(lane, calls[0]))
  return {
    ...turn,
    reply: content,
    stopReason: reply.stopReason,
    usage: reply.usage,
    costUsd: reply.costUsd,
    firstTokenMs: reply.firstTokenMs === null ? null : Math.round(reply.firstTokenMs),
    durationMs: Math.round(reply.durationMs),
    toolCalls: calls.map((call) => ({
      toolUseId: call.toolUseId,
      lane: lane.name,
      turn: turn.turn,
      name: call.name,
      input: JSON.stringify(call.input),
      status: 'requested' as const,
      effect: null,
      result: null,
      isError: false,
      startedAt: null,
    })),
  }
}

/** Whether a reply's first call is one that announces what it does, which goes with the reply. */
function startsAtOnce(lane: Lane, first: { readonly name: string } | undefined): boolean {
  return first !== undefined && findTool(lane.tools, first.name)?.readOnly === false
}

/** A call that begins to stream, under the id and the name that it will have in the journal. */
function named(delta: ModelDelta, ids: ReplyIds): ModelDelta {
  if (delta.type !== 'block_start' || delta.block !== 'tool_use') return delta
  const toolUseId = ids.idOf(delta.index, delta.toolUseId ?? '')
  return { ...delta, toolUseId, toolName: toolNameOf(delta.toolName ?? '') }
}

/** The ids of all tool calls that the conversation has had, as far as it is told. */
function takenIds(lane: Lane): Set<string> {
  const calls = [...lane.earlier, ...lane.turns].flatMap((turn) => turn.toolCalls)
  return new Set(calls.map((call) => call.toolUseId))
}

/** What one more turn needs, by what is known before its messages are. */
function needOfTurn(lane: Lane): BudgetNeed {
  const last = lane.turns.at(-1)
  const prompt = last ? promptAfter(lane, last) + upperTokens(lane.profile, toolResultsOf(last)) : 0
  return { usd: upperCostUsd(lane.profile, prompt, lane.profile.defaultMaxTokens), turns: 1 }
}

/** Whether the budget has no room for the call that is to be made now. A new turn's first was read for at its beginning. */
async function isCallRefused(lane: Lane, call: { maxTokens: number; isRepeat: boolean }): Promise<boolean> {
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
