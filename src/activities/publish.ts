import type { Db } from '../db/client.ts'
import { endPublication } from '../db/publications.ts'
import type { PublishSteps } from '../publish/publish-steps.ts'
import { hitCrashPoint } from '../shared/crash-points.ts'
import { AppError } from '../shared/errors.ts'
import type { PublishInput } from '../shared/publication.ts'
import type { Activities } from '../workflows/activities.ts'
import { type ActivityRun, runActivity } from './run-activity.ts'

/** A host that does not answer is tried again for about two minutes; then the person is told. */
const MAX_ATTEMPTS = 9

type PublishActivities = Pick<Activities, 'buildCommit' | 'pushBranch' | 'openPullRequest' | 'finishPublication'>

/** The steps of a publication. Each throws what `PublishSteps` says and may be repeated. */
export function createPublishActivities(deps: { readonly db: Db; readonly steps: PublishSteps }): PublishActivities {
  const { db, steps } = deps
  const step = (work: (publicationId: string, run: ActivityRun) => Promise<void>) =>
    runActivity(async ({ publicationId }: PublishInput, run) => {
      try {
        await work(publicationId, run)
      } catch (error) {
        throw run.attempt >= MAX_ATTEMPTS ? final(error) : error
      }
    })
  return {
    buildCommit: step((publicationId, run) => steps.buildCommit(publicationId, run)),
    pushBranch: step((publicationId, run) => steps.pushBranch(publicationId, run)),
    openPullRequest: step((publicationId, run) => steps.openPullRequest(publicationId, run)),
    finishPublication: runActivity(async ({ publicationId, projectId, error }) => {
      await endPublication(db, { id: publicationId, projectId }, error ?? null)
      hitCrashPoint('publish.ended')
      await steps.clearUp(publicationId)
    }),
  }
}

/** An error of a service that stayed away: no more trying. */
function final(error: unknown): unknown {
  if (!(error instanceof AppError)) return error
  return new AppError(error.code, error.message, { cause: error, details: { ...error.details, final: true } })
}
