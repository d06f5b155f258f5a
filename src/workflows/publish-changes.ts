/**
 * Gets a task's change out: a commit, a branch, a pull request, after a person's leave where the project's policy wants
 * one. Each step may be repeated; whatever happens the publication ends and says how.
 */

import {
  ActivityFailure,
  ApplicationFailure,
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  patched,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow'
import type { PublicationError, PublishInput } from '../shared/publication.ts'
import { approvals, resolveApproval, wake } from './messages.ts'
import { checkDecision, decide, type WaitState } from './people.ts'
import { askToPublish, buildCommit, finishPublication, openPullRequest, pushBranch } from './proxies.ts'
import { toApprovals } from './state.ts'

const MAX_MESSAGE = 1_500

/**
 * The life of a publication: leave of a person where it is needed, commit, push, pull request. A failure is kept with the
 * publication and does not fail the workflow.
 */
export async function publishChanges({ publicationId, projectId }: PublishInput): Promise<void> {
  const input = { publicationId, projectId }
  let error: PublicationError | undefined
  try {
    if (patched('publish-asks')) await awaitLeave(input)
    await buildCommit.executeWithOptions({ summary: 'Make the commit' }, [input])
    await pushBranch.executeWithOptions({ summary: 'Push the branch' }, [input])
    await openPullRequest.executeWithOptions({ summary: 'Open or update the pull request' }, [input])
  } catch (failure) {
    error = errorOf(failure)
  }
  const summary = error === undefined ? 'Finish: published' : `Finish: failed, ${error.code}`
  await CancellationScope.nonCancellable(async () => {
    await finishPublication.executeWithOptions({ summary }, [{ ...input, ...(error === undefined ? {} : { error }) }])
    await condition(allHandlersFinished)
  })
}

/** Waits for the person's leave, as often as somebody or the time says that there is something to look at. */
async function awaitLeave(input: PublishInput): Promise<void> {
  const state: WaitState = { waiting: [], decided: new Set(), wakes: 0 }
  const show = (): void =>
    setCurrentDetails(state.waiting.map(({ title }) => `- waits for a person: ${title}`).join(''))
  let taskId = ''
  setHandler(wake, () => {
    state.wakes += 1
  })
  setHandler(approvals, () => toApprovals({ ...state, decidedBefore: 0 }))
  setHandler(resolveApproval, (given) => decide({ ref: { taskId, projectId: input.projectId }, state, show }, given), {
    validator: (given) => checkDecision(state, given),
  })
  for (let isDue = false, isFirst = true; ; isFirst = false) {
    const wakesSeen = state.wakes
    const summary = isDue
      ? 'Nobody decided in time'
      : isFirst
        ? 'Ask whether it may be published'
        : 'Look what was decided'
    const leave = await askToPublish.executeWithOptions({ summary }, [{ ...input, isDue }])
    taskId = leave.taskId
    if (leave.waiting === null) {
      state.waiting = []
      show()
      return
    }
    // A decision that came while the database was read is newer than what it said: the next look finds it.
    state.waiting = state.decided.has(leave.waiting.approvalId) ? [] : [leave.waiting]
    show()
    const leftMs = Math.max(1, Date.parse(leave.waiting.expiresAt) - Date.now())
    isDue = !(await condition(() => state.waiting.length === 0 || state.wakes > wakesSeen, leftMs))
  }
}

function errorOf(failure: unknown): PublicationError {
  if (isCancellation(failure)) return { code: 'cancelled', message: 'The publication was ended before it was done.' }
  const cause = failure instanceof ActivityFailure ? failure.cause : failure
  if (cause instanceof ApplicationFailure) {
    return { code: cause.type ?? 'internal', message: cause.message.slice(0, MAX_MESSAGE) }
  }
  return {
    code: 'internal',
    message: 'The publication failed because of an internal error; the worker’s log has the details.',
  }
}
