import { expect, test } from 'vitest'
import { RecentFailure } from '../../../src/shared/recent-failure.ts'

test('a failure counts until its time is over or something succeeds', () => {
  let now = 0
  const failure = new RecentFailure({ forMs: 5_000, now: () => now })
  const seen = [failure.isFailing]
  failure.failed()
  seen.push(failure.isFailing)
  now = 4_999
  seen.push(failure.isFailing)
  failure.failed()
  now = 9_998
  seen.push(failure.isFailing)
  now = 9_999
  seen.push(failure.isFailing)
  failure.failed()
  failure.succeeded()
  seen.push(failure.isFailing)
  expect(seen).toEqual([false, true, true, true, false, false])
})
