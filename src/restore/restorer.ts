/**
 * Brings a project's files back to a checkpoint. The row is written first; from then on the restore is finished, by this
 * process or by whoever looks at the project's files next, so a death in between leaves the old tree or the new one.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Db } from '../db/client.ts'
import { type HeldLock, TAKEN, whileRestoring } from '../db/project/project-lock.ts'
import { lentTree } from '../db/review/reviews.ts'
import { nextLease } from '../db/task/lifecycle.ts'
import { unfinishedTasks } from '../db/task/tasks.ts'
import { type CheckpointInConversation, newestCheckpoints } from '../db/workspace/checkpoints.ts'
import {
  beginRestore,
  completeRestore,
  failRestore,
  noteBefore,
  type OutsideChange,
  pendingRestore,
  projectsToSettle,
  type Restore,
  type RestoreAsk,
} from '../db/workspace/restores.ts'
import type { Log } from '../logger.ts'
import type { FileChange, Sandbox } from '../sandbox/types.ts'
import type { Workspaces } from '../sandbox/workspaces.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import { restoreRunning, taskRunning } from '../shared/refusals.ts'
import { diffStatOf } from '../shared/task.ts'

/** How long somebody who wants the files waits for a restore that another process is at. */
const WAIT_MS = 20_000
/** The same for who only clears up: the lock of a process that died is free once its lease has run out, after 5 s. */
const SWEEP_WAIT_MS = 8_000
const POLL_MS = 100
const PROJECTS_A_SWEEP = 100

/** What a restorer works with; the caller closes `db`. */
export interface RestorerDeps {
  readonly db: Db
  /** Not guarded: the restore itself opens the files. */
  readonly workspaces: Pick<Workspaces, 'open'>
  readonly log: Pick<Log, 'info' | 'warn'>
  /** Has the outbox looked at: a task that waited for the restore may start. Must not throw. */
  kick(): void
}

/** Takes files back to a checkpoint; every worker and server has one, and any of them finishes what another began. */
export interface Restorer {
  /**
   * Makes the files equal to a checkpoint, or only the chosen paths, and returns the checkpoint that records it. Throws
   * `task_running`, `restore_running` (retryable), `bad_request` naming a path that neither tree has, `not_found` and
   * `sandbox_*`; nothing has changed then, unless the error may be tried again: the restore is finished later then.
   */
  restore(ask: RestoreAsk): Promise<CheckpointInConversation>
  /** Returns once the project has no pending restore. Throws `sandbox_busy` and whatever keeps one from ending; retryable. */
  settle(projectId: string): Promise<void>
  /** Finishes what dead processes left, in at most 100 projects; returns how many were found. Never throws for one of them. */
  settleAll(): Promise<number>
}

interface Settled {
  readonly restore: Restore
  readonly recorded: CheckpointInConversation
}

/**
 * Makes one. Holds nothing open and starts nothing; several beside each other are safe, since each restore is done
 * under its project's lock.
 */
export function createRestorer(deps: RestorerDeps): Restorer {
  const { db, workspaces, log } = deps

  /** Under the lock. The error of a restore that was given up is returned, of one that stays pending thrown. */
  async function finish(
    restore: Restore,
    opened: Sandbox,
    held: HeldLock,
  ): Promise<CheckpointInConversation | { error: unknown }> {
    // An attempt at a task that has ended may still sleep somewhere.
    const sandbox = await opened.fenced(await nextLease(db, restore.projectId))
    const before = restore.beforeTree ?? (await ownTree(restore.projectId, sandbox))
    if (restore.beforeTree === null) await noteBefore(db, restore.id, before)
    const outside = await changedOutside(db, restore.projectId, sandbox, before)
    held.check()
    const chosen = restore.paths ?? undefined
    try {
      // Only what differs: what neither tree holds is not touched, also when somebody finishes it who no longer sees it so.
      await sandbox.restore(restore.targetTree, chosen, before)
    } catch (error) {
      if (error instanceof AppError && error.retryable) throw error
      await goBack(sandbox, { before, target: restore.targetTree, chosen }, error)
      await failRestore(db, restore, error instanceof Error ? error.message : String(error))
      deps.kick()
      return { error }
    }
    const treeHash = await sandbox.checkpoint()
    const changes = await sandbox.changes(before, treeHash)
    hitCrashPoint('restore.before_record')
    held.check()
    const recorded = await completeRestore(db, restore, { treeHash, changes, stat: diffStatOf(changes) }, outside)
    deps.kick()
    return recorded
  }

  /**
   * The files as the project's people know them. Commands that a task left, whose worker died, are ended first; so is a
   * loan of the workspace to an older tree.
   */
  async function ownTree(projectId: string, sandbox: Sandbox): Promise<string> {
    await sandbox.killAll()
    const lent = await lentTree(db, projectId)
    if (lent !== null) await sandbox.restore(lent)
    return await sandbox.checkpoint()
  }

  /** Under the lock: ends what is pending, if anything, and returns what came of it. */
  async function finishPending(projectId: string, held: HeldLock): Promise<Settled | null> {
    const pending = await pendingRestore(db, projectId)
    if (pending === null) return null
    const ended = await finish(pending, await openOrGiveUp(pending), held)
    const fields = { projectId, restoreId: pending.id }
    if ('error' in ended) log.warn({ ...fields, err: ended.error }, 'a restore was given up; the files are as before')
    else log.info(fields, 'a restore that was interrupted is finished')
    return 'error' in ended ? null : { restore: pending, recorded: ended }
  }

  /** Files that are lost cannot be restored, and must not keep the project from going on without them. */
  async function openOrGiveUp(pending: Restore): Promise<Sandbox> {
    try {
      return await workspaces.open(pending.projectId)
    } catch (error) {
      if (error instanceof AppError && error.code === 'sandbox_gone') await failRestore(db, pending, error.message)
      throw error
    }
  }

  async function settle(projectId: string, waitMs: number): Promise<void> {
    const deadline = Date.now() + waitMs
    while ((await pendingRestore(db, projectId)) !== null) {
      if ((await whileRestoring(db, projectId, (held) => finishPending(projectId, held))) !== TAKEN) return
      if (Date.now() > deadline) {
        throw new AppError('sandbox_busy', 'The project’s files are being restored. Try again in a moment.')
      }
      await delay(POLL_MS)
    }
  }

  return {
    async restore(ask) {
      const { projectId } = ask.from
      await requireNoTask(db, projectId)
      const answer = await whileRestoring(db, projectId, async (held) => {
        const left = await finishPending(projectId, held)
        // Asked again after a crash: it is done.
        if (left !== null && isSame(left.restore, ask)) return left.recorded
        const sandbox = await workspaces.open(projectId)
        await checkTarget(sandbox, ask)
        const restore = await beginRestore(db, ask)
        hitCrashPoint('restore.recorded')
        return await finish(restore, sandbox, held)
      })
      if (answer === TAKEN) throw restoreRunning()
      if ('error' in answer) throw answer.error
      return answer
    },

    settle: (projectId) => settle(projectId, WAIT_MS),

    async settleAll() {
      const projects = await projectsToSettle(db, PROJECTS_A_SWEEP)
      for (const projectId of projects) {
        try {
          await settle(projectId, SWEEP_WAIT_MS)
        } catch (error) {
          log.warn({ err: error, projectId }, 'a restore could not be finished yet')
        }
      }
      return projects.length
    },
  }
}

/** A first look, before anything is opened; the one that counts is made when the restore is noted. */
async function requireNoTask(db: Db, projectId: string): Promise<void> {
  const [task] = (await unfinishedTasks(db, projectId)).reverse()
  if (task !== undefined) throw taskRunning(task.id, 'A task of this project')
}

function isSame(restore: Restore, { from, kind, paths, comparisonId }: RestoreAsk): boolean {
  const samePaths = JSON.stringify(restore.paths) === JSON.stringify(paths ?? null)
  const sameChoice = restore.comparisonId === (comparisonId ?? null)
  return restore.restoredFrom === from.id && restore.kind === kind && samePaths && sameChoice
}

/** Refuses what cannot be done while nothing has happened yet: an unknown tree, a path that neither side has. */
async function checkTarget(sandbox: Sandbox, ask: RestoreAsk): Promise<void> {
  const changes = await changesTo(sandbox, ask.from.treeHash)
  for (const [index, path] of (ask.paths ?? []).entries()) {
    if (changes.some((change) => change.path === path || change.path.startsWith(`${path}/`))) continue
    if ((await sandbox.stat(path)) !== null) continue
    throw new AppError('bad_request', `paths[${index}]: ${path} is neither in the checkpoint nor in the project`, {
      details: { [`paths[${index}]`]: 'is neither in the checkpoint nor in the project' },
    })
  }
}

async function changesTo(sandbox: Sandbox, tree: string): Promise<FileChange[]> {
  try {
    return await sandbox.changes(await sandbox.checkpoint(), tree)
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'sandbox_bad_request') throw error
    throw new AppError('not_found', 'The files of this checkpoint are not kept any more.', { cause: error })
  }
}

/** What the files hold that the newest checkpoint does not: it would be gone for good with the restore. */
async function changedOutside(
  db: Db,
  projectId: string,
  sandbox: Sandbox,
  before: string,
): Promise<OutsideChange | null> {
  const [newest] = await newestCheckpoints(db, projectId, 1)
  if (newest === undefined || newest.treeHash === before || newest.droppedAt !== null) return null
  const changes = await sandbox.changes(newest.treeHash, before)
  return changes.length === 0 ? null : { treeHash: before, stat: diffStatOf(changes) }
}

/** Undoes what a failed restore had done. When that fails too the restore stays pending, since the files are neither. */
async function goBack(
  sandbox: Sandbox,
  { before, target, chosen }: { before: string; target: string; chosen: readonly string[] | undefined },
  cause: unknown,
): Promise<void> {
  try {
    await sandbox.restore(before, chosen, target)
  } catch (error) {
    if (error instanceof AppError && error.code === 'sandbox_gone') return
    throw new AppError('sandbox_unreachable', 'The files could not be restored yet; it is tried again.', { cause })
  }
}
