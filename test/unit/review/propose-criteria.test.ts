import { describe, expect, test } from 'vitest'
import { proposeCriteria, withProposal } from '../../../src/review/propose-criteria.ts'
import type { Criterion, JudgedFinding } from '../../../src/shared/review.ts'
import { MAX_CRITERIA } from '../../../src/shared/review.ts'

const CRITERION: Criterion = { id: 'tests', text: 'Behaviour is tested.', severity: 'blocking', enabled: true }

/** `verdicts`: a letter a finding, `c` confirmed and `d` dismissed, newest first. */
function judged(verdicts: string, overrides: Partial<JudgedFinding> = {}): JudgedFinding[] {
  return [...verdicts].map((letter, place) => ({
    id: `fnd_${place}`,
    taskId: `tsk_${place}`,
    criterionId: CRITERION.id,
    severity: 'blocking',
    claim: `Claim ${place}`,
    verdict: letter === 'c' ? 'confirm' : 'dismiss',
    reason: null,
    ...overrides,
  }))
}

const ids = (count: number) => Array.from({ length: count }, (_unused, place) => `fnd_${place}`)

describe('proposals for a criterion', () => {
  test.each([
    ['too few verdicts', 'dddd'],
    ['mostly right', 'ccccdcd'],
    ['nobody judged', ''],
  ])('none: %s', (_why, verdicts) => {
    expect(proposeCriteria([CRITERION], judged(verdicts))).toEqual([])
  })

  test('none: it is switched off already', () => {
    expect(proposeCriteria([{ ...CRITERION, enabled: false }], judged('dddddd'))).toEqual([])
  })

  test('drop: hardly a finding was confirmed', () => {
    expect(proposeCriteria([CRITERION], judged('dddcd'))).toEqual([
      {
        id: expect.stringMatching(/^prp_[0-9a-f]{24}$/),
        kind: 'drop',
        criterion: { ...CRITERION, enabled: false },
        reason: '1 of 5 findings under it were confirmed.',
        findings: ids(5),
      },
    ])
  })

  test('weaken: half was confirmed and nobody said why the rest was not', () => {
    expect(proposeCriteria([CRITERION], judged('dcdcdc'))).toEqual([
      {
        id: expect.stringMatching(/^prp_/),
        kind: 'weaken',
        criterion: { ...CRITERION, severity: 'important' },
        reason: '3 of 6 findings under it were confirmed, too few for its weight.',
        findings: ids(6),
      },
    ])
  })

  test('reword: people said what is no finding; each reason once, on one line', () => {
    const reasons = ['Docs need\n no test. ', 'Docs need no test', 'generated code;']
    const findings = [
      ...judged('cc'),
      ...reasons.map((reason, place) => ({ ...judged('d')[0], id: `fnd_${place + 2}`, reason }) as JudgedFinding),
    ]
    expect(proposeCriteria([CRITERION], findings)).toEqual([
      {
        id: expect.stringMatching(/^prp_/),
        kind: 'reword',
        criterion: {
          ...CRITERION,
          text: 'Behaviour is tested.\nNot a finding: Docs need no test; generated code.',
        },
        reason: '2 of 5 findings under it were confirmed; people said what is none.',
        findings: ids(5),
      },
    ])
  })

  test('the same evidence keeps its id; twice as many verdicts, or other words of the criterion, change it', () => {
    const id = (verdicts: string, criterion = CRITERION) => proposeCriteria([criterion], judged(verdicts))[0]?.id
    const first = id('ddddd')
    expect([id('dddddd'), id('ddddddd')]).toEqual([first, first])
    expect(new Set([first, id('dddddddddd'), id('ddddd', { ...CRITERION, text: 'Other.' })]).size).toBe(3)
  })
})

describe('a proposal for a new criterion', () => {
  const claim = 'The query is built by joining strings'
  const twice = judged('cc', { criterionId: null, claim })

  test('comes from what was confirmed in two tasks under no criterion, in much the same words', () => {
    const [first, second] = twice as [JudgedFinding, JudgedFinding]
    const proposals = proposeCriteria([CRITERION], [first, { ...second, claim: `${claim} again` }])
    expect(proposals).toEqual([
      {
        id: expect.stringMatching(/^prp_/),
        kind: 'add',
        criterion: { id: 'criterion-2', text: claim, severity: 'important', enabled: true },
        reason: 'Confirmed in 2 tasks, and no criterion asks for it.',
        findings: ['fnd_0', 'fnd_1'],
      },
    ])
    expect(withProposal([CRITERION], proposals[0] as (typeof proposals)[0])).toEqual([
      CRITERION,
      proposals[0]?.criterion,
    ])
  })

  test('does not come from one task, from dismissed ones, from what has a criterion, or where there is no room', () => {
    const full = Array.from({ length: MAX_CRITERIA }, (_unused, n) => ({ ...CRITERION, id: `c${n}` }))
    expect([
      proposeCriteria([CRITERION], judged('cc', { criterionId: null, claim, taskId: 'tsk_one' })),
      proposeCriteria([CRITERION], judged('dd', { criterionId: null, claim })),
      proposeCriteria([CRITERION], judged('cc', { claim })),
      proposeCriteria(full, twice),
    ]).toEqual([[], [], [], []])
  })

  test('of two at once each has an id of its own', () => {
    const other = judged('cc', { criterionId: 'gone', claim: 'Secrets stand in the log lines' })
    const ids = proposeCriteria([CRITERION], [...twice, ...other]).map(({ criterion }) => criterion.id)
    expect(ids).toEqual(['criterion-2', 'criterion-3'])
  })
})
