/** How a comparison moves on: weighed, chosen, put into effect, ended. Every move happens under the project's lock. */

import {
  type Chooser,
  type ComparisonLook,
  type ComparisonState,
  chooseByEvidence,
  isComparisonOver,
} from '../../shared/comparison.ts'
import { comparisonDecided, comparisonNote, filesMovedOn, requireChoosable } from '../../shared/comparison-words.ts'
import { AppError } from '../../shared/errors.ts'
import { noSuch } from '../../shared/refusals.ts'
import type { Db } from '../client.ts'
import { addNote } from '../project/notes.ts'
import { query } from '../query.ts'
import { inProject, type Tx } from '../transaction.ts'
import { addToOutbox } from './accept-message.ts'
import {
  type Comparison,
  type ComparisonRow,
  lockedComparison,
  resultsIn,
  toComparison,
  updatedEvent,
} from './comparisons.ts'
import { requireIdle } from './require-idle.ts'

interface At {
  readonly comparisonId: string
  readonly projectId: string
}

/** How it stands. Throws `not_found` for one that never was; one of a deleted project is there. */
export async function lookAtComparison(db: Db, { comparisonId }: At): Promise<ComparisonLook> {
  const text = `
    SELECT c.state, c.chosen_index AS "chosenIndex", (c.cancel_requested_at IS NOT NULL OR p.deleted_at IS NOT NULL)
      AS "isCancelRequested" FROM comparisons c JOIN projects p ON p.id = c.project_id WHERE c.id = $1`
  const [row] = await query<ComparisonLook>(db, text, [comparisonId])
  if (row === undefined) throw noSuch('comparison')
  return row
}

/** All of it, also of a deleted project. Throws `not_found`. */
export async function readComparison(db: Db, comparisonId: string): Promise<Comparison> {
  const [row] = await query<ComparisonRow>(db, 'SELECT * FROM comparisons WHERE id = $1', [comparisonId])
  if (row === undefined) throw noSuch('comparison')
  return toComparison(row)
}

/**
 * Keeps what the alternatives came to, and decides what comes next: the evidence chooses, a person is waited for, or it has
 * failed since none has a result. One that was decided meanwhile stays as it is. Safe to repeat. Throws `not_found`.
 */
export async function weighComparison(db: Db, at: At): Promise<ComparisonLook> {
  return await inProject(db, at.projectId, async (tx) => {
    const comparison = await lockedComparison(tx, at.comparisonId)
    const results = await resultsIn(tx, comparison)
    if (comparison.results === null) {
      await tx.query('UPDATE comparisons SET results = $2 WHERE id = $1', [comparison.id, JSON.stringify(results)])
    }
    if (comparison.state !== 'running') return toLook(comparison)
    const choice = chooseByEvidence(results)
    if (typeof choice === 'string') return toLook(await move(tx, comparison, { state: 'failed', reason: choice }))
    if (comparison.choose === 'person') return toLook(await move(tx, comparison, { state: 'waiting' }))
    const { index: chosenIndex, reason } = choice
    return toLook(await move(tx, comparison, { state: 'choosing', chosenIndex, chosenBy: 'evidence', reason }))
  })
}

/**
 * Records a person's choice, once; the workflow puts it into effect. Throws `bad_request` naming the index, `already_decided`,
 * `task_running`, `files_moved_on` when the project's files are not those of the task any more, `not_found`.
 */
export async function recordChoice(
  db: Db,
  at: At & { readonly index: number },
  { tellWorkflow }: { readonly tellWorkflow: boolean },
): Promise<Comparison> {
  return await inProject(db, at.projectId, async (tx) => {
    const comparison = await lockedComparison(tx, at.comparisonId)
    const { state, isCancelRequested } = comparison
    if (isComparisonOver(state) || state === 'choosing' || isCancelRequested) throw comparisonDecided(comparison)
    requireChoosable(await resultsIn(tx, comparison), at.index)
    await requireIdle(tx)
    await requireUnmoved(tx, comparison)
    const chosen = { state: 'choosing', chosenIndex: at.index, chosenBy: 'person', reason: null } as const
    const moved = await move(tx, comparison, chosen)
    if (tellWorkflow) await wakeWorkflow(tx, comparison.id)
    return moved
  })
}

/** Has a comparison end without a choice; its workflow sees to it. Again while it ends is fine. Throws `already_decided`, `not_found`. */
export async function requestComparisonEnd(db: Db, at: At): Promise<Comparison> {
  return await inProject(db, at.projectId, async (tx) => {
    const comparison = await lockedComparison(tx, at.comparisonId)
    if (isComparisonOver(comparison.state) || comparison.state === 'choosing') throw comparisonDecided(comparison)
    if (comparison.isCancelRequested) return comparison
    await tx.query('UPDATE comparisons SET cancel_requested_at = now() WHERE id = $1', [comparison.id])
    await wakeWorkflow(tx, comparison.id)
    return { ...comparison, isCancelRequested: true }
  })
}

async function wakeWorkflow(tx: Tx, comparisonId: string): Promise<void> {
  await addToOutbox(tx, { kind: 'wake', projectId: tx.project.id, taskId: null, payload: { comparisonId } })
}

/**
 * The project's newest checkpoint is the task's end or beginning, or what was chosen for the task before: a choice would
 * throw away other work otherwise.
 */
async function requireUnmoved(tx: Tx, { taskId }: Comparison): Promise<void> {
  const [newest] = await tx.query<{ isOfTask: boolean }>(
    `SELECT c.tree_hash IN (t.latest_tree, t.start_tree) OR EXISTS (
       SELECT 1 FROM restores r JOIN comparisons m ON m.id = r.comparison_id AND m.task_id = t.id
       JOIN checkpoints k ON k.id = r.checkpoint_id WHERE k.tree_hash = c.tree_hash) AS "isOfTask"
     FROM tasks t JOIN checkpoints c ON c.project_id = t.project_id WHERE t.id = $1 ORDER BY c.position DESC LIMIT 1`,
    [taskId],
  )
  if (newest?.isOfTask) return
  throw filesMovedOn(taskId)
}

/** As {@link recordChoice} looks, for what the evidence chose. Throws `task_running`, `files_moved_on`, `not_found`. */
export async function requireChoiceFits(db: Db, at: At): Promise<void> {
  await inProject(db, at.projectId, async (tx) => {
    await requireIdle(tx)
    await requireUnmoved(tx, await lockedComparison(tx, at.comparisonId))
  })
}

/** What was chosen cannot be put into effect: a person is waited for, who is told why. Nothing when it is not being chosen. Safe to repeat. */
export async function reopenChoice(db: Db, at: At, reason: string): Promise<ComparisonLook> {
  return await inProject(db, at.projectId, async (tx) => {
    const comparison = await lockedComparison(tx, at.comparisonId)
    if (comparison.state !== 'choosing') return toLook(comparison)
    return toLook(await move(tx, comparison, { state: 'waiting', chosenIndex: null, chosenBy: null, reason }))
  })
}

/** Throws `already_decided` unless something was chosen that is not in effect yet: somebody else may have finished its restore. */
export async function requireChoosing(tx: Tx, comparisonId: string): Promise<void> {
  const comparison = await lockedComparison(tx, comparisonId)
  if (comparison.state !== 'choosing') throw comparisonDecided(comparison)
}

/** In the transaction that records the restore: what was chosen is in effect. Nothing when it is already. */
export async function completeChoice(tx: Tx, comparisonId: string): Promise<Comparison> {
  const comparison = await lockedComparison(tx, comparisonId)
  return comparison.state === 'choosing' ? await move(tx, comparison, { state: 'chosen' }) : comparison
}

/** Ends a comparison without a choice, unless it is over, with a note in the conversation. Safe to repeat. */
export async function endComparison(
  db: Db,
  at: At,
  { state, reason }: { readonly state: 'cancelled' | 'failed'; readonly reason: string },
): Promise<void> {
  try {
    await inProject(db, at.projectId, async (tx) => {
      const comparison = await lockedComparison(tx, at.comparisonId)
      if (isComparisonOver(comparison.state)) return
      await move(tx, comparison, { state, reason, chosenIndex: null, chosenBy: null })
    })
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'not_found') throw error
    // Its project was deleted: nobody is left to be told.
    const text = `UPDATE comparisons SET state = 'cancelled', ended_at = now()
      WHERE id = $1 AND state IN ('running', 'waiting', 'choosing')`
    await query(db, text, [at.comparisonId])
  }
}

/** Notes that the projects of its alternatives are removed. Safe to repeat. */
export async function noteRemoved(db: Db, comparisonId: string): Promise<void> {
  await query(db, 'UPDATE comparisons SET removed_at = coalesce(removed_at, now()) WHERE id = $1', [comparisonId])
}

/** Comparisons whose alternatives are still there although Temporal was told of them at least `seconds` ago; at most `limit`. */
export async function comparisonsThatShouldRun(db: Db, options: { seconds: number; limit: number }): Promise<At[]> {
  const text = `
    SELECT c.id AS "comparisonId", c.project_id AS "projectId" FROM comparisons c
    WHERE c.removed_at IS NULL AND c.created_at < now() - $1 * interval '1 second'
      AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.kind = 'compare' AND o.done_at IS NULL AND o.project_id = c.project_id)
    ORDER BY c.position LIMIT $2`
  return await query<At>(db, text, [options.seconds, options.limit])
}

interface Move {
  readonly state: ComparisonState
  readonly chosenIndex?: number | null
  readonly chosenBy?: Chooser | null
  readonly reason?: string | null
}

async function move(tx: Tx, comparison: Comparison, next: Move): Promise<Comparison> {
  const { chosenIndex, chosenBy, reason } = { ...comparison, ...next }
  const [row] = await tx.query<ComparisonRow>(
    `UPDATE comparisons SET state = $2, chosen_index = $3, chosen_by = $4, reason = $5, version = version + 1,
       ended_at = CASE WHEN $6 THEN now() END WHERE id = $1 RETURNING *`,
    [comparison.id, next.state, chosenIndex, chosenBy, reason, isComparisonOver(next.state)],
  )
  if (row === undefined) throw noSuch('comparison')
  const moved = toComparison(row)
  tx.emit(updatedEvent(moved))
  const note = comparisonNote(moved)
  if (note !== null) await addNote(tx, { conversationId: moved.conversationId, text: note })
  return moved
}

function toLook({ state, chosenIndex, isCancelRequested }: Comparison): ComparisonLook {
  return { state, chosenIndex, isCancelRequested }
}
