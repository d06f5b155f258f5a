import { listRounds, saveChecks, saveReviewState } from '../db/review/reviews.ts'
import { acquireLease } from '../db/task/attempt.ts'
import { getTask } from '../db/task/tasks.ts'
import type { ReviewState } from '../shared/review.ts'
import type { Activities, RoundInput } from '../workflows/activities.ts'
import { askReviewer, NOT_ASKED } from './ask-reviewer.ts'
import type { ActivityDeps } from './deps.ts'
import { endRound } from './end-round.ts'
import { failedOf, openRoundOf } from './review-round.ts'
import { rollBack } from './roll-back.ts'
import { runRoundChecks } from './round-checks.ts'
import { type ActivityRun, runActivity } from './run-activity.ts'
import { skippedEvent } from './skipped-review.ts'
import { openUnchangedRound, standingRound, unchangedSince } from './stalled-round.ts'
import { changesOf } from './task-changes.ts'

/** What the reviewer and the checks do to a task. */
export function createReviewActivities(
  deps: ActivityDeps,
): Pick<Activities, 'captureChanges' | 'runChecks' | 'reviewChanges' | 'skipReview'> {
  return {
    captureChanges: runActivity(async ({ taskId }) => changesOf(await getTask(deps.db, taskId))),
    runChecks: runActivity((input, run) => checkRound(deps, input, run)),
    reviewChanges: runActivity((input, run) => reviewRound(deps, input, run)),
    skipReview: runActivity(async ({ reason, ...ref }, run) => {
      const attempt = await acquireLease(deps.db, ref, run, 'finishing')
      const { task } = attempt
      const review: ReviewState = { ...task.review, status: 'skipped' }
      await saveReviewState(attempt, review, [skippedEvent(attempt, task.turn, reason)])
      return review
    }),
  }
}

async function checkRound(
  deps: ActivityDeps,
  input: RoundInput,
  run: ActivityRun,
): Promise<{ failed: number; review: ReviewState }> {
  const at = await openRoundOf(deps, input, run, 'checking')
  const known = at.rounds.find((round) => round.round === input.round)
  if (known?.finishedAt) return { failed: failedOf(known.checks ?? []).length, review: at.attempt.task.review }
  const unchanged = known?.checks ? null : await unchangedSince(at)
  if (unchanged !== null) await openUnchangedRound(at, unchanged)
  const results = known?.checks ?? unchanged?.checks ?? (await runRoundChecks(at))
  const review: ReviewState = {
    ...at.attempt.task.review,
    status: 'reviewing',
    round: input.round,
    treeHash: input.treeHash,
  }
  if (failedOf(results).length === 0) {
    await saveChecks(at.attempt, input.round, { checks: results, review }, [])
    return { failed: 0, review }
  }
  const standing = await standingRound(at, results)
  const ending = { ...NOT_ASKED, standing }
  if (standing !== null) await rollBack(at, standing.treeHash)
  return { failed: failedOf(results).length, review: await endRound(at, results, ending) }
}

async function reviewRound(
  deps: ActivityDeps,
  input: RoundInput,
  run: ActivityRun,
): Promise<Awaited<ReturnType<Activities['reviewChanges']>>> {
  const at = await openRoundOf(deps, input, run, 'reviewing')
  const own = at.rounds.find((round) => round.round === input.round)
  if (own?.finishedAt && own.verdict) {
    const { review, turn, usage } = at.attempt.task
    return { verdict: own.verdict, review, turn, usage }
  }
  const isUnchanged = (await unchangedSince(at)) !== null
  const { need, ...answer } = isUnchanged ? NOT_ASKED : await askReviewer(at, own?.checks ?? [])
  if (need) {
    const { review, turn, usage } = await getTask(deps.db, input.taskId)
    return { verdict: 'inconclusive', review, turn, usage, need }
  }
  // What a person said about a finding while the reviewer looked counts.
  const rounds = await listRounds(deps.db, input.taskId)
  const review = await endRound({ ...at, rounds }, own?.checks ?? [], { ...answer, isUnchanged, standing: null })
  const { turn, usage } = await getTask(deps.db, input.taskId)
  return { verdict: review.verdict ?? 'inconclusive', review, turn, usage }
}
