import type { Db } from '../db/client.ts'
import { askToPublish } from '../db/task/publish-approval.ts'
import type { PublishSteps } from '../publish/publish-steps.ts'
import { AppError } from '../shared/errors.ts'
import type { PublishInput } from '../shared/publication.ts'
import type { Activities } from '../workflows/activities.ts'
import { type ActivityRun, runActivity } from './run-activity.ts'

/** A host that does not answer is tried again for about two minutes; then the person is told. */
const MAX_ATTEMPTS = 9

type PublishActivities = Pick<
  Activities,
  'askToPublish' | 'buildCommit' | 'pushBranch' | 'openPullRequest' | 'finishPublication'
>

/** The steps of a publication. Each throws what `PublishSteps` says and may be repeated. */
export function createPublishActivities({
  db,
  publishing: steps,
}: {
  readonly db: Db
  readonly publishing: PublishSteps
}): PublishActivities {
  const step = (work: (publicationId: string, run: ActivityRun) => Promise<void>) =>
    runActivity(async ({ publicationId }: PublishInput, run) => {
      try {
        await work(publicationId, run)
      } catch (error) {
        throw run.attempt >= MAX_ATTEMPTS ? final(error) : error
      }
    })
  return {
    askToPublish: runActivity(async ({ publicationId, isDue }) => await askToPublish(db, { publicationId, isDue })),
    buildCommit: step((publicationId, run) => steps.buildCommit(publicationId, run)),
    pushBranch: step((publicationId, run) => steps.pushBranch(publicationId, run)),
    openPullRequest: step((publicationId, run) => steps.openPullRequest(publicationId, run)),
    finishPublication: runActivity(async ({ publicationId, projectId, error }) => {
      await steps.finish({ publicationId, projectId }, error ?? null)
    }),
  }
}

/** An error of a service that stayed away: no more trying. */
function final(error: unknown): unknown {
  if (!(error instanceof AppError)) return error
  return new AppError(error.code, error.message, { cause: error, details: { ...error.details, final: true } })
}
