/**
 * The agent loop: build the request → stream the reply → store it → run its tools → store their results → again. Every
 * step is journalled before the next begins, so whoever calls this again after a crash goes on at the step that was lost.
 */

import type { JournalTurn } from '../db/journal.ts'
import type { ModelReply } from '../model/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import type { Usage } from '../shared/task.ts'
import { budgetNote, judgeBudget } from './budget.ts'
import { buildHistory, toolResultsOf, validateHistory } from './history.ts'
import type { Spent } from './journal.ts'
import type { Lane } from './lane.ts'
import { partIdOf, partsOf, ReplyStream } from './reply-stream.ts'
import { runTools } from './run-tools.ts'
import { judgeProgress, STUCK_NOTE } from './stuck.ts'
import { toolDefinitions } from './tools/registry.ts'

export type LaneStatus = 'continue' | 'idle' | 'answered' | 'needs_budget' | 'stuck' | 'refused'

const CONTINUE_NOTE = 'Notice: your reply was cut off because it was too long. Continue where it stopped.'
const SUMMARY_NOTE = 'Notice: your last reply had no text. End with two to five plain sentences on what you did.'
const MAX_NUDGES = 2
const MAX_DOUBLINGS = 2

/**
 * Runs turns until the lane is idle, answered or stopped, or until `isTimeUp()` at a turn boundary (`continue`). Throws
 * `model_*`, `sandbox_*`, `lease_lost` and what the lane's signal says. Safe to call again after any of these.
 */
export async function runLane(lane: Lane, isTimeUp: () => boolean): Promise<LaneStatus> {
  for (let turns = 0; ; turns++) {
    lane.signal.throwIfAborted()
    lane.onProgress()
    const last = lane.turns.at(-1)
    if (last && !isWhole(last)) {
      await completeTurn(lane, last, 'resumed')
      continue
    }
    if (last?.stopReason === 'refusal') return 'refused'
    if (last && lane.isAnswered(last)) return 'answered'
    if (turns > 0 && isTimeUp()) return 'continue'
    const progress = judgeProgress(lane.turns)
    if (progress === 'stuck') return 'stuck'
    if (await isBudgetReached(lane)) return 'needs_budget'
    const begun = await beginTurn(lane, progress === 'nudge' ? [STUCK_NOTE] : [])
    if (!begun) return 'idle'
    lane.turns.push(begun)
    hitCrashPoint('turn.begun')
    await completeTurn(lane, begun, 'new')
  }
}

function isWhole(turn: JournalTurn): boolean {
  return turn.reply !== null && turn.toolCalls.every((call) => call.status === 'finished')
}

async function completeTurn(lane: Lane, turn: JournalTurn, origin: 'new' | 'resumed'): Promise<void> {
  const replied = turn.reply === null ? await askModel(lane, turn, origin) : turn
  lane.turns[lane.turns.length - 1] = replied
  if (replied.toolCalls.length === 0) return
  lane.turns[lane.turns.length - 1] = await runTools(lane, replied)
  hitCrashPoint('tools.recorded')
}

async function beginTurn(lane: Lane, notes: readonly string[]): Promise<JournalTurn | null> {
  const last = lane.turns.at(-1)
  const nudge = last ? nudgeAfter(lane.turns) : null
  return await lane.journal.beginTurn({
    lane: lane.name,
    messageId: lane.newMessageId(),
    toolResults: last ? toolResultsOf(last) : [],
    notes: [...notes, ...(nudge ? [nudge] : []), ...(last ? [] : lane.firstNotes)],
    idle: !nudge && (last?.toolCalls.length ?? 0) === 0,
  })
}

/** What to say after a reply that ended without calling tools and is not an answer; at most twice in a row. */
function nudgeAfter(turns: readonly JournalTurn[]): string | null {
  const noteFor = (turn: JournalTurn | undefined): string | null => {
    if (!turn || turn.toolCalls.length > 0) return null
    if (turn.stopReason === 'max_tokens' || turn.stopReason === 'pause_turn') return CONTINUE_NOTE
    return (turn.reply ?? []).some((block) => block.type === 'text' && block.text.trim() !== '') ? null : SUMMARY_NOTE
  }
  const nudged = turns.slice(-MAX_NUDGES - 1).filter((turn) => noteFor(turn) !== null).length
  return nudged > MAX_NUDGES ? null : noteFor(turns.at(-1))
}

/** Asks until the reply is usable: one that broke off inside a tool call is asked for again with more room. */
async function askModel(lane: Lane, turn: JournalTurn, origin: 'new' | 'resumed'): Promise<JournalTurn> {
  let maxTokens = lane.profile.defaultMaxTokens
  for (let doublings = 0; ; doublings++) {
    const isRepeat = origin === 'resumed' || doublings > 0
    const attempt = isRepeat ? await lane.journal.beginModelCall(turn.turn) : turn.attempts
    const reply = await streamReply(lane, turn, { attempt, maxTokens })
    const isFull = reply.stopReason === 'model_context_window_exceeded'
    if (!isFull && !isCutInsideBlock(reply)) return await storeReply(lane, turn, attempt, reply)
    await lane.journal.recordSpent({ usage: reply.usage, costUsd: reply.costUsd })
    if (isFull) {
      throw new AppError('model_context_exceeded', 'The conversation no longer fits into the model’s context window.')
    }
    if (doublings === MAX_DOUBLINGS || maxTokens >= lane.profile.maxOutputTokens) {
      throw new AppError(
        'model_output_exceeded',
        'The model’s reply was cut off three times, each time with more room.',
      )
    }
    maxTokens = Math.min(maxTokens * 2, lane.profile.maxOutputTokens)
  }
}

/** Out of room with nothing usable said: half a tool call (which must never run), or thinking alone. */
function isCutInsideBlock(reply: ModelReply): boolean {
  if (reply.stopReason !== 'max_tokens') return false
  return reply.truncated === 'tool_use' || !reply.content.some((block) => block.type === 'text')
}

async function streamReply(
  lane: Lane,
  turn: JournalTurn,
  { attempt, maxTokens }: { attempt: number; maxTokens: number },
): Promise<ModelReply> {
  const messages = buildHistory([...lane.earlier, ...lane.turns])
  const problem = validateHistory(messages)
  if (problem) throw new AppError('internal', `The history of this task is not valid: ${problem}.`)
  const isShown = lane.name === 'coder'
  const stream = new ReplyStream(
    { messageId: turn.messageId, attempt },
    { ...lane.scope, turn: turn.turn },
    isShown ? lane.publish : () => {},
  )
  try {
    return await lane.model.stream(
      {
        model: lane.profile.model,
        system: lane.system,
        tools: toolDefinitions(lane.tools),
        messages,
        maxTokens,
        taskId: lane.taskId,
      },
      {
        signal: lane.signal,
        onDelta(delta) {
          stream.push(delta)
          hitCrashPoint('model.streaming')
        },
        onActivity: lane.onProgress,
      },
    )
  } catch (error) {
    const spent = spentOn(error)
    if (spent) await lane.journal.recordSpent(spent)
    if (isShown && lane.signal.aborted && lane.endsTask(lane.signal.reason)) {
      await lane.journal.interruptTurn(turn, stream.partialParts())
    }
    throw error
  }
}

/** What a call that broke off after it had begun to stream was charged for, if the model said so. */
function spentOn(error: unknown): Spent | null {
  if (!(error instanceof AppError) || typeof error.details?.['usage'] !== 'object') return null
  const costUsd = error.details['costUsd']
  return { usage: error.details['usage'] as Usage, costUsd: typeof costUsd === 'number' ? costUsd : null }
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
  await lane.journal.storeReply({
    turn: turn.turn,
    lane: lane.name,
    messageId: turn.messageId,
    reply: { ...reply, content },
    parts: partsOf({ messageId: turn.messageId, attempt }, content),
    calls,
  })
  hitCrashPoint('reply.stored')
  return {
    ...turn,
    reply: content,
    stopReason: reply.stopReason,
    usage: reply.usage,
    costUsd: reply.costUsd,
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

async function isBudgetReached(lane: Lane): Promise<boolean> {
  const use = {
    usd: lane.usedElsewhere.usd + lane.turns.reduce((sum, turn) => sum + (turn.costUsd ?? 0), 0),
    turns: lane.usedElsewhere.turns + lane.turns.length,
    minutes: (Date.now() - lane.startedAt) / 60_000,
  }
  const { reached, warned } = judgeBudget(lane.limits, use)
  const fresh = warned.filter((mark) => !lane.warned.has(mark.kind))
  if (fresh.length > 0) {
    for (const mark of fresh) lane.warned.add(mark.kind)
    await lane.journal.warnBudget(fresh.map((mark) => ({ ...mark, note: budgetNote(mark) })))
  }
  return reached.length > 0
}
