import { taskRunning } from '../../shared/refusals.ts'
import type { Tx } from '../transaction.ts'
import { requireOwnProject } from './require-own-project.ts'

/**
 * Throws `task_running` while a task of the project is not over, one that waits included, and `is_alternative` when the
 * project holds a try at another one's task: its files are its comparison's.
 */
export async function requireIdle(tx: Tx): Promise<void> {
  requireOwnProject(tx)
  const [task] = await tx.query<{ id: string }>(
    `SELECT id FROM tasks WHERE project_id = $1 AND status NOT IN ('completed', 'failed', 'cancelled')
     ORDER BY position LIMIT 1`,
    [tx.project.id],
  )
  if (task !== undefined) throw taskRunning(task.id, 'A task of this project')
}
