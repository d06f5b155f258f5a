/** A checkpoint as far as it matters for the way back. */
export interface PastCheckpoint {
  readonly id: string
  /** null for one that records a restore. */
  readonly taskId: string | null
  readonly treeHash: string
  readonly restoredFrom: string | null
  readonly isPartial: boolean
}

/**
 * The task whose changes an undo would take back, and the checkpoint it began with. `past` is the project's checkpoints,
 * newest first. A restore leads to the moment it went back to, so what was undone is not undone again and what was
 * restored after an undo counts as done; a restore of chosen paths is passed over. Null when no task changed anything. Pure.
 */
export function findUndo<C extends PastCheckpoint>(past: readonly C[]): { taskId: string; start: C } | null {
  const places = new Map(past.map((checkpoint, index) => [checkpoint.id, index]))
  // Each step goes to an older checkpoint, so this ends.
  for (let at = 0; at < past.length; ) {
    const here = past[at]
    if (here === undefined) return null
    if (here.restoredFrom !== null && !here.isPartial) {
      const origin = places.get(here.restoredFrom)
      if (origin === undefined || origin <= at) return null
      at = origin
      continue
    }
    const { taskId } = here
    const first = taskId === null ? at : past.findLastIndex((checkpoint) => checkpoint.taskId === taskId)
    const start = past[first]
    if (taskId !== null && start !== undefined && start.treeHash !== here.treeHash) return { taskId, start }
    at = first + 1
  }
  return null
}
