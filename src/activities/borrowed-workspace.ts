import type { Db } from '../db/client.ts'
import { endLoan, lendWorkspace, lentTree } from '../db/reviews.ts'
import type { Lease } from '../db/transaction.ts'
import type { Sandbox } from '../sandbox/types.ts'

/** Exec ids of commands that run on a borrowed workspace begin so. */
export const BASELINE_RUN = 'baseline'

/**
 * Runs `work` with another tree in the workspace and puts `ownTree` back, whatever happens. The loan is noted first: an
 * attempt that dies in between is mended by {@link returnWorkspace}, before anybody takes those files for the task's.
 */
export async function withBorrowedWorkspace<T>(
  at: { readonly db: Db; readonly lease: Lease; readonly sandbox: Sandbox },
  trees: { readonly own: string; readonly other: string },
  work: () => Promise<T>,
): Promise<T> {
  const { db, lease, sandbox } = at
  await lendWorkspace(db, lease, trees.own)
  try {
    await sandbox.restore(trees.other)
    return await work()
  } finally {
    await sandbox.restore(trees.own)
    await endLoan(db, lease)
  }
}

/**
 * Puts the workspace's own tree back when an attempt died while it had another one there. Ends what still runs on it
 * first. Costs one query when there is nothing to do. Safe to repeat.
 */
export async function returnWorkspace(db: Db, lease: Lease, sandbox: Sandbox): Promise<void> {
  const ownTree = await lentTree(db, lease.projectId)
  if (ownTree === null) return
  const left = (await sandbox.execs()).filter(
    (exec) => exec.status === 'running' && exec.execId.startsWith(`${BASELINE_RUN}-`),
  )
  await Promise.all(left.map((exec) => sandbox.kill(exec.execId)))
  await sandbox.restore(ownTree)
  await endLoan(db, lease)
}
