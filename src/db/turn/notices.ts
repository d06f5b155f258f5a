/** Texts of the harness for a lane's next turn. */

import type { NewEvent } from '../../events/topics.ts'
import { type BudgetMark, limitName } from '../../shared/budget.ts'
import { newId } from '../../shared/ids.ts'
import type { Attempt } from '../task/attempt.ts'
import type { Tx } from '../transaction.ts'
import type { LaneName } from './turns.ts'

/** Text for the model at the lane's next turn. A repeat of a key is ignored. */
export async function addNotice(
  attempt: Attempt,
  notice: { id: string; lane: LaneName; key: string; text: string },
  events: readonly NewEvent[] = [],
): Promise<void> {
  await attempt.tx(async (tx) => {
    await insertNotice(tx, attempt.scope.taskId, notice)
    tx.emit(...events)
  })
}

/** Stores what the lane's model is told with its next turn. Safe to repeat: one a `key` and task. */
export async function insertNotice(
  tx: Tx,
  taskId: string,
  notice: { id: string; lane: LaneName; key: string; text: string },
): Promise<void> {
  await tx.query(
    'INSERT INTO notices (id, task_id, lane, key, text) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (task_id, key) DO NOTHING',
    [notice.id, taskId, notice.lane, notice.key, notice.text],
  )
}

/** Warns people and the model once that a budget is nearly used. A limit that was warned of already is skipped. */
export async function warnBudget(
  attempt: Attempt,
  marks: readonly (BudgetMark & { readonly note: string })[],
): Promise<void> {
  const { scope } = attempt
  const { taskId } = scope
  await attempt.tx(async (tx) => {
    for (const { note, ...mark } of marks) {
      const name = limitName(mark)
      const key = `${name}:${mark.limit}`
      await insertNotice(tx, taskId, { id: newId('req'), lane: 'coder', key: `budget:${key}`, text: note })
      await tx.query(
        `UPDATE tasks SET budget_warned = concat_ws(',', nullif(budget_warned, ''), $2::text)
         WHERE id = $1 AND NOT $2 = ANY(string_to_array(budget_warned, ','))`,
        [taskId, name],
      )
      tx.emit({
        type: 'budget.warning',
        key: `budget.warning:${taskId}:${key}`,
        scope,
        payload: mark,
      })
    }
  })
}
