/** One streamed call of the model for a turn: what it is told, how its deltas reach the page, and how its reply is stored. */

import type { JournalTurn } from '../db/turn/turns.ts'
import { isSameModel } from '../model/profiles.ts'
import type { HistoryMessage, ModelDelta, ModelReply, SpentCall } from '../model/types.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import { toolDefinitions } from '../tools/registry.ts'
import { turnsToTell } from './compaction/turns-to-tell.ts'
import { buildHistory, validateHistory } from './history.ts'
import type { Lane } from './lane.ts'
import { admitted, ReplyIds, toolNameOf } from './made-valid.ts'
import { readingText, substituteText, waitingText } from './model-words.ts'
import { withoutDropped } from './repair.ts'
import { ReplyStream } from './reply-stream.ts'
import { ToldReadings } from './told-readings.ts'

/** What the model is told now. */
export function toldMessages(lane: Lane, bare: boolean): HistoryMessage[] {
  return withoutDropped(buildHistory(turnsToTell(lane), { bare }), lane.dropped)
}

/**
 * Asks the model once and tells the page of the reply as it comes (of the coder's lane only). What a broken call cost is
 * recorded; where the task ends meanwhile, so is what was said so far. Throws `model_*` and the lane's reason to stop.
 */
export async function streamReply(
  lane: Lane,
  turn: JournalTurn,
  { attempt, maxTokens, bare = false }: { attempt: number; maxTokens: number; bare?: boolean },
): Promise<ModelReply> {
  const messages = toldMessages(lane, bare)
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
  const known = ANCHORS.get(earlier)
  if (known !== undefined) return known
  const first = earlier.findIndex((turn) => turn.taskId === before.taskId)
  const told = earlier.slice(0, first + 1).map((turn, at) => (at === first ? { ...turn, reply: null } : turn))
  const anchor = buildHistory(told).length - 1
  ANCHORS.set(earlier, anchor)
  return anchor
}

/** Turns of earlier tasks do not change while a lane has them, so they are gone through once and not at each of its calls. */
const ANCHORS = new WeakMap<Lane['earlier'], number>()

/** Says that another model answered where that leaves the price unknown. */
async function noteOtherModel(lane: Lane, call: { turn: number; attempt: number }, reply: ModelReply): Promise<void> {
  const asked = lane.profile.model
  if (lane.profile.prices.length === 0 || isSameModel(asked, reply.model)) return
  const models = { asked, answered: reply.model }
  await lane.journal.noteSubstitute(call, { ...models, message: substituteText(models) })
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
