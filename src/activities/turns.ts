import { judgeBudget } from '../agent/budget.ts'
import { type LaneStatus, runLane } from '../agent/loop.ts'
import { setNeedsAnswer } from '../db/task/approvals.ts'
import { type Attempt, acquireLease } from '../db/task/attempt.ts'
import { readBudget, setBudgetReached } from '../db/task/budgets.ts'
import { getTask } from '../db/task/tasks.ts'
import { equalFailures } from '../db/turn/model-notes.ts'
import type { JournalTurn } from '../db/turn/turns.ts'
import { isSetupRequested } from '../db/workspace/environments.ts'
import { mayBeLasting } from '../model/failures.ts'
import { HOUR_MS } from '../shared/durations.ts'
import { AppError } from '../shared/errors.ts'
import type { Activities, TurnsResult } from '../workflows/activities.ts'
import { applyEnvironment } from './apply-environment.ts'
import { createCheckpointer, noteLeftOut } from './checkpoints.ts'
import type { ActivityDeps } from './deps.ts'
import { openCoderLane } from './open-lane.ts'
import { keepingAlive, openSandbox } from './open-sandbox.ts'
import { peopleOf } from './people.ts'
import { type ActivityRun, runActivity } from './run-activity.ts'
import { setUp } from './set-up.ts'
import { changesOf } from './task-changes.ts'
import { createFolderRules } from './tell-folder-rules.ts'

/** For workflows that were started before they said how long. */
const DEFAULT_WAIT_HOURS = 168
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
    awaitBudget: runActivity(async ({ phase = 'working', need, waitHours, ...ref }, run) => {
      const attempt = await acquireLease(deps.db, ref, run, phase)
      const reading = await readBudget(deps.db, ref.taskId, deps.budgets)
      const { reached } = judgeBudget(reading, need ?? { usd: 0, turns: 1 })
      if (reached.length === 0) return { isReached: false, waitMs: 0 }
      const waitedMs = await setBudgetReached(attempt, reached)
      return { isReached: true, waitMs: Math.max(0, (waitHours ?? DEFAULT_WAIT_HOURS) * HOUR_MS - waitedMs) }
    }),
  }
}

async function runSlice(
  deps: ActivityDeps,
  { taskId, projectId, phase, mayAsk = false }: Parameters<Activities['runTurns']>[0],
  run: ActivityRun,
  sliceMs: number,
): Promise<TurnsResult> {
  const attempt = await acquireLease(deps.db, { taskId, projectId }, run, phase)
  const sandbox = await openSandbox(deps, attempt, run.onProgress)
  const environment = await applyEnvironment(deps, projectId, sandbox)
  // A slice begins at a turn boundary: that is where a set-up that a person asked for meanwhile belongs.
  if (await isSetupRequested(deps.db, projectId)) {
    await setUp(deps, { projectId, scope: attempt.scope, sandbox, run, attempt })
  }
  const people = peopleOf(deps, {
    attempt,
    sandbox,
    environment,
    mayAsk,
    onPutBack: (tree) => checkpointer.moveTo(tree),
  })
  const opened = await openCoderLane(deps, { name: 'coder', attempt, sandbox, run, people })
  const { onShellChanges } = people
  const checkpointer = createCheckpointer(deps, { attempt, sandbox, onShellChanges }, (checkpoint, events) =>
    opened.journal.recordCheckpoint(checkpoint, events),
  )
  const tellRules = createFolderRules(deps, { attempt, sandbox })
  const lane = {
    ...opened,
    onToolsDone: async (turn: JournalTurn) => {
      await checkpointer.afterTools(turn)
      await tellRules(turn)
    },
  }
  const left = lane.turns.at(-1)
  // The attempt before may have died between a turn's tools and its checkpoint.
  if (run.attempt > 1 && left !== undefined) await checkpointer.after(left)
  const endsAt = performance.now() + sliceMs
  const turns = () => runLane(lane, () => performance.now() >= endsAt)
  const status = await keepingAlive(sandbox, () => withRetryNotice(deps, attempt, run, turns))
  if (status !== 'continue' && status !== 'needs_answer') await noteLeftOut(deps, { attempt, sandbox })
  const turn = lane.turns.at(-1)?.turn ?? 0
  const after = await getTask(deps.db, taskId)
  if (status === 'needs_answer') {
    const waiting = await setNeedsAnswer(attempt)
    // All was decided meanwhile.
    if (waiting.length === 0) return { status: 'continue', turn, usage: after.usage }
    return { status, turn, usage: after.usage, waiting }
  }
  const need = status === 'needs_budget' ? lane.budget.refused : null
  const answer = { status: statusOf(status), turn, usage: after.usage }
  if (answer.status === 'idle') return { ...answer, changes: changesOf(after) }
  return { ...answer, ...(need ? { need } : {}) }
}

function statusOf(status: LaneStatus): TurnsResult['status'] {
  return status === 'answered' ? 'idle' : status
}

/**
 * Tells people that the model cannot be had right now and when it is tried again. The delay is the server's own wish,
 * else it doubles from one second to thirty, with chance in it so that many tasks do not come back at once.
 */
export async function withRetryNotice<T>(
  deps: ActivityDeps,
  attempt: Attempt,
  run: ActivityRun,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof AppError) || !error.code.startsWith('model_') || !error.retryable || run.signal.aborted)
      throw error
    if (mayBeLasting(error)) await giveUpWhenLasting(deps, attempt, error)
    const backoffMs = Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** (run.attempt - 1)) * (0.5 + Math.random() / 2)
    const delayMs = Math.round(error.retryAfterMs ?? backoffMs)
    await attempt.emit({
      type: 'model.retrying',
      key: `model.retrying:${attempt.task.id}:${attempt.lease}`,
      scope: attempt.scope,
      payload: { code: error.code, message: error.message, attempt: run.attempt, delayMs },
    })
    throw new AppError(error.code, error.message, { cause: error, retryAfterMs: delayMs })
  }
}

/** So many equal failures in a row, one after the other with pauses that grow, are no passing one. */
const MAX_EQUAL_FAILURES = 6

/** Throws what ends the task when its model's server gave this very failure at each of the last calls. */
async function giveUpWhenLasting({ db }: ActivityDeps, { task }: Attempt, error: AppError): Promise<void> {
  const before = await equalFailures(db, task.id, error.message, MAX_EQUAL_FAILURES)
  if (before + 1 < MAX_EQUAL_FAILURES) return
  const message = `The model server failed ${MAX_EQUAL_FAILURES} times in a row in the same way, so it is not asked again. ${error.message}`
  throw new AppError('model_rejected', message, { cause: error })
}
