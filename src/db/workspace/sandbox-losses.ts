import type { NewEvent } from '../../events/topics.ts'
import type { SandboxRef } from '../../sandbox/types.ts'
import { execIdFor } from '../../shared/exec-id.ts'
import { newId } from '../../shared/ids.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import type { Attempt } from '../task/attempt.ts'
import { insertNotice } from '../turn/notices.ts'

/** The newest checkpoint that lies outside a project's sandbox, and when the files were last seen to be exactly that. */
export interface SavedTree {
  readonly tree: string
  readonly savedAt: Date
}

/** A sandbox that was lost, with the newest checkpoint that was stored outside it. */
export interface SandboxLoss extends SavedTree {
  readonly generation: number
  readonly provider: string
}

/** Something that changed files and may be missing from a checkpoint. */
export interface LaterCall {
  readonly turn: number
  readonly name: string
  readonly input: string
}

/** The newest checkpoint of a project that is stored outside its sandbox; null when there is none. */
export async function savedTree(db: Db, projectId: string): Promise<SavedTree | null> {
  const text = `SELECT trees[array_upper(trees, 1)] AS tree, confirmed_at AS "savedAt" FROM sandbox_checkpoints
    WHERE project_id = $1 ORDER BY id DESC LIMIT 1`
  return (await query<SavedTree>(db, text, [projectId]))[0] ?? null
}

/**
 * Gives a lost sandbox up: the project gets the next generation, which is empty yet, and the loss is noted in the same
 * statement. False when another process did so before. Safe to repeat.
 */
export async function giveUpSandbox(db: Db, lost: SandboxRef, saved: SavedTree): Promise<boolean> {
  const text = `
    WITH next AS (
      UPDATE sandboxes SET generation = generation + 1, ref = NULL, filled = false
      WHERE project_id = $1 AND generation = $2 AND ref = $3 RETURNING generation)
    INSERT INTO sandbox_losses (project_id, generation, provider, tree_hash, saved_at)
    SELECT $1::text, $2::int, $4::text, $5::text, $6::timestamptz FROM next ON CONFLICT DO NOTHING RETURNING 1`
  const values = [lost.projectId, lost.generation, JSON.stringify(lost), lost.kind, saved.tree, saved.savedAt]
  return (await query(db, text, values)).length === 1
}

/** Commands of a project's unfinished tasks that were started and have no result yet, at most 1,000. */
export async function lostExecs(db: Db, projectId: string): Promise<{ execId: string; taskId: string }[]> {
  const text = `SELECT c.task_id AS "taskId", c.tool_use_id AS "toolUseId" FROM tool_calls c
    JOIN tasks t ON t.id = c.task_id WHERE t.project_id = $1 AND t.status NOT IN ('completed', 'failed', 'cancelled')
      AND c.status = 'started' AND c.name = 'bash' LIMIT 1000`
  const calls = await query<{ taskId: string; toolUseId: string }>(db, text, [projectId])
  return calls.map(({ taskId, toolUseId }) => ({ taskId, execId: execIdFor(taskId, toolUseId) }))
}

/** Losses that nobody was told of yet, oldest first. */
export async function untoldLosses(db: Db, projectId: string): Promise<SandboxLoss[]> {
  const text = `SELECT generation, provider, tree_hash AS tree, saved_at AS "savedAt" FROM sandbox_losses
    WHERE project_id = $1 AND told_at IS NULL ORDER BY generation LIMIT 20`
  return await query(db, text, [projectId])
}

/**
 * What was begun or ended after the files were last saved, at most `limit` and one more. A call's end is its beginning and
 * its duration: the row of a turn's last calls is written together with the checkpoint that holds what they did.
 */
export async function callsSince(db: Db, projectId: string, savedAt: Date, limit: number): Promise<LaterCall[]> {
  const text = `SELECT c.turn, c.name, c.input FROM tool_calls c JOIN tasks t ON t.id = c.task_id
    WHERE t.project_id = $1 AND c.lane = 'coder' AND c.name IN ('bash', 'write', 'edit')
      AND greatest(c.started_at, coalesce(c.started_at + c.duration_ms * interval '1 millisecond', c.finished_at)) > $2
    ORDER BY c.started_at, c.ordinal LIMIT $3`
  return await query(db, text, [projectId, savedAt, limit + 1])
}

/** Stores what people are told (`event`) and what the model is told (`notice`) of a loss, and that they were. Idempotent. */
export async function tellLoss(
  attempt: Attempt,
  loss: { readonly generation: number; readonly notice: string; readonly event: NewEvent },
): Promise<void> {
  await attempt.tx(async (tx) => {
    const notice = {
      id: newId('req'),
      lane: 'coder',
      key: `sandbox.lost:${loss.generation}`,
      text: loss.notice,
    } as const
    await insertNotice(tx, attempt.scope.taskId, notice)
    await tx.query('UPDATE sandbox_losses SET told_at = now() WHERE project_id = $1 AND generation = $2', [
      attempt.scope.projectId,
      loss.generation,
    ])
    tx.emit(loss.event)
  })
}
