const MAX_SLICE_MS = 10_000
/** Above this many running tasks slices grow, so that activities per second stay within what one Temporal box carries. */
const TASKS_AT_BASE = 10

/** How long a slice of turns lasts, in milliseconds; 0 stays 0, which means one turn a slice. */
export function sliceMsFor(baseMs: number, runningTasks: number): number {
  return Math.min(Math.max(baseMs, MAX_SLICE_MS), baseMs * Math.max(1, runningTasks / TASKS_AT_BASE))
}
