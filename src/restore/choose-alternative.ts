import type { Db } from '../db/client.ts'
import { readComparison, requireChoiceFits } from '../db/task/comparison-moves.ts'
import type { Comparison, KeptResult, PlannedAlternative } from '../db/task/comparisons.ts'
import { type CheckpointInConversation, getCheckpoint, listCheckpoints } from '../db/workspace/checkpoints.ts'
import type { Workspaces } from '../sandbox/workspaces.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import type { Restorer } from './restorer.ts'

interface ChooseDeps {
  readonly db: Db
  readonly workspaces: Pick<Workspaces, 'open' | 'openExisting'>
  readonly restorer: Pick<Restorer, 'restore'>
}

/**
 * Puts what a comparison chose into effect: its tree is taken over into the project's own store of checkpoints, and a
 * restore brings the files there, whose record says in one transaction that it was chosen. Nothing when the comparison is
 * not being chosen in. Throws `task_running`, `files_moved_on`, `not_found`, `restore_running` and `sandbox_*`; nothing has
 * changed then, unless the error may be tried again. Safe to repeat.
 */
export async function applyChoice(
  deps: ChooseDeps,
  at: { readonly comparisonId: string; readonly projectId: string },
): Promise<void> {
  const comparison = await readComparison(deps.db, at.comparisonId)
  const { item, result } = chosenOf(comparison)
  if (comparison.state !== 'choosing') return
  await requireChoiceFits(deps.db, at)
  const own = await listCheckpoints(deps.db, comparison.taskId)
  const last = own.at(-1)
  if (last === undefined || item === undefined || result === undefined || result.tree === null) throw gone()
  const treeHash = item.index === 0 ? result.tree : await adopt(deps, comparison, item.projectId, result.tree)
  hitCrashPoint('choice.adopted')
  const from: CheckpointInConversation = {
    ...(await getCheckpoint(deps.db, last.id)),
    treeHash,
    label: labelOf(item),
    conversationId: comparison.conversationId,
  }
  try {
    await deps.restorer.restore({ from, kind: 'alternative', comparisonId: comparison.id })
  } catch (error) {
    // Whoever opened the files after a crash has finished its restore.
    if (!(error instanceof AppError) || error.code !== 'already_decided') throw error
  }
}

function chosenOf({ chosenIndex, items, results }: Comparison): {
  readonly item: PlannedAlternative | undefined
  readonly result: KeptResult | undefined
} {
  return {
    item: items.find(({ index }) => index === chosenIndex),
    result: results?.find(({ index }) => index === chosenIndex),
  }
}

async function adopt(
  { db, workspaces }: ChooseDeps,
  { projectId, checkpointId }: Comparison,
  fork: string,
  tree: string,
): Promise<string> {
  const sandbox = await workspaces.open(projectId)
  const other = await workspaces.openExisting(fork)
  if (other === null) throw gone()
  const { treeHash: base } = await getCheckpoint(db, checkpointId)
  return await sandbox.adoptTree(other.storedTrees, tree, base)
}

function labelOf({ index, model }: PlannedAlternative): string {
  return index === 0 ? 'the task’s own result' : `alternative ${index} (${model})`
}

function gone(): AppError {
  return new AppError('not_found', 'The files of this alternative are not there any more.')
}
