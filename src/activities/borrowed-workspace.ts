import type { Db } from '../db/client.ts'
import { endLoan, lendWorkspace, lentTree } from '../db/review/reviews.ts'
import type { Attempt } from '../db/task/attempt.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { endsTask } from './run-activity.ts'

/** Exec ids of commands that run on a borrowed workspace begin so. */
export const BASELINE_RUN = 'baseline'

interface Place {
  readonly attempt: Attempt
  readonly sandbox: Sandbox
}

/** Whether another tree stands in the workspace now, in place of `ownTree`. */
export async function isLent(db: Db, projectId: string, ownTree: string): Promise<boolean> {
  return (await lentTree(db, projectId)) === ownTree
}

/**
 * Runs `work` with another tree in the workspace and puts `own` back. The loan is noted first. When `work` ends the task,
 * its commands are ended before the files go back. When it fails in any other way the loan stays: the next attempt goes on
 * where this one stopped, on the same commands, and whoever ends the task instead calls {@link returnWorkspace}. So
 * repeated attempts never run two copies, and no command runs on files that are not meant for it.
 */
export async function withBorrowedWorkspace<T>(
  at: Place & { readonly signal: AbortSignal },
  trees: { readonly own: string; readonly other: string },
  work: () => Promise<T>,
): Promise<T> {
  const { attempt, sandbox } = at
  const isTakenOver = await isLent(attempt.db, attempt.scope.projectId, trees.own)
  if (!isTakenOver) await lendWorkspace(attempt, trees.own)
  try {
    // A command of the loan was started only when the other tree was there whole.
    if (!isTakenOver || (await baselineRuns(sandbox, attempt.scope.taskId)).length === 0)
      await sandbox.restore(trees.other)
    const result = await work()
    await giveBack(at, trees.own)
    return result
  } catch (error) {
    if (at.signal.aborted && endsTask(at.signal.reason)) await giveBack(at, trees.own)
    throw error
  }
}

/**
 * Puts the workspace's own tree back when an attempt died while it had another one there. Ends what still runs on it
 * first. Costs one query when there is nothing to do. Safe to repeat.
 */
export async function returnWorkspace(attempt: Attempt, sandbox: Sandbox): Promise<void> {
  const ownTree = await lentTree(attempt.db, attempt.scope.projectId)
  if (ownTree !== null) await giveBack({ attempt, sandbox }, ownTree)
}

async function giveBack({ attempt, sandbox }: Place, ownTree: string): Promise<void> {
  const left = (await baselineRuns(sandbox)).filter((exec) => exec.status === 'running')
  await Promise.all(left.map((exec) => sandbox.kill(exec.execId)))
  await sandbox.restore(ownTree)
  await endLoan(attempt)
}

async function baselineRuns(sandbox: Sandbox, taskId?: string) {
  return (await sandbox.execs(taskId)).filter((exec) => exec.execId.startsWith(`${BASELINE_RUN}-`))
}
