import { expect, test } from 'vitest'
import { gapsOf } from '../../../src/review/evidence-gaps.ts'
import { evidenceOf } from '../../../src/shared/evidence.ts'
import type { CheckResult } from '../../../src/shared/review.ts'
import { endingOf } from '../../../src/web/thread/ending.ts'

const check = (status: CheckResult['status'], given: Partial<CheckResult> = {}): CheckResult => ({
  name: status,
  command: 'x',
  status,
  exitCode: status === 'passed' ? 0 : 1,
  durationMs: 1,
  output: '',
  ...given,
})

test.each([
  [[], 'unverified'],
  [['passed'], 'verified'],
  [['passed', 'passed'], 'verified'],
  [['passed', 'not_run'], 'partly'],
  [['passed', 'failed_before'], 'partly'],
  [['passed', 'flaky'], 'partly'],
  [['passed', 'timed_out'], 'partly'],
  [['failed'], 'partly'],
  [['not_run'], 'unverified'],
  [['timed_out', 'lost', 'not_run'], 'unverified'],
] as const)('checks that %j: %s', (statuses, evidence) => {
  expect(evidenceOf(statuses.map((status) => check(status)))).toBe(evidence)
})

test('each check that did not pass is a gap with its reason; without any check the reason is why there is none', () => {
  const lint = { name: 'test', reason: 'package.json has no test script' }
  expect([
    gapsOf([check('passed'), check('not_run', { reason: 'jest is not installed' }), check('failed_before')], [lint]),
    gapsOf([], [lint]),
    gapsOf([], []),
    gapsOf([check('passed')], [lint]),
  ]).toEqual([
    [
      { name: 'not_run', reason: 'jest is not installed' },
      { name: 'failed_before', reason: 'failed, as it did before the task began' },
    ],
    [lint],
    [{ name: 'checks', reason: 'no check is known for this project' }],
    [],
  ])
})

test('an approval without evidence never looks like one with it', () => {
  const task = { status: 'completed', outcome: 'approved', reason: null, killed: [] } as const
  const gaps = [{ name: 'test', reason: 'jest is not installed' }]
  expect([
    endingOf({ ...task, evidence: 'verified', evidenceGaps: [] }),
    endingOf({ ...task, evidence: 'partly', evidenceGaps: gaps }),
    endingOf({ ...task, outcome: 'approved_with_notes', evidence: 'unverified', evidenceGaps: [] }),
    endingOf({ ...task, outcome: 'issues_remaining', evidence: 'unverified', evidenceGaps: gaps }).title,
  ]).toEqual([
    { title: 'Approved', tone: 'good', note: null },
    {
      title: 'Approved, partly verified',
      tone: 'warn',
      note: 'Not every check passed on the files as they are now (test: jest is not installed).',
    },
    {
      title: 'Approved with notes, unverified',
      tone: 'warn',
      note: 'No check has run to its end on the files as they are now.',
    },
    'Issues remain',
  ])
})
