import type { Activities } from '../workflows/activities.ts'
import { createAlternativeActivities } from './alternatives.ts'
import { createApprovalActivities } from './approvals.ts'
import type { ActivityDeps } from './deps.ts'
import { createFinishActivities } from './finish.ts'
import { createPrepareActivities } from './prepare.ts'
import { createContextActivities } from './project-context.ts'
import { createPublishActivities } from './publish.ts'
import { createReviewActivities } from './review.ts'
import { createSetupActivities } from './set-up.ts'
import { createTurnActivities } from './turns.ts'

/** All activities over one set of dependencies, as the worker registers them. */
export function createActivities(deps: ActivityDeps): Activities {
  return {
    ...createPrepareActivities(deps),
    ...createSetupActivities(deps),
    ...createContextActivities(deps),
    ...createTurnActivities(deps),
    ...createApprovalActivities(deps),
    ...createReviewActivities(deps),
    ...createFinishActivities(deps),
    ...createPublishActivities(deps),
    ...createAlternativeActivities(deps),
  }
}
