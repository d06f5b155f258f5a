import { describe, expect, test } from 'vitest'
import { mergeChecks, ownSettings } from '../../../src/project/project-checks.ts'
import { baselineEntry, isFailing, isUnknown, isWorse, settleCheck } from '../../../src/review/check-outcome.ts'
import { missingIn } from '../../../src/review/missing.ts'
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
const unable = { ...baseline(false), state: 'cannot_run' as const }
const absent = { ...baseline(false), state: 'absent' as const }
const endless = { ...baseline(true), state: 'timed_out' as const }
const noModule = (name: string) => check('failed', { output: `Cannot find package '${name}' imported from a.js` })

describe('what a check comes to', () => {
  test.each([
    ['passed', check('passed'), undefined, undefined, 'passed'],
    ['failed, and passed at the start', check('failed'), check('failed'), baseline(false), 'failed'],
    ['failed, as at the start', check('failed'), check('failed'), baseline(true), 'failed_before'],
    ['failed, then passed', check('failed'), check('passed'), undefined, 'flaky'],
    ['failed, then passed, and failed at the start', check('failed'), check('passed'), baseline(true), 'flaky'],
    ['timed out, as at the start', check('timed_out'), undefined, baseline(true), 'failed_before'],
    ['had no time left', check('timed_out', { durationMs: 0 }), undefined, baseline(true), 'timed_out'],
    ['timed out, and did not end at the start', check('timed_out'), undefined, endless, 'timed_out'],
    ['had no program, now and at the start', check('failed', { exitCode: 127 }), undefined, unable, 'not_run'],
    ['has lost its program', check('failed', { exitCode: 127 }), undefined, baseline(false), 'failed'],
    ['is new and has no program', check('failed', { exitCode: 127 }), undefined, absent, 'not_run'],
    ['is new and imports what nobody declared', noModule('left-pad'), undefined, absent, 'failed'],
    ['is new and its dependency is not installed', noModule('express'), undefined, absent, 'not_run'],
    ['fails as it should where it could not run before', check('failed'), undefined, unable, 'failed'],
    ['lost, then passed', check('lost'), check('passed'), undefined, 'passed'],
    ['lost, then failed', check('lost'), check('failed'), baseline(false), 'failed'],
    ['lost, then failed, as at the start', check('lost'), check('failed'), baseline(true), 'failed_before'],
    ['lost twice', check('lost'), check('lost'), baseline(false), 'lost'],
  ] as const)('%s', (_what, first, again, before, status) => {
    expect(settleCheck(first, again, before, (name) => name === 'express').status).toBe(status)
  })

  test.each([
    [check('failed'), baseline(true)],
    [check('failed', { exitCode: 127 }), unable],
    [check('failed', { exitCode: 126 }), unable],
    [check('failed', { output: 'getaddrinfo EAI_AGAIN x' }), { ...baseline(true), state: 'cannot_run' }],
    [check('timed_out'), { ...baseline(true), state: 'timed_out' }],
    [check('timed_out', { durationMs: 0 }), baseline(false)],
    [check('lost', { exitCode: null }), baseline(false)],
    [check('passed'), baseline(false)],
  ])('on the first tree $status with exit code $exitCode', (result, entry) => {
    expect(baselineEntry(result)).toEqual(entry)
  })

  test('what did not end before either holds up no fix and no approval', () => {
    const result = settleCheck(check('timed_out'), undefined, endless)
    expect([isFailing(result), isUnknown(result)]).toEqual([false, true])
  })

  test.each([
    ['sh: 1: jest: not found', 127, 'jest is not installed in the sandbox'],
    ['bash: line 1: tox: command not found', 127, 'tox is not installed in the sandbox'],
    ["Error: Cannot find module '@scope/pkg/sub'", 1, 'its dependency @scope/pkg is not installed'],
    ["ModuleNotFoundError: No module named 'requests'", 1, 'its dependency requests is not installed'],
    ['Could not resolve host: example.com', 1, 'it needs the network'],
    ["Error: Cannot find module './own.js'", 1, undefined],
    ['expected 1, got 2', 1, undefined],
  ])('%s', (output, exitCode, reason) => {
    expect(missingIn(check('failed', { output, exitCode }))?.reason).toBe(reason)
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
