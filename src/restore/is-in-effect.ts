import type { PastCheckpoint } from './find-undo.ts'

/**
 * Whether the files that a task left are still what the project's later work stands on: an undo or a restore to an earlier
 * moment takes them out, one that leads back to them brings them in again. `past` is the project's checkpoints, newest
 * first; a task that is older than all of them counts as in effect. Pure.
 */
export function isInEffect(past: readonly PastCheckpoint[], task: { id: string; latestTree: string }): boolean {
  const own = past.filter(({ taskId }) => taskId === task.id)
  if (own.length === 0) return true
  const places = new Map(past.map((checkpoint, index) => [checkpoint.id, index]))
  // Each step goes to an older checkpoint, so this ends.
  for (let at = 0; at < past.length; ) {
    const here = past[at]
    if (here === undefined) return true
    if (here.taskId === task.id) return here.treeHash === task.latestTree
    const origin = here.restoredFrom === null || here.isPartial ? undefined : places.get(here.restoredFrom)
    if (here.restoredFrom !== null && !here.isPartial && origin === undefined) return false
    at = origin !== undefined && origin > at ? origin : at + 1
  }
  return false
}
