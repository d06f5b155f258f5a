/**
 * The second of a turn's two writes: the results of its last calls, the checkpoint of what they changed, and the next
 * turn's beginning, when the budget has room for it.
 */

import type { NewEvent } from '../../events/topics.ts'
import type { BudgetReading, BudgetsByScope } from '../../shared/budget.ts'
import { Statement } from '../statement.ts'
import type { Attempt } from '../task/attempt.ts'
import { OWN_BUDGET, type OwnBudgetRow, toReading } from '../task/budgets.ts'
import { type Tx } from '../transaction.ts'
import { addCheckpoint, type NewCheckpoint } from '../workspace/checkpoints.ts'
import { type BeginTurn, beginTurnWith, unclaimed } from './begin-turn.ts'
import { addResults, type FinishedCall, finishEvents, turnFinished } from './tool-calls.ts'
import type { JournalTurn } from './turns.ts'

/** A turn whose calls have all ended. */
export interface TurnEnd {
  readonly turn: JournalTurn
  /** Those whose results are not stored yet. */
  readonly finished: readonly FinishedCall[]
  readonly checkpoint: NewCheckpoint | null
  /** What the checkpoint tells. */
  readonly events: readonly NewEvent[]
}

/** Stores the end of a turn. A repeat changes nothing. */
export async function endTurn(attempt: Attempt, end: TurnEnd): Promise<void> {
  await attempt.tx(async (tx) => {
    tx.emit(...eventsOf(attempt, end))
    await tx.write(changesOf(attempt, end))
  })
}

/** The turn that begins in the transaction that ends another one, when nothing forbids it. */
export interface NextTurn {
  readonly begin: BeginTurn
  /** Limits of projects and days that name none of their own. */
  readonly budgets: Pick<BudgetsByScope, 'project' | 'day'>
  /** Whether the turn may begin without a word to anybody, by what is true in this transaction. */
  mayBegin(reading: BudgetReading): boolean
}

/**
 * Stores the end of a turn and begins the next one. Null: the turn has ended and the next one has not begun, since
 * `mayBegin` said no.
 */
export async function endAndBeginTurn(
  attempt: Attempt,
  end: TurnEnd,
  { begin, budgets, mayBegin }: NextTurn,
): Promise<JournalTurn | null> {
  return await attempt.tx(async (tx) => {
    tx.emit(...eventsOf(attempt, end))
    const row = await storeAndRead(tx, attempt, end, begin)
    const reading = await toReading(row, budgets, (use) => tx.query(use.text, use.values))
    if (!mayBegin(reading)) return null
    const waiting = row.waits ? await unclaimed(tx, attempt.scope.taskId, begin) : []
    return await beginTurnWith(tx, attempt, begin, waiting)
  })
}

function changesOf(attempt: Attempt, { finished, checkpoint }: TurnEnd): Statement {
  const statement = new Statement()
  addResults(statement, attempt, finished)
  if (checkpoint !== null) addCheckpoint(statement, attempt, checkpoint)
  return statement
}

function eventsOf(attempt: Attempt, { turn, finished, events }: TurnEnd): NewEvent[] {
  const figures = { ...turn, stopReason: turn.stopReason ?? 'unknown', durationMs: turn.durationMs ?? 0 }
  return [
    ...finished.flatMap((entry) => finishEvents(attempt, entry)),
    ...(finished.length > 0 ? [turnFinished(attempt, turn.turn, turn.lane, figures)] : []),
    ...events,
  ]
}

/** The end of the turn, then in the same statement what the next one needs to know. */
async function storeAndRead(
  tx: Tx,
  attempt: Attempt,
  end: TurnEnd,
  begin: BeginTurn,
): Promise<OwnBudgetRow & { readonly waits: boolean }> {
  const statement = changesOf(attempt, end)
  const { parts } = statement
  const [taskId, lane] = [statement.value(attempt.scope.taskId), statement.value(begin.lane)]
  const idle = `${statement.value(begin.idle)}::bool`
  const waits = `EXISTS (SELECT 1 FROM messages m WHERE m.task_id = ${taskId} AND m.role = 'user' AND m.status = 'queued'
      AND (${idle} OR m.delivery = 'steer') AND ${lane} = 'coder')
    OR EXISTS (SELECT 1 FROM notices n WHERE n.task_id = ${taskId} AND n.lane = ${lane} AND n.claimed_turn IS NULL)`
  const text = `${parts === '' ? '' : `WITH ${parts} `}SELECT (${waits}) AS waits, ${OWN_BUDGET} WHERE t.id = ${taskId}`
  const [row] = await tx.query<OwnBudgetRow & { waits: boolean }>(text, statement.values)
  // The task's row is locked by this transaction.
  if (!row) throw new Error('the task of a turn is gone')
  return row
}
