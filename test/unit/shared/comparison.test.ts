import { expect, test } from 'vitest'
import { type AlternativeResult, chooseByEvidence } from '../../../src/shared/comparison.ts'

const aResult = (index: number, overrides: Partial<AlternativeResult> = {}): AlternativeResult => ({
  index,
  status: 'completed',
  outcome: 'approved',
  evidence: 'verified',
  openFindings: 0,
  failedChecks: 0,
  diffStat: { files: 1, added: 10, removed: 0 },
  costUsd: 0.5,
  durationMs: 1_000,
  error: null,
  ...overrides,
})

const chosen = (...results: AlternativeResult[]) => {
  const choice = chooseByEvidence(results)
  return typeof choice === 'string' ? choice : [choice.index, choice.reason]
}

test('the best proved is chosen before all else, then the fewest findings, the smallest change and the lowest cost', () => {
  expect([
    chosen(aResult(0, { evidence: 'partly' }), aResult(1, { openFindings: 3 })),
    chosen(aResult(0, { evidence: 'unverified' }), aResult(1, { evidence: 'partly', openFindings: 9 })),
    chosen(aResult(0, { openFindings: 2 }), aResult(1, { diffStat: { files: 9, added: 900, removed: 1 } })),
    chosen(aResult(0), aResult(1, { diffStat: { files: 2, added: 3, removed: 2 } })),
    chosen(aResult(0), aResult(1, { costUsd: 0.25 })),
    chosen(aResult(0), aResult(1)),
  ]).toEqual([
    [1, 'Alternative 1 is the best proved: every check passed.'],
    [1, 'Alternative 1 is the best proved: some of its checks passed and none failed.'],
    [1, 'Alternative 1 has the fewest open findings (0), and none is better proved.'],
    [1, 'Alternative 1 is the smallest change (5 lines) of those that are proved best.'],
    [1, 'Alternative 1 cost least ($0.2500), and all else is equal.'],
    [0, 'The task’s own result comes first, and all are equal.'],
  ])
})

test('a failing check comes after everything, a change of nothing after an unproved one, an unknown cost after a known one', () => {
  const failing = aResult(0, { evidence: 'partly', failedChecks: 1 })
  const nothing = aResult(1, {
    evidence: 'unverified',
    outcome: 'no_changes',
    diffStat: { files: 0, added: 0, removed: 0 },
  })
  expect([
    chosen(failing, aResult(1, { evidence: 'unverified' }))[0],
    chosen(nothing, aResult(2, { evidence: 'unverified' }))[0],
    chosen(failing, nothing)[0],
    chosen(aResult(0, { costUsd: null }), aResult(1, { costUsd: 9 }))[0],
  ]).toEqual([1, 2, 1, 1])
})

test('what failed or was cancelled is never chosen, and when nothing else is there it says why', () => {
  const failed = aResult(1, { status: 'failed', error: 'The model is away.' })
  expect([
    chosen(failed, aResult(2, { evidence: 'unverified', failedChecks: 4 })),
    chosen(failed, aResult(2, { status: 'cancelled' })),
  ]).toEqual([
    [2, 'Alternative 2 is the only one that ended with a result.'],
    'None ended with a result, so there is nothing to choose. 1: failed (The model is away.); 2: cancelled.',
  ])
})
