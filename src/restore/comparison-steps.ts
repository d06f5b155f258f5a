import type { Db } from '../db/client.ts'
import { eraseDeletedProjects } from '../db/project/erase-projects.ts'
import { deleteProject } from '../db/project/projects.ts'
import { savedCriteria } from '../db/review/criteria.ts'
import { lookAtComparison, noteRemoved, readComparison } from '../db/task/comparison-moves.ts'
import type { Comparison, PlannedAlternative } from '../db/task/comparisons.ts'
import { makeAlternative } from '../db/workspace/make-alternative.ts'
import { forgetSandbox, orphanedSandboxes } from '../db/workspace/sandboxes.ts'
import type { Workspaces } from '../sandbox/workspaces.ts'
import type { AlternativeRun, CompareInput } from '../shared/comparison.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import type { Criteria } from '../shared/review.ts'
import type { CodingTaskInput } from '../shared/task.ts'

interface ForkDeps {
  readonly db: Db
  /** What reviews look for where a project has saved nothing. */
  readonly defaultCriteria: Criteria
  /** The input of a task's workflow. */
  inputFor(taskId: string): Promise<CodingTaskInput>
}

/**
 * Makes the projects and tasks of a comparison's alternatives, as far as nobody has cancelled it, and returns what their
 * workflows are started with. Throws `not_found`. Safe to repeat: what is there already stays.
 */
export async function forkAlternatives(
  deps: ForkDeps,
  at: CompareInput,
): Promise<{ runs: AlternativeRun[]; expiresAt: Date }> {
  const { db } = deps
  const comparison = await readComparison(db, at.comparisonId)
  const runs: AlternativeRun[] = []
  for (const item of comparison.items.filter(({ index }) => index > 0)) {
    const { isCancelRequested } = await lookAtComparison(db, at)
    if (isCancelRequested) break
    await makeAlternative(db, comparison, item, await criteriaOf(deps, comparison, item))
    hitCrashPoint('comparison.forked')
    runs.push({ index: item.index, input: await deps.inputFor(item.taskId) })
  }
  return { runs, expiresAt: comparison.expiresAt }
}

/** The sentences that were asked for, in the place of the project's own; its checks stay. Null: all as the project has it. */
async function criteriaOf(
  { db, defaultCriteria }: ForkDeps,
  { projectId }: Comparison,
  { criteria }: PlannedAlternative,
): Promise<Criteria | null> {
  if (criteria === null) return null
  const own = (await savedCriteria(db, projectId)) ?? defaultCriteria
  const sentences = criteria.map((text, at) => {
    return { id: `criterion-${at + 1}`, text, severity: 'blocking', enabled: true } as const
  })
  return { ...own, version: Math.max(1, own.version), criteria: sentences, enabled: true }
}

/**
 * Removes what a comparison made: sandboxes with all that runs in them, projects, and what was said there. A sandbox that was
 * never recorded is left to the sweep of deleted projects. Throws `sandbox_*`, `store_unavailable`. Safe to repeat.
 */
export async function removeAlternatives(
  { db, workspaces }: { readonly db: Db; readonly workspaces: Pick<Workspaces, 'destroy'> },
  { comparisonId }: CompareInput,
  onProgress: () => void,
): Promise<void> {
  const { items } = await readComparison(db, comparisonId)
  const forks = items.filter(({ index }) => index > 0).map(({ projectId }) => projectId)
  for (const projectId of forks) {
    await deleteProject(db, projectId)
    const [row] = await orphanedSandboxes(db, [projectId])
    if (row?.ref) {
      await workspaces.destroy(row.ref)
      await forgetSandbox(db, projectId)
    }
    onProgress()
    hitCrashPoint('comparison.fork_removed')
  }
  await eraseDeletedProjects(db, 0, forks)
  await noteRemoved(db, comparisonId)
}
