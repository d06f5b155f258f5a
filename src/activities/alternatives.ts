import { eraseDeletedProjects } from '../db/project/erase-projects.ts'
import { deleteProject } from '../db/project/projects.ts'
import { savedCriteria } from '../db/review/criteria.ts'
import {
  endComparison,
  lookAtComparison,
  noteRemoved,
  readComparison,
  recordChoice,
  reopenChoice,
  weighComparison,
} from '../db/task/comparison-moves.ts'
import type { Comparison, PlannedAlternative } from '../db/task/comparisons.ts'
import { makeAlternative } from '../db/workspace/make-alternative.ts'
import { forgetSandbox, orphanedSandboxes } from '../db/workspace/sandboxes.ts'
import { applyChoice } from '../restore/choose-alternative.ts'
import { DEFAULT_CRITERIA } from '../review/criteria.ts'
import { taskInput } from '../review/task-input.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import type { Criteria } from '../shared/review.ts'
import type { Activities } from '../workflows/activities.ts'
import type { ActivityDeps } from './deps.ts'
import { type ActivityRun, runActivity } from './run-activity.ts'

/** Whatever keeps a choice from the files for about two minutes is told to people. */
const MAX_ATTEMPTS = 9

type AlternativeActivities = Pick<
  Activities,
  | 'forkAlternatives'
  | 'weighAlternatives'
  | 'lookAtComparison'
  | 'recordChoice'
  | 'applyChoice'
  | 'endComparison'
  | 'removeAlternatives'
>

/** The steps of a comparison. Each may be repeated: what it makes has ids that were decided with the comparison. */
export function createAlternativeActivities(deps: ActivityDeps): AlternativeActivities {
  const { db, workspaces, restorer } = deps
  return {
    forkAlternatives: runActivity(async (at) => {
      const comparison = await readComparison(db, at.comparisonId)
      const further = comparison.items.filter(({ index }) => index > 0)
      const runs = []
      for (const item of further) {
        const { isCancelRequested } = await lookAtComparison(db, at)
        if (isCancelRequested) break
        await makeAlternative(db, comparison, item, await criteriaOf(deps, comparison, item))
        hitCrashPoint('comparison.forked')
        // Nobody waits for a larger budget: an alternative that reaches its own ends there.
        const limits = { budgetWaitHours: 0, continueAsNewAfterEvents: deps.continueAsNewAfterEvents }
        runs.push({ index: item.index, input: await taskInput(db, item.taskId, limits) })
      }
      return { runs, expiresAt: comparison.expiresAt.toISOString() }
    }),
    weighAlternatives: runActivity(async (at) => {
      const look = await weighComparison(db, at)
      hitCrashPoint('comparison.weighed')
      return look
    }),
    lookAtComparison: runActivity(async (at) => await lookAtComparison(db, at)),
    recordChoice: runActivity(async ({ choice, ...at }) => {
      const { state, chosenIndex, isCancelRequested } = await chooseOnce(deps, { ...at, index: choice.index })
      return { state, chosenIndex, isCancelRequested }
    }),
    applyChoice: runActivity(async (at, run) => {
      try {
        await applyChoice({ db, workspaces, restorer }, at)
      } catch (error) {
        if (!isFinal(error, run)) throw error
        const reason = `What was chosen could not be put into effect. ${error.message}`
        return await reopenChoice(db, at, reason)
      }
      return await lookAtComparison(db, at)
    }),
    endComparison: runActivity(async ({ end, ...at }) => await endComparison(db, at, end)),
    removeAlternatives: runActivity(async ({ comparisonId }, run) => {
      const { items } = await readComparison(db, comparisonId)
      const forks = items.filter(({ index }) => index > 0).map(({ projectId }) => projectId)
      for (const projectId of forks) {
        await deleteProject(db, projectId)
        await destroySandbox(deps, projectId)
        run.onProgress()
        hitCrashPoint('comparison.fork_removed')
      }
      await eraseDeletedProjects(db, 0, forks)
      await noteRemoved(db, comparisonId)
      deps.sweepOutbox()
    }),
  }
}

/** A retried attempt finds what it recorded itself. */
async function chooseOnce(
  { db }: ActivityDeps,
  at: { readonly comparisonId: string; readonly projectId: string; readonly index: number },
): Promise<Comparison> {
  try {
    return await recordChoice(db, at, { tellWorkflow: false })
  } catch (error) {
    const known = await readComparison(db, at.comparisonId)
    const isSame = known.chosenIndex === at.index && known.chosenBy === 'person'
    if (error instanceof AppError && error.code === 'already_decided' && isSame) return known
    throw error
  }
}

function isFinal(error: unknown, run: ActivityRun): error is Error {
  if (error instanceof AppError) return !error.retryable || run.attempt >= MAX_ATTEMPTS
  return error instanceof Error && run.attempt >= MAX_ATTEMPTS
}

/** The sentences that were asked for, in the place of the project's own; its checks stay. Null: all as the project has it. */
async function criteriaOf(
  { db }: ActivityDeps,
  { projectId }: Comparison,
  { criteria }: PlannedAlternative,
): Promise<Criteria | null> {
  if (criteria === null) return null
  const own = (await savedCriteria(db, projectId)) ?? DEFAULT_CRITERIA
  const sentences = criteria.map((text, at) => {
    return { id: `criterion-${at + 1}`, text, severity: 'blocking', enabled: true } as const
  })
  return { ...own, version: Math.max(1, own.version), criteria: sentences, enabled: true }
}

/** Ends what runs there and removes the files; one that was never recorded is left to the sweep of deleted projects. */
async function destroySandbox({ db, workspaces }: ActivityDeps, projectId: string): Promise<void> {
  const row = (await orphanedSandboxes(db, [projectId]))[0]
  if (row?.ref === undefined || row.ref === null) return
  await workspaces.destroy(row.ref)
  await forgetSandbox(db, projectId)
}
