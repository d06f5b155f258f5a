/**
 * What every activity does besides its work: beats its heart from a timer, passes cancellation on, and turns failures
 * into Temporal's. Heartbeats stop when nothing has moved for a while, so that a wedged attempt is replaced.
 */

import { ApplicationFailure, Context, log } from '@temporalio/activity'
import { ApplicationFailureCategory } from '@temporalio/common'
import { AppError, ERRORS } from '../shared/errors.ts'

const HEARTBEAT_MS = 700
/**
 * Longer than any quiet spell that is in order: a poll ends after a few seconds, a model call in which nothing moves after 60;
 * a server of one's own is waited for longer, with a sign of life each five seconds.
 */
const STALE_AFTER_MS = 120_000
/** A failure that is a defect of ours is tried again in case it was a passing one, but not for ever. */
const MAX_INTERNAL_ATTEMPTS = 5
/** At up to 30 s apart this is about half an hour of a service being away. */
const MAX_ATTEMPTS = 70
/** Nothing has failed, so the next attempt need not wait; the retry policy's delay would double with each attempt. */
const HAND_OVER_MS = 1

/** One attempt at an activity, as its work sees it. */
export interface ActivityRun {
  /** The same for every attempt at one activity, another for every other activity. */
  readonly id: string
  readonly activity: string
  readonly attempt: number
  readonly signal: AbortSignal
  /** Proof of life; call it whenever something moved. */
  onProgress(): void
}

/** True when the abort means that the task ends, rather than that another attempt will go on. */
export function endsTask(reason: unknown): boolean {
  return reason instanceof Error && reason.message === 'CANCELLED'
}

/**
 * Makes an activity of work: heartbeats while the work says that it moves (at most every few seconds, none when nothing moved
 * for two minutes), its signal when Temporal cancels or the worker ends, and its errors as failures that Temporal repeats or
 * not, by failures.ts.
 */
export function runActivity<Input, Output>(
  work: (input: Input, run: ActivityRun) => Promise<Output>,
): (input: Input) => Promise<Output> {
  return async (input) => {
    const context = Context.current()
    let movedAt = performance.now()
    const timer = setInterval(() => {
      if (performance.now() - movedAt < STALE_AFTER_MS) context.heartbeat()
    }, HEARTBEAT_MS)
    const { workflowExecution, activityId } = context.info
    const run: ActivityRun = {
      id: `${workflowExecution?.workflowId}/${workflowExecution?.runId}/${activityId}`,
      activity: context.info.activityType,
      attempt: context.info.attempt,
      signal: context.cancellationSignal,
      onProgress() {
        movedAt = performance.now()
      },
    }
    try {
      return await work(input, run)
    } catch (error) {
      // The model's client and child processes have errors of their own for an abort: what counts is who asked for it.
      if (context.cancellationSignal.aborted) throw toInterruption(context.cancellationSignal.reason)
      throw toFailure(error, run)
    } finally {
      clearInterval(timer)
    }
  }
}

/** What Temporal is told of an attempt that was ended from outside; one whose worker shuts down is started again at once. */
function toInterruption(reason: unknown): unknown {
  if (!(reason instanceof Error) || reason.message !== 'WORKER_SHUTDOWN') return reason
  return ApplicationFailure.create({
    type: 'worker_shutdown',
    message: 'The worker was shut down; the next attempt goes on.',
    nextRetryDelay: HAND_OVER_MS,
    category: ApplicationFailureCategory.BENIGN,
  })
}

function toFailure(error: unknown, run: ActivityRun): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error
  if (!(error instanceof AppError)) {
    log.error('an activity failed unexpectedly', { activity: run.activity, attempt: run.attempt, error })
    return ApplicationFailure.create({
      type: 'internal',
      message: 'The task failed because of an internal error; the worker’s log has the details.',
      nonRetryable: run.attempt >= MAX_INTERNAL_ATTEMPTS,
    })
  }
  const retryable = mayRetry(error) && run.attempt < MAX_ATTEMPTS
  log[retryable ? 'warn' : 'error']('an activity failed', {
    activity: run.activity,
    attempt: run.attempt,
    code: error.code,
    reason: error.message,
    cause: error.cause instanceof Error ? error.cause.message : undefined,
  })
  return ApplicationFailure.create({
    type: error.code,
    message: error.message,
    nonRetryable: !retryable,
    ...(retryable && error.retryAfterMs !== undefined ? { nextRetryDelay: error.retryAfterMs } : {}),
  })
}

/**
 * A lost lease too: an older attempt that slept can wake up after the newest has begun and take the lease from it. Only
 * Temporal knows which attempt counts; it ignores what the older one answers and tries the newest again.
 */
function mayRetry(error: AppError): boolean {
  // A sandbox that was tried for minutes is given up; one that is lost may be made anew by the next attempt.
  if (error.details?.['final'] === true) return false
  if (error.code === 'sandbox_gone') return error.details?.['recoverable'] === true
  return error.code === 'lease_lost' || ERRORS[error.code].retryable
}
