import type { UserBlock } from '../../model/types.ts'
import { replyStored } from '../../shared/refusals.ts'
import { wellFormed } from '../../shared/text/well-formed.ts'
import type { Attempt } from '../task/attempt.ts'

/**
 * Replaces the user message of a turn that has no reply: no model has ever taken it. Throws `journal_conflict` for a turn
 * that has one, `lease_lost`. Safe to repeat.
 */
export async function shortenTurn(attempt: Attempt, turn: number, userContent: readonly UserBlock[]): Promise<void> {
  await attempt.tx(async (tx) => {
    const rows = await tx.query(
      'UPDATE turns SET user_content = $3 WHERE task_id = $1 AND turn = $2 AND reply_content IS NULL RETURNING turn',
      [attempt.scope.taskId, turn, JSON.stringify(wellFormed(userContent))],
    )
    if (rows.length === 0) throw replyStored()
  })
}
