import { MockActivityEnvironment } from '@temporalio/testing'
import { describe, expect, test } from 'vitest'
import { runActivity } from '../../../src/activities/run-activity.ts'
import { AppError, type ErrorCode } from '../../../src/shared/errors.ts'

async function failureOf(error: unknown, attempt = 1): Promise<unknown> {
  const activity = runActivity(() => Promise.reject(error))
  return await new MockActivityEnvironment({ attempt }).run(activity, {}).catch((failure: unknown) => failure)
}

/** What Temporal is told of an attempt that was ended from outside, and broke off with an error of its client's own. */
async function interruptionOf(reason: 'WORKER_SHUTDOWN' | 'CANCELLED', attempt: number): Promise<unknown> {
  const environment = new MockActivityEnvironment({ attempt })
  const activity = runActivity(async (_: object, { signal }) => {
    environment.cancel(reason)
    if (signal.aborted) throw new Error('Request was aborted.')
  })
  return await environment.run(activity, {}).catch((failure: unknown) => failure)
}

describe('an activity that is ended from outside', () => {
  test.each([1, 6])(
    'is handed over without a pause when its worker shuts down, also in attempt %d',
    async (attempt) => {
      const failure = await interruptionOf('WORKER_SHUTDOWN', attempt)
      expect(failure).toMatchObject({
        type: 'worker_shutdown',
        nonRetryable: false,
        nextRetryDelay: 1,
        category: 'BENIGN',
      })
    },
  )

  test('is cancelled when its task is', async () => {
    const failure = await interruptionOf('CANCELLED', 1)
    expect(failure).toMatchObject({ name: 'CancelledFailure', message: 'CANCELLED' })
  })
})

describe('a failing activity', () => {
  test.each([
    // An older attempt that slept may have woken up and taken the lease from the one that counts.
    ['lost its lease', 'lease_lost', false],
    ['has no database', 'store_unavailable', false],
    ['met an overloaded model', 'model_overloaded', false],
    ['was refused by the model', 'model_auth_failed', true],
    ['found its task over', 'task_over', true],
  ] as const)('that %s is tried again only if that can help', async (_, code: ErrorCode, nonRetryable) => {
    const failure = await failureOf(new AppError(code, 'why'))
    expect(failure).toMatchObject({ name: 'ApplicationFailure', type: code, message: 'why', nonRetryable })
  })

  test('is not tried for ever', async () => {
    const failures = [await failureOf(new AppError('lease_lost', 'why'), 70), await failureOf(new Error('defect'), 5)]
    expect(failures).toMatchObject([
      { type: 'lease_lost', nonRetryable: true },
      { type: 'internal', nonRetryable: true },
    ])
  })
})
