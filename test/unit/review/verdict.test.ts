import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DEFAULT_CRITERIA } from '../../../src/review/criteria.ts'
import { changedLines } from '../../../src/review/diff-lines.ts'
import { afterRound, judgeRound, type RoundFacts } from '../../../src/review/verdict.ts'
import type { CheckResult, Finding } from '../../../src/shared/review.ts'
import type { Submission, SubmittedFinding } from '../../../src/tools/submit-review.ts'

const CHANGED = changedLines('--- a/a.ts\n+++ b/a.ts\n@@ -10 +10 @@\n-x\n+y\n')

function aRound(given: Partial<RoundFacts> = {}): RoundFacts {
  let ids = 0
  return {
    checks: [],
    submission: aSubmission(),
    earlier: [],
    changed: CHANGED,
    criteria: DEFAULT_CRITERIA.criteria,
    newId: () => `fnd_${++ids}`,
    ...given,
  }
}

const aSubmission = (given: Partial<Submission> = {}): Submission => ({
  verdict: 'APPROVED',
  summary: 'Fine.',
  findings: [],
  ...given,
})

const submitted = (given: Partial<SubmittedFinding> = {}): SubmittedFinding => ({
  severity: 'blocking',
  file: 'a.ts',
  line: 10,
  claim: 'empty input crashes',
  evidence: 'mean([]) returns NaN instead of 0',
  ...given,
})

const finding = (given: Partial<Finding> = {}): Finding =>
  ({ id: 'fnd_old', state: 'open', ...submitted(), ...given }) as Finding

const check = (status: CheckResult['status']): CheckResult => ({
  name: 'test',
  command: 'npm test',
  status,
  exitCode: status === 'passed' ? 0 : 1,
  durationMs: 1,
  output: '',
})

const found = (...findings: SubmittedFinding[]) => aSubmission({ verdict: 'ISSUES_FOUND', findings })

describe('judgeRound', () => {
  test('installed dependencies that are not as they were keep a change from plain approval, in every round', () => {
    const moved = { path: 'node_modules', kind: 'dependencies', files: 2, examples: ['node_modules/t/i.js'] } as const
    const rewritten = aRound({ checks: [check('passed')], leftOut: [{ ...moved, replaced: 1 }] })
    const first = judgeRound(rewritten)
    const again = judgeRound({ ...rewritten, earlier: first.findings })
    const installed = judgeRound(aRound({ leftOut: [{ ...moved, replaced: 0 }] }))
    expect([first, again, installed].map(({ verdict, findings }) => [verdict, findings.length])).toEqual([
      ['approved_with_notes', 1],
      ['approved_with_notes', 1],
      ['approved', 0],
    ])
  })

  test('nothing found and every check passed is approved', () => {
    expect(judgeRound(aRound({ checks: [check('passed')] }))).toEqual({
      verdict: 'approved',
      findings: [],
      blocking: [],
      demotions: [],
      open: 0,
      resolved: 0,
    })
  })

  test('a blocking finding in the change stands', () => {
    const result = judgeRound(aRound({ submission: found(submitted({ criterionId: 'tests' })) }))
    const stands: Finding = { id: 'fnd_1', state: 'open', ...submitted(), criterionId: 'tests' } as Finding
    expect(result).toEqual({
      verdict: 'issues_found',
      findings: [stands],
      blocking: [stands],
      demotions: [],
      open: 1,
      resolved: 0,
    })
  })

  test.each([
    ['another file', { file: 'b.ts' }, 'outside_the_change', 'note'],
    ['another line', { line: 99 }, 'outside_the_change', 'note'],
    ['no evidence', { evidence: ' ' }, 'no_evidence', 'note'],
    ['evidence in name only', { evidence: 'n/a' }, 'no_evidence', 'note'],
    ['a criterion that is at most important', { criterionId: 'conventions' }, 'criterion_severity', 'important'],
  ] as const)('%s: demoted, kept and told', (_what, given, why, to) => {
    const result = judgeRound(aRound({ submission: found(submitted(given)) }))
    expect(result).toMatchObject({
      verdict: 'approved_with_notes',
      blocking: [],
      demotions: [{ findingId: 'fnd_1', from: 'blocking', to, why }],
      open: 1,
    })
  })

  test('a criterion that is switched off holds nothing up', () => {
    const criteria = DEFAULT_CRITERIA.criteria.map((criterion) => ({ ...criterion, enabled: criterion.id !== 'tests' }))
    const result = judgeRound(aRound({ criteria, submission: found(submitted({ criterionId: 'tests' })) }))
    expect(result).toMatchObject({ verdict: 'approved_with_notes', demotions: [{ why: 'criterion_off' }] })
  })

  test('an unknown criterion id is dropped, the finding is not', () => {
    const result = judgeRound(aRound({ submission: found(submitted({ criterionId: 'made-up' })) }))
    expect(result.verdict).toBe('issues_found')
    expect(result.findings[0]).not.toHaveProperty('criterionId')
  })

  test.each(['./a.ts', '/workspace/a.ts'])('%s is the file a.ts', (file) => {
    expect(judgeRound(aRound({ submission: found(submitted({ file })) })).blocking).toHaveLength(1)
  })

  test('a file of the change that is not, or not all, in the diff is not held outside', () => {
    const submission = found(submitted({ file: 'b.ts' }))
    const verdictWith = (given: Partial<RoundFacts>) => judgeRound(aRound({ submission, ...given })).verdict
    expect([
      verdictWith({}),
      verdictWith({ unseen: new Set(['b.ts']) }),
      verdictWith({ unseen: new Set(['a.ts']), submission: found(submitted({ line: 900 })) }),
      verdictWith({ submission: found(submitted({ line: 900 })) }),
    ]).toEqual(['approved_with_notes', 'issues_found', 'issues_found', 'approved_with_notes'])
  })

  test('a failing check outweighs an approval', () => {
    for (const status of ['failed', 'timed_out', 'lost'] as const) {
      expect(judgeRound(aRound({ checks: [check('passed'), check(status)] })).verdict).toBe('checks_failed')
    }
  })

  test('no readable review is inconclusive and changes no finding', () => {
    const earlier = [finding(), finding({ id: 'fnd_note', severity: 'note' })]
    expect(judgeRound(aRound({ submission: null, earlier }))).toMatchObject({
      verdict: 'inconclusive',
      findings: earlier,
      open: 2,
    })
  })

  test('an approval settles the earlier findings that it was asked about', () => {
    const result = judgeRound(aRound({ earlier: [finding()] }))
    expect(result).toMatchObject({
      verdict: 'approved',
      findings: [{ id: 'fnd_old', state: 'fixed' }],
      open: 0,
      resolved: 1,
    })
  })

  test('each earlier finding gets the state that the reviewer gave it; unmentioned ones stay open', () => {
    const earlier = ['a', 'b', 'c', 'd'].map((id) => finding({ id, state: id === 'c' ? 'disputed' : 'open' }))
    const submission = aSubmission({
      verdict: 'ISSUES_FOUND',
      earlier: [
        { id: 'a', state: 'fixed' },
        { id: 'b', state: 'still_open' },
        { id: 'c', state: 'withdrawn' },
      ],
    })
    const result = judgeRound(aRound({ earlier, submission }))
    expect(result.findings.map(({ id, state }) => [id, state])).toEqual([
      ['a', 'fixed'],
      ['b', 'open'],
      ['c', 'dismissed'],
      ['d', 'open'],
    ])
    expect(result.verdict).toBe('issues_found')
  })

  test('in a later round a finding beside the lines that the fix touched is only a note', () => {
    const submission = found(submitted({ line: 40 }), submitted({ line: 11, claim: 'the fix is wrong' }))
    const result = judgeRound(aRound({ earlier: [finding()], submission }))
    expect(result.findings.map(({ claim, line, severity, demoted }) => [claim, line, severity, demoted?.why])).toEqual([
      ['empty input crashes', 10, 'blocking', undefined],
      ['empty input crashes', 40, 'note', 'outside_the_change'],
      ['the fix is wrong', 11, 'blocking', undefined],
    ])
  })

  test('what a person dismissed holds nothing up and is not taken again', () => {
    const judgement = { verdict: 'dismiss', at: '2026-01-01T00:00:00.000Z' } as const
    const earlier = [finding({ state: 'dismissed', judgement })]
    expect(judgeRound(aRound({ earlier, submission: found(submitted()) }))).toMatchObject({
      verdict: 'approved',
      findings: earlier,
      open: 0,
    })
  })

  test('a check that failed before the task, or that is flaky, holds nothing up', () => {
    expect(judgeRound(aRound({ checks: [check('failed_before'), check('flaky')] })).verdict).toBe('approved')
  })

  test('a finding that is said twice counts once', () => {
    const again = submitted({ claim: 'Empty input crashes ' })
    expect(judgeRound(aRound({ earlier: [finding()], submission: found(submitted(), again) })).findings).toHaveLength(1)
  })
})

describe('whatever the reviewer says', () => {
  const severity = fc.constantFrom('blocking', 'important', 'note') as fc.Arbitrary<SubmittedFinding['severity']>
  const anySubmitted: fc.Arbitrary<SubmittedFinding> = fc.record(
    {
      severity,
      file: fc.constantFrom('a.ts', 'b.ts', '../x', ''),
      line: fc.constantFrom(1, 9, 10, 500),
      claim: fc.string({ maxLength: 5 }),
      evidence: fc.constantFrom('', 'n/a', 'f(0) is NaN, should be 0'),
      criterionId: fc.constantFrom('tests', 'conventions', 'made-up'),
    },
    { requiredKeys: ['severity', 'file', 'claim', 'evidence'] },
  )
  const anyEarlier = fc
    .uniqueArray(
      fc.record({
        id: fc.constantFrom('a', 'b', 'c'),
        severity,
        state: fc.constantFrom('open', 'fixed', 'disputed', 'dismissed'),
      }),
      { selector: (entry) => entry.id },
    )
    .map((list) => list.map((entry) => finding(entry as Partial<Finding>)))
  const anySubmission: fc.Arbitrary<Submission> = fc.record({
    verdict: fc.constantFrom('APPROVED', 'ISSUES_FOUND') as fc.Arbitrary<Submission['verdict']>,
    summary: fc.constant(''),
    findings: fc.array(anySubmitted, { maxLength: 6 }),
    earlier: fc.array(
      fc.record({
        id: fc.constantFrom('a', 'b', 'c', 'made-up'),
        state: fc.constantFrom('fixed', 'still_open', 'withdrawn') as fc.Arbitrary<
          'fixed' | 'still_open' | 'withdrawn'
        >,
      }),
      { maxLength: 4 },
    ),
  })
  const anyRound = fc
    .record({
      submission: fc.option(anySubmission),
      earlier: anyEarlier,
      checks: fc.array(
        fc
          .constantFrom('passed', 'failed', 'timed_out', 'lost')
          .map((status) => check(status as CheckResult['status'])),
        {
          maxLength: 3,
        },
      ),
      unseen: fc.constantFrom(new Set<string>(), new Set(['b.ts'])),
    })
    .map(aRound)

  test('approval needs passing checks, a review, and no open blocking finding', () => {
    fc.assert(
      fc.property(anyRound, (round) => {
        const result = judgeRound(round)
        const open = result.findings.filter((entry) => entry.state === 'open' || entry.state === 'disputed')
        if (result.verdict !== 'approved' && result.verdict !== 'approved_with_notes') return
        expect(round.checks.every((entry) => entry.status === 'passed')).toBe(true)
        expect(round.submission).not.toBeNull()
        expect(open.filter((entry) => entry.severity === 'blocking')).toEqual([])
        if (result.verdict === 'approved') expect(open).toEqual([])
      }),
    )
  })

  test('no earlier finding is lost, ids are unique, and the counts agree', () => {
    fc.assert(
      fc.property(anyRound, (round) => {
        const result = judgeRound(round)
        const ids = result.findings.map((entry) => entry.id)
        expect(ids.slice(0, round.earlier.length)).toEqual(round.earlier.map((entry) => entry.id))
        expect(new Set(ids).size).toBe(ids.length)
        expect(result.open + result.resolved).toBe(ids.length)
      }),
    )
  })

  test('a new blocking finding has evidence and lies in the change', () => {
    fc.assert(
      fc.property(anyRound, (round) => {
        const taken = judgeRound({ ...round, unseen: new Set() }).findings.slice(round.earlier.length)
        for (const entry of taken.filter((each) => each.severity === 'blocking')) {
          expect(entry).toMatchObject({ file: 'a.ts', evidence: 'f(0) is NaN, should be 0' })
        }
      }),
    )
  })
})

test('a review ends, or goes back to the coder while fix rounds are left', () => {
  expect([
    afterRound('approved', 0, 2),
    afterRound('approved_with_notes', 2, 2),
    afterRound('inconclusive', 0, 2),
    afterRound('issues_found', 1, 2),
    afterRound('checks_failed', 1, 2),
    afterRound('issues_found', 2, 2),
    afterRound('checks_failed', 0, 0),
  ]).toEqual([
    { next: 'end', status: 'approved' },
    { next: 'end', status: 'approved_with_notes' },
    { next: 'end', status: 'inconclusive' },
    { next: 'fix' },
    { next: 'fix' },
    { next: 'end', status: 'issues_remaining' },
    { next: 'end', status: 'issues_remaining' },
  ])
})
