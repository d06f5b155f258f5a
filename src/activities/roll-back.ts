import { recordCheckpoint } from '../db/workspace/checkpoints.ts'
import type { NewEvent } from '../events/topics.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { MAX_FILE_EVENTS } from '../shared/event-bounds.ts'
import { newId } from '../shared/ids.ts'
import { diffStatOf } from '../shared/task.ts'
import type { CheckedRound } from './round-checks.ts'

/** Puts an earlier tree back into the workspace and says so. Safe to repeat. */
export async function rollBack(at: CheckedRound, treeHash: string): Promise<void> {
  const { input, attempt, sandbox } = at
  const { task, scope } = attempt
  await sandbox.restore(treeHash)
  hitCrashPoint('checkpoint.before_record')
  const [undone, whole] = await Promise.all([
    sandbox.changes(input.treeHash, treeHash),
    sandbox.changes(task.startTree ?? treeHash, treeHash),
  ])
  const stat = diffStatOf(whole)
  const key = `${input.taskId}:round:${input.round}`
  const reason = `The fix before review round ${input.round} made checks worse.`
  const checkpoint = { id: newId('ckp'), turn: task.turn, treeHash, label: `before fix ${input.fixRounds}`, stat }
  await recordCheckpoint(attempt, checkpoint, [
    ...undone.slice(0, MAX_FILE_EVENTS).map(
      ({ path, kind, added, removed }): NewEvent => ({
        type: 'file.changed',
        key: `file.changed:${key}:${path}`,
        scope,
        payload: { path, kind, added, removed, source: 'restore' },
      }),
    ),
    { type: 'diff.updated', key: `diff.updated:${key}`, scope, payload: { stat } },
    {
      type: 'checkpoint.restored',
      key: `checkpoint.restored:${key}`,
      scope,
      payload: { checkpointId: checkpoint.id, treeHash, from: input.treeHash, reason },
    },
  ])
}
