import {
  endComparison,
  lookAtComparison,
  readComparison,
  recordChoice,
  reopenChoice,
  weighComparison,
} from '../db/task/comparison-moves.ts'
import type { Comparison } from '../db/task/comparisons.ts'
import { applyChoice } from '../restore/choose-alternative.ts'
import { forkAlternatives, removeAlternatives } from '../restore/comparison-steps.ts'
import { DEFAULT_CRITERIA } from '../review/criteria.ts'
import { taskInput } from '../review/task-input.ts'
import { AppError } from '../shared/errors.ts'
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
      // Nobody waits for a larger budget: an alternative that reaches its own ends there.
      const limits = { budgetWaitHours: 0, continueAsNewAfterEvents: deps.continueAsNewAfterEvents }
      const inputFor = (taskId: string) => taskInput(db, taskId, limits)
      const forked = await forkAlternatives({ db, defaultCriteria: DEFAULT_CRITERIA, inputFor }, at)
      return { ...forked, expiresAt: forked.expiresAt.toISOString() }
    }),
    weighAlternatives: runActivity(async (at) => await weighComparison(db, at)),
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
    removeAlternatives: runActivity(
      async (at, run) => await removeAlternatives({ db, workspaces }, at, run.onProgress),
    ),
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
