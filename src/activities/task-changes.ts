import type { Task } from '../db/task/tasks.ts'
import { isWork } from '../shared/left-out.ts'
import type { ChangesResult } from '../workflows/activities.ts'

/**
 * What a task has changed so far. Every slice ends with a checkpoint and a look at what checkpoints leave out, so its row
 * says it. Pure.
 */
export function changesOf({ startTree, latestTree, diffStat, leftOut }: Task): ChangesResult {
  const treeHash = latestTree ?? startTree ?? ''
  return { changed: treeHash !== startTree || isWork(leftOut), treeHash, stat: diffStat }
}
