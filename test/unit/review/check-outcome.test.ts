import { describe, expect, test } from 'vitest'
import { baselineEntry, isWorse, settleCheck } from '../../../src/review/check-outcome.ts'
import { mergeChecks, ownSettings } from '../../../src/review/project-checks.ts'
import type { CheckResult } from '../../../src/shared/review.ts'

const check = (status: CheckResult['status'], given: Partial<CheckResult> = {}): CheckResult => ({
  name: 'test',
  command: 'npm test',
  status,
  exitCode: status === 'passed' ? 0 : 1,
  durationMs: 5,
  output: '',
  ...given,
})
const baseline = (failed: boolean) => ({ name: 'test', command: 'npm test', failed })

describe('what a check comes to', () => {
  test.each([
    ['passed', check('passed'), undefined, undefined, 'passed'],
    ['failed, and passed at the start', check('failed'), check('failed'), baseline(false), 'failed'],
    ['failed, as at the start', check('failed'), check('failed'), baseline(true), 'failed_before'],
    ['failed, then passed', check('failed'), check('passed'), undefined, 'flaky'],
    ['failed, then passed, and failed at the start', check('failed'), check('passed'), baseline(true), 'flaky'],
    ['timed out, as at the start', check('timed_out'), undefined, baseline(true), 'failed_before'],
    ['had no time left', check('timed_out', { durationMs: 0 }), undefined, baseline(true), 'timed_out'],
    ['lost, then passed', check('lost'), check('passed'), undefined, 'passed'],
    ['lost, then failed', check('lost'), check('failed'), baseline(false), 'failed'],
    ['lost, then failed, as at the start', check('lost'), check('failed'), baseline(true), 'failed_before'],
    ['lost twice', check('lost'), check('lost'), baseline(false), 'lost'],
  ] as const)('%s', (_what, first, again, before, status) => {
    expect(settleCheck(first, again, before).status).toBe(status)
  })

  test.each([
    [check('failed'), true],
    [check('failed', { exitCode: 127 }), false],
    [check('failed', { exitCode: 126 }), false],
    [check('timed_out'), true],
    [check('timed_out', { durationMs: 0 }), false],
    [check('lost', { exitCode: null }), false],
    [check('passed'), false],
  ])('on the first tree $status with exit code $exitCode', (result, failed) => {
    expect(baselineEntry(result)).toEqual(baseline(failed))
  })
})

test.each([
  ['one more fails', ['passed', 'passed'], ['passed', 'failed'], true],
  ['as many fail', ['failed', 'passed'], ['passed', 'failed'], false],
  ['fewer fail', ['failed', 'failed'], ['failed', 'passed'], false],
  ['one fails that does not count', ['passed', 'passed'], ['failed_before', 'flaky'], false],
  ['a check that was not there fails', ['passed'], ['passed', 'failed'], false],
  ['a time-out counts', ['passed', 'passed'], ['timed_out', 'passed'], true],
] as const)('a fix after which %s: worse %#', (_what, before, after, worse) => {
  const all = (statuses: readonly CheckResult['status'][]) =>
    statuses.map((status, index) => check(status, { name: `check ${index}` }))
  expect(isWorse(all(before), all(after))).toBe(worse)
})

test('a person’s list changes, adds to and switches off what is detected; only that is stored', () => {
  const detected = [
    { name: 'test', command: 'npm test' },
    { name: 'lint', command: 'npm run lint' },
    { name: 'typecheck', command: 'tsc' },
  ]
  const given = [
    { name: 'test', command: 'npm test', enabled: true },
    { name: 'lint', command: 'npm run lint', enabled: false },
    { name: 'typecheck', command: 'tsc -p .' },
    { name: 'smoke', command: './smoke.sh' },
  ]
  const own = ownSettings(detected, given)
  expect(own).toEqual(given.slice(1))
  const shown = [
    { name: 'test', command: 'npm test', enabled: true, source: 'detected' },
    { name: 'lint', command: 'npm run lint', enabled: false, source: 'detected' },
    { name: 'typecheck', command: 'tsc -p .', enabled: true, source: 'custom' },
    { name: 'smoke', command: './smoke.sh', enabled: true, source: 'custom' },
  ]
  expect(mergeChecks(detected, own)).toEqual(shown)
  expect(mergeChecks(detected, [])).toEqual(detected.map((entry) => ({ ...entry, enabled: true, source: 'detected' })))
})
