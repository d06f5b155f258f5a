/** A turn's tool calls: what one is about to do, and what came of it. */

import type { NewEvent } from '../../events/topics.ts'
import type { Effect } from '../../shared/effect.ts'
import type { PlanItem } from '../../shared/plan.ts'
import type { Usage } from '../../shared/task.ts'
import { Statement } from '../statement.ts'
import { storable } from '../storable.ts'
import type { Attempt } from '../task/attempt.ts'
import type { Tx } from '../transaction.ts'
import { usageOf } from '../usage-columns.ts'
import { type JournalToolCall, type LaneName, roleOf, type TurnRow } from './turns.ts'

/** The call that begins at once, with what it is about to do. */
export interface StartedCall {
  readonly call: Pick<JournalToolCall, 'toolUseId' | 'name' | 'turn'>
  readonly effect: Effect
}

/** Notes what a call is about to do, directly before it does it. */
export async function startTool(attempt: Attempt, call: JournalToolCall, effect: Effect): Promise<void> {
  await attempt.tx(async (tx) => {
    await tx.query(
      `UPDATE tool_calls SET status = 'started', effect = $3, started_at = now()
       WHERE task_id = $1 AND tool_use_id = $2 AND status = 'requested'`,
      [attempt.scope.taskId, call.toolUseId, JSON.stringify(effect)],
    )
    tx.emit(...startEvents(attempt, { call, effect }))
  })
}

/** The events that tell of a call's start: the tool's own, and the command's when it runs one. Pure. */
export function startEvents(attempt: Attempt, { call, effect }: StartedCall): NewEvent[] {
  const started = toolStarted(attempt, call)
  if (effect.kind !== 'command') return [started]
  const { command, cwd } = effect
  return [
    started,
    {
      type: 'command.started',
      key: `command.started:${attempt.scope.taskId}:${call.toolUseId}`,
      scope: { ...attempt.scope, turn: call.turn },
      payload: { toolUseId: call.toolUseId, partId: outputPartId(call.toolUseId), command, cwd },
    },
  ]
}

/** The part that holds a command's output in the stream. */
export function outputPartId(toolUseId: string): string {
  return `${toolUseId}:output`
}

function toolStarted(attempt: Attempt, call: StartedCall['call']): NewEvent {
  return {
    type: 'tool.started',
    key: `tool.started:${attempt.scope.taskId}:${call.toolUseId}`,
    scope: { ...attempt.scope, turn: call.turn },
    payload: { toolUseId: call.toolUseId, name: call.name },
  }
}

/** A call of a tool with its result, as it is stored. */
export interface FinishedCall {
  readonly call: JournalToolCall
  readonly result: string
  readonly isError: boolean
  readonly durationMs: number
  /** Events that say what the call did: `command.finished`, `file.changed`. */
  readonly events: readonly NewEvent[]
  /** The plan that is the task's from now on. */
  readonly plan?: readonly PlanItem[]
}

/** Stores the results of calls that ended; the turn's last one also ends the turn. A repeat changes nothing. */
export async function finishTools(attempt: Attempt, lane: LaneName, finished: readonly FinishedCall[]): Promise<void> {
  const first = finished[0]
  if (!first) return
  await attempt.tx(async (tx) => {
    const statement = new Statement()
    addResults(statement, attempt, finished)
    await tx.query(`WITH ${statement.parts} SELECT 1`, statement.values)
    tx.emit(...finished.flatMap((entry) => finishEvents(attempt, entry)))
    const figures = await figuresWhenDone(tx, attempt, first.call.turn)
    if (figures) tx.emit(turnFinished(attempt, first.call.turn, lane, figures))
  })
}

/** Adds the results of calls that ended to a statement, with the plan they made. A result that is stored already stays. */
export function addResults(statement: Statement, attempt: Attempt, finished: readonly FinishedCall[]): void {
  if (finished.length === 0) return
  const taskId = statement.value(attempt.scope.taskId)
  const columns = [
    `${statement.value(finished.map((entry) => entry.call.toolUseId))}::text[]`,
    `${statement.value(finished.map((entry) => storable(entry.result)))}::text[]`,
    `${statement.value(finished.map((entry) => entry.isError))}::bool[]`,
    `${statement.value(finished.map((entry) => Math.round(entry.durationMs)))}::int[]`,
  ]
  statement.part(
    'results',
    `UPDATE tool_calls SET status = 'finished', result = done.result, is_error = done.is_error, finished_at = now(),
       started_at = coalesce(started_at, now()), duration_ms = done.duration_ms
     FROM unnest(${columns.join(', ')}) AS done (id, result, is_error, duration_ms)
     WHERE task_id = ${taskId} AND tool_use_id = done.id AND status <> 'finished'`,
  )
  const plan = finished.findLast((entry) => entry.plan !== undefined)?.plan
  if (plan !== undefined) statement.setTask(attempt.scope.taskId, `plan = ${statement.value(JSON.stringify(plan))}`)
}

/** The events of a call that ended. Pure. */
export function finishEvents(attempt: Attempt, entry: FinishedCall): NewEvent[] {
  const { call, result, isError, durationMs, events } = entry
  const wasStarted = call.status !== 'requested' || call.effect !== null
  return [
    ...(wasStarted ? [] : [toolStarted(attempt, call)]),
    ...events,
    {
      type: 'tool.finished',
      key: `tool.finished:${attempt.scope.taskId}:${call.toolUseId}`,
      scope: { ...attempt.scope, turn: call.turn },
      payload: { toolUseId: call.toolUseId, name: call.name, result, isError, durationMs: Math.round(durationMs) },
    },
  ]
}

async function figuresWhenDone(tx: Tx, attempt: Attempt, turn: number): Promise<TurnFigures | null> {
  const [row] = await tx.query<
    TurnRow & { cost_usd: number | null; first_token_ms: number | null; duration_ms: number }
  >(
    `SELECT * FROM turns WHERE task_id = $1 AND turn = $2 AND NOT EXISTS (
       SELECT 1 FROM tool_calls c WHERE c.task_id = $1 AND c.turn = $2 AND c.status <> 'finished')`,
    [attempt.scope.taskId, turn],
  )
  if (!row) return null
  return {
    stopReason: row.stop_reason ?? 'unknown',
    usage: usageOf(row),
    costUsd: row.cost_usd,
    firstTokenMs: row.first_token_ms,
    durationMs: row.duration_ms ?? 0,
  }
}

/** What a model call used and how long it took, in dollars (null: no price is known) and milliseconds. */
export interface TurnFigures {
  readonly stopReason: string
  readonly usage: Usage
  readonly costUsd: number | null
  readonly firstTokenMs: number | null
  readonly durationMs: number
}

/** Says that all of a turn is done. Pure. */
export function turnFinished(attempt: Attempt, turn: number, lane: LaneName, figures: TurnFigures): NewEvent {
  const { stopReason, usage, costUsd, firstTokenMs, durationMs } = figures
  return {
    type: 'turn.finished',
    key: `turn.finished:${attempt.scope.taskId}:${turn}`,
    scope: { ...attempt.scope, turn },
    payload: { role: roleOf(lane), stopReason, usage, costUsd, firstTokenMs, durationMs },
  }
}
