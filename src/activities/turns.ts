import type { Lane } from '../agent/lane.ts'
import { type LaneStatus, runLane } from '../agent/loop.ts'
import { knownPathOf } from '../agent/tools/workspace-path.ts'
import { acquireLease, appendWithLease, setBudgetReached } from '../db/lifecycle.ts'
import { getTask } from '../db/tasks.ts'
import type { Lease } from '../db/transaction.ts'
import { AppError } from '../shared/errors.ts'
import type { Activities, TurnsResult } from '../workflows/activities.ts'
import { takeCheckpoint } from './checkpoints.ts'
import type { ActivityDeps } from './deps.ts'
import { openCoderLane } from './open-lane.ts'
import { type ActivityRun, runActivity } from './run-activity.ts'

const MIN_RETRY_MS = 1_000
const MAX_RETRY_MS = 30_000

/** Runs the coder. */
export function createTurnActivities(deps: ActivityDeps): Pick<Activities, 'runTurns' | 'awaitBudget'> {
  let running = 0
  return {
    runTurns: runActivity(async (input, run) => {
      running += 1
      try {
        return await runSlice(deps, input, run, deps.sliceMs(running))
      } finally {
        running -= 1
      }
    }),
    awaitBudget: runActivity(async ({ taskId, projectId }, { activity, attempt }) => {
      const { task, lease } = await acquireLease(deps.db, { taskId, projectId, activity, attempt, phase: 'working' })
      await setBudgetReached(deps.db, task, lease)
    }),
  }
}

async function runSlice(
  deps: ActivityDeps,
  { taskId, projectId, phase }: Parameters<Activities['runTurns']>[0],
  run: ActivityRun,
  sliceMs: number,
): Promise<TurnsResult> {
  const { activity, attempt } = run
  const { task, lease } = await acquireLease(deps.db, { taskId, projectId, activity, attempt, phase })
  const sandbox = await deps.workspaces.open(projectId)
  const lane = await openCoderLane(deps, { name: 'coder', task, lease, sandbox, run })
  const endsAt = performance.now() + sliceMs
  const before = lane.turns.length
  const status = await withRetryNotice(deps, lease, run, () => runLane(lane, () => performance.now() >= endsAt))
  const turn = lane.turns.at(-1)?.turn ?? 0
  const label = `turn ${turn}`
  await takeCheckpoint(deps, { task, lease, sandbox, turn, label, toolPaths: toolPaths(lane, before) })
  const { usage } = await getTask(deps.db, taskId)
  return { status: statusOf(status), turn, usage }
}

function statusOf(status: LaneStatus): TurnsResult['status'] {
  return status === 'answered' ? 'idle' : status
}

/** Paths that file tools of this slice wrote; their change was told to the stream already. */
function toolPaths(lane: Lane, from: number): Set<string> {
  const paths = new Set<string>()
  for (const turn of lane.turns.slice(Math.max(0, from - 1))) {
    for (const call of turn.toolCalls) {
      if (call.isError || call.name === 'read') continue
      const path = knownPathOf(call.name, JSON.parse(call.input), lane.sandbox.root)
      if (path !== null) paths.add(path)
    }
  }
  return paths
}

/**
 * Tells people that the model cannot be had right now and when it is tried again. The delay is the server's own wish,
 * else it doubles from one second to thirty, with chance in it so that many tasks do not come back at once.
 */
export async function withRetryNotice<T>(
  deps: ActivityDeps,
  lease: Lease,
  run: ActivityRun,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof AppError) || !error.code.startsWith('model_') || !error.retryable || run.signal.aborted)
      throw error
    const backoffMs = Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** (run.attempt - 1)) * (0.5 + Math.random() / 2)
    const delayMs = Math.round(error.retryAfterMs ?? backoffMs)
    const { projectId, conversationId, taskId } = lease
    await appendWithLease(deps.db, lease, [
      {
        type: 'model.retrying',
        key: `model.retrying:${taskId}:${lease.lease}`,
        scope: { projectId, conversationId, taskId },
        payload: { code: error.code, message: error.message, attempt: run.attempt, delayMs },
      },
    ])
    throw new AppError(error.code, error.message, { cause: error, retryAfterMs: delayMs })
  }
}
