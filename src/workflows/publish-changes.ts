/**
 * Gets a task's change out: a commit, a branch, a pull request. Each step may be repeated; whatever happens the publication
 * ends and says how.
 */

import { ActivityFailure, ApplicationFailure, CancellationScope, isCancellation } from '@temporalio/workflow'
import type { PublicationError, PublishInput } from '../shared/publication.ts'
import { buildCommit, finishPublication, openPullRequest, pushBranch } from './proxies.ts'

const MAX_MESSAGE = 1_500

export async function publishChanges({ publicationId, projectId }: PublishInput): Promise<void> {
  const input = { publicationId, projectId }
  let error: PublicationError | undefined
  try {
    await buildCommit.executeWithOptions({ summary: 'Make the commit' }, [input])
    await pushBranch.executeWithOptions({ summary: 'Push the branch' }, [input])
    await openPullRequest.executeWithOptions({ summary: 'Open or update the pull request' }, [input])
  } catch (failure) {
    error = errorOf(failure)
  }
  const summary = error === undefined ? 'Finish: published' : `Finish: failed, ${error.code}`
  await CancellationScope.nonCancellable(() =>
    finishPublication.executeWithOptions({ summary }, [{ ...input, ...(error === undefined ? {} : { error }) }]),
  )
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
