/**
 * The one place where workflow code gets its activities. Rules for all of them: a cancelled activity is waited for, since
 * it may be ending processes (the SDK's own default is not to wait, whatever its documentation says); a dead worker is
 * noticed within five seconds; failures that nobody mends by waiting are marked non-retryable where they are thrown, so
 * everything else is tried again without a limit of attempts, at most half a minute apart.
 */

import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow'
import type { Activities } from './activities.ts'

const shared = {
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  heartbeatTimeout: '5s',
  retry: { initialInterval: '300ms', backoffCoefficient: 2, maximumInterval: '30s' },
} as const

const sandbox = proxyActivities<Activities>({ ...shared, startToCloseTimeout: '10m' })
const turns = proxyActivities<Activities>({ ...shared, startToCloseTimeout: '60m' })
const records = proxyActivities<Activities>({ ...shared, startToCloseTimeout: '2m' })

/** Preparing fills a sandbox and may wait for a clone. */
export const { prepareTask, prepareSandbox, prepareProjectContext, refreshContext } = sandbox
/** A slice may hold a command of ten minutes and a model call of ten more. */
export const { runTurns, runChecks, reviewChanges } = turns
/** A set-up has 15 minutes for its commands and may wait for another one. */
export const { setUpProject, setUpAlone } = turns
/** Each reads and writes rows. */
export const { captureChanges, skipReview, awaitBudget, recordDecision, expireApprovals, finishTask, askToPublish } =
  records
/** Each fetches or pushes at most once, within the time limits of git itself. */
export const { buildCommit, pushBranch, openPullRequest } = sandbox
/** Records how a publication ended. */
export const { finishPublication } = records
/** A choice copies files, and removing a try ends its processes. */
export const { applyChoice, removeAlternatives } = sandbox
/** Each reads and writes rows. */
export const { forkAlternatives, weighAlternatives, lookAtComparison, recordChoice, endComparison } = records
