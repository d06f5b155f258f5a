import { expect, test } from 'vitest'
import { estimateCost } from '../../../src/sandbox/cost.ts'

test('an hour of E2B’s default VM is about eleven cents, and a local sandbox costs nothing', () => {
  const e2b = estimateCost('e2b', { runningMs: 3_600_000, cpus: 2, memoryMb: 512 })
  expect([e2b.usd?.toFixed(4), e2b.usdPerHour?.toFixed(4)]).toEqual(['0.1089', '0.1089'])
  expect(estimateCost('e2b', { runningMs: 1 }).usd).toBeNull()
  expect(estimateCost('local-bwrap', { runningMs: 3_600_000 })).toEqual({
    usd: 0,
    usdPerHour: 0,
    basis: 'runs on this machine, nobody bills it',
  })
})
