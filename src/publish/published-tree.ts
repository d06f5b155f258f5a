import type { Db } from '../db/client.ts'
import { query } from '../db/query.ts'
import type { Task } from '../db/task/tasks.ts'
import { AppError } from '../shared/errors.ts'
import { deliveredTrees } from './task-patch.ts'

interface LaterCheckpoint {
  readonly tree: string
  readonly taskId: string | null
  readonly kind: string | null
  /** What was chosen among alternatives to this task: its files stand for the task's own. */
  readonly isChoice: boolean
}

/**
 * The files that are published for a task: those it left, or, when the project was synced with upstream behind it, those that
 * the sync made of them, since the commit that they go on is the one that was synced with, or those of an alternative that was
 * chosen in their place. Throws what `deliveredTrees`
 * does, and `branch_moved` when other work came in between and the two can no longer be told apart.
 */
export async function publishedTree(
  db: Db,
  task: Pick<Task, 'id' | 'projectId' | 'status' | 'startTree' | 'latestTree'>,
): Promise<string> {
  const { to } = await deliveredTrees(db, task)
  let tree = to
  let before = to
  let hasOtherWork = false
  for (const checkpoint of await laterCheckpoints(db, task)) {
    if (checkpoint.kind === 'sync') {
      if (hasOtherWork) {
        const message =
          'The project was synced with upstream after later work. Publish the newest task: its files hold this change too.'
        throw new AppError('branch_moved', message, { details: { taskId: task.id } })
      }
      tree = checkpoint.tree
    } else if (checkpoint.isChoice && !hasOtherWork) tree = checkpoint.tree
    else if (checkpoint.tree !== before) hasOtherWork = true
    before = checkpoint.tree
  }
  return tree
}

async function laterCheckpoints(db: Db, { id, projectId }: Pick<Task, 'id' | 'projectId'>): Promise<LaterCheckpoint[]> {
  const text = `
    SELECT c.tree_hash AS tree, c.task_id AS "taskId", r.kind,
      coalesce(m.task_id = $2, false) AS "isChoice" FROM checkpoints c
    LEFT JOIN restores r ON r.checkpoint_id = c.id
    LEFT JOIN comparisons m ON m.id = r.comparison_id
    WHERE c.project_id = $1 AND c.position > (SELECT max(position) FROM checkpoints WHERE task_id = $2)
    ORDER BY c.position`
  return await query<LaterCheckpoint>(db, text, [projectId, id])
}
