import type { Db } from '../db/client.ts'
import { readTaskRecords } from '../db/task/task-records.ts'
import type { Task } from '../db/task/tasks.ts'
import { listCheckpoints } from '../db/workspace/checkpoints.ts'
import type { Sandbox } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'
import { taskRunning } from '../shared/refusals.ts'
import { isOver } from '../shared/task.ts'
import { changeBody, changeTitle, requestOf } from './change-text.ts'
import { gitChangesIn } from './git-changes.ts'
import { writePatchMail } from './mail-patch.ts'
import { openScratchRepository } from './scratch-repository.ts'
import { trackedPaths } from './tracked-paths.ts'

const MAX_FILES = 20_000

/** Where the files are, and whose name the mailbox carries. */
export interface PatchDeps {
  readonly db: Db
  open(projectId: string): Promise<Sandbox>
  readonly author: { readonly name: string; readonly email: string }
}

/**
 * A task's change as a mailbox that `git am` takes: from the files it began with to those it left, without what the
 * project's ignore files name. Throws `task_running` while it runs, `no_changes` when there is nothing in it, `not_found`
 * when its files are not kept any more, `body_too_large`, and the `sandbox_*` codes.
 */
export async function taskPatch(deps: PatchDeps, task: Task, signal: AbortSignal): Promise<Buffer> {
  const { from, to } = await deliveredTrees(deps.db, task)
  const [record] = await readTaskRecords(deps.db, [task.id])
  const sandbox = await deps.open(task.projectId)
  const scratch = await openScratchRepository(await gitChangesIn(sandbox, from, to, MAX_FILES))
  try {
    const ignored = await scratch.ignored()
    const tracked = await trackedPaths(sandbox, ignored, signal)
    const { patch, stat } = await scratch.diff(new Set([...ignored].filter((path) => !tracked.has(path))))
    if (patch.length === 0) throw noChanges('It changed nothing that git would keep.')
    return writePatchMail({
      title: changeTitle(record === undefined ? '' : requestOf(record)),
      body: record === undefined ? '' : changeBody(task, record),
      author: deps.author,
      date: task.finishedAt ?? task.createdAt,
      patch,
      stat,
    })
  } finally {
    await scratch.remove()
  }
}

/** The trees between which a task's change lies. Throws `task_running`, `no_changes`, `not_found`. */
export async function deliveredTrees(
  db: Db,
  task: Pick<Task, 'id' | 'status' | 'startTree' | 'latestTree'>,
): Promise<{ from: string; to: string }> {
  if (!isOver(task.status)) throw taskRunning(task.id, 'This task')
  const { startTree: from, latestTree: to } = task
  if (from === null || to === null || from === to) throw noChanges('This task changed no files.')
  const checkpoints = await listCheckpoints(db, task.id)
  for (const tree of [from, to]) {
    const kept = checkpoints.filter(({ treeHash }) => treeHash === tree)
    if (kept.length > 0 && kept.every(({ droppedAt }) => droppedAt !== null)) {
      throw new AppError('not_found', 'The files of this task are not kept any more.')
    }
  }
  return { from, to }
}

/** `no_changes`: the task has no change to hand out; `sentence` says why. */
export function noChanges(sentence: string): AppError {
  return new AppError('no_changes', `${sentence} The archive of the project has its files as they are.`)
}
