/** What people are told of a model call while it is made, beside its reply: durable events without a row of their own. */

import type { ModelReading, ModelWait } from '../../model/types.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import type { Attempt } from '../task/attempt.ts'

/** A model call of a turn; `attempt` counts the turn's calls from 1. */
export interface ModelCallName {
  readonly turn: number
  readonly attempt: number
}

/** A wait for a model that is away, with the sentence for people. */
export type ToldWait = Pick<ModelWait, 'code' | 'delayMs'> & { readonly message: string }
/** A prompt that is still being read, with the sentence for people. */
export type ToldReading = ModelReading & { readonly message: string }
/** The model that was asked for and the one that answered, with the sentence for people. */
export interface ToldSubstitute {
  readonly asked: string
  readonly answered: string
  readonly message: string
}

/**
 * Tells people that a model call waits because the model is away. Once for each call that is made in a turn: a repeat is
 * ignored.
 */
export async function noteWaiting(attempt: Attempt, call: ModelCallName, wait: ToldWait): Promise<void> {
  await attempt.tx(async (tx) => {
    tx.emit({
      type: 'model.retrying',
      key: `model.waiting:${attempt.scope.taskId}:${call.turn}:${call.attempt}`,
      scope: { ...attempt.scope, turn: call.turn },
      payload: {
        code: wait.code,
        message: wait.message,
        attempt: call.attempt,
        delayMs: wait.delayMs,
      },
    })
  })
}

/** Says that a server still reads its prompt, or pauses within its reply. A repeat of the same moment of the same call is ignored. */
export async function noteReading(attempt: Attempt, call: ModelCallName, reading: ToldReading): Promise<void> {
  const { waitedMs, limitMs, waitsFor, message } = reading
  await attempt.tx(async (tx) => {
    tx.emit({
      type: 'model.reading',
      key: `model.reading:${attempt.scope.taskId}:${call.turn}:${call.attempt}:${waitedMs}`,
      scope: scopeOf(attempt, call),
      payload: { message, waitedMs, limitMs, waitsFor },
    })
  })
}

/** Says that another model answered than the one that was asked for, and what follows from it; once for each of them and task. */
export async function noteSubstitute(
  attempt: Attempt,
  call: ModelCallName,
  { asked, answered, message }: ToldSubstitute,
): Promise<void> {
  await attempt.tx(async (tx) => {
    tx.emit({
      type: 'model.substituted',
      key: `model.substituted:${attempt.scope.taskId}:${answered}`,
      scope: scopeOf(attempt, call),
      payload: { asked, answered, message },
    })
  })
}

/** Says that a refused request is made again without what the server named; once for each of a call's repairs. */
export async function noteRepair(
  attempt: Attempt,
  call: ModelCallName & { readonly repair: number },
  message: string,
): Promise<void> {
  await attempt.tx(async (tx) => {
    tx.emit({
      type: 'model.retrying',
      // By this prefix the event is known as one of a call that goes on, see endedByRetry.
      key: `model.waiting:repair:${attempt.scope.taskId}:${call.turn}:${call.attempt}:${call.repair}`,
      scope: scopeOf(attempt, call),
      payload: { code: 'model_rejected', message, attempt: call.attempt, delayMs: 0 },
    })
  })
}

/** How many of a task's last model calls, at most `max`, failed one after the other with this message, numbers in it aside. */
export async function equalFailures(db: Db, taskId: string, message: string, max: number): Promise<number> {
  const text = `
    SELECT type, data FROM events
    WHERE task_id = $1 AND (type = 'turn.finished' OR type = 'model.retrying' AND key LIKE 'model.retrying:%')
    ORDER BY seq DESC LIMIT $2`
  const rows = await query<{ type: string; data: string }>(db, text, [taskId, max])
  const same = withoutNumbers(message)
  const other = rows.findIndex(({ type, data }) => type === 'turn.finished' || withoutNumbers(messageIn(data)) !== same)
  return other === -1 ? rows.length : other
}

function messageIn(data: string): string {
  const payload: unknown = JSON.parse(data)
  return typeof payload === 'object' && payload !== null && 'message' in payload ? String(payload.message) : ''
}

/** Without what differs from call to call: times, counts, names of requests. */
function withoutNumbers(message: string): string {
  return message.replaceAll(/[0-9a-f-]*\d[\w-]*/gi, '#')
}

function scopeOf({ scope }: Attempt, { turn }: ModelCallName) {
  return { ...scope, turn }
}
