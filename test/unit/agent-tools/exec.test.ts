import { CancelledFailure } from '@temporalio/common'
import { expect, test } from 'vitest'
import { execIdFor, killsOnAbort } from '../../../src/agent/tools/exec.ts'
import { AppError } from '../../../src/shared/errors.ts'

test('only a person’s cancellation ends a running command', () => {
  const bare = new AbortController()
  bare.abort()
  const reasons = [
    new CancelledFailure('CANCELLED'),
    bare.signal.reason,
    new CancelledFailure('WORKER_SHUTDOWN'),
    new CancelledFailure('TIMED_OUT'),
    new CancelledFailure('NOT_FOUND'),
    new AppError('lease_lost', 'another attempt has the task'),
    'CANCELLED',
    undefined,
  ]
  expect(reasons.map(killsOnAbort)).toEqual([true, true, false, false, false, false, false, false])
})

test('a tool-use id is its exec id unless the sandbox would refuse it', () => {
  expect(execIdFor('tsk_1', 'toolu_01A-b.c')).toBe('tsk_1.toolu_01A-b.c')
  for (const odd of ['call:1', '../x', 'x'.repeat(129)]) expect(execIdFor('tsk_1', odd)).toMatch(/^call-[0-9a-f]{64}$/)
  expect(execIdFor('tsk_1', 'call:1')).not.toBe(execIdFor('tsk_2', 'call:1'))
})
