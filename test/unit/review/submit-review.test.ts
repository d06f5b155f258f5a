import { describe, expect, test } from 'vitest'
import { parseSubmission, SUBMIT_REVIEW, submissionIn, submitReview } from '../../../src/tools/submit-review.ts'

const finding = {
  severity: 'blocking',
  file: 'a.ts',
  line: 3,
  claim: 'wrong',
  evidence: 'f(0) is NaN',
}

describe('parseSubmission', () => {
  test('a whole review is read as it was sent', () => {
    const review = {
      verdict: 'ISSUES_FOUND',
      summary: 'One issue.',
      findings: [{ ...finding, criterionId: 'tests', scenario: 'f(0)' }],
    }
    expect(parseSubmission(review)).toEqual({ ok: true, submission: review })
  })

  test.each([
    ['nonsense', 'APPROVED'],
    ['nothing', undefined],
    ['an empty object', {}],
    ['a list', []],
    ['NOT APPROVED', { verdict: 'NOT APPROVED', summary: '', findings: [] }],
    ['another case', { verdict: 'approved', summary: '', findings: [] }],
    ['space around it', { verdict: 'APPROVED ', summary: '', findings: [] }],
    ['a sentence', { verdict: 'APPROVED, except for one thing', summary: '', findings: [] }],
    ['both', { verdict: ['APPROVED', 'ISSUES_FOUND'], summary: '', findings: [] }],
    ['no findings field', { verdict: 'APPROVED', summary: '' }],
    ['an approval with a blocking finding', { verdict: 'APPROVED', summary: '', findings: [finding] }],
    [
      'an approval of what is still open',
      { verdict: 'APPROVED', summary: '', findings: [], earlier: [{ id: 'a', state: 'still_open' }] },
    ],
    ['issues without any', { verdict: 'ISSUES_FOUND', summary: '', findings: [] }],
    [
      'a severity of its own',
      { verdict: 'ISSUES_FOUND', summary: '', findings: [{ ...finding, severity: 'critical' }] },
    ],
    ['a line that is none', { verdict: 'ISSUES_FOUND', summary: '', findings: [{ ...finding, line: 0 }] }],
    ['more findings than anybody reads', { verdict: 'ISSUES_FOUND', summary: '', findings: Array(31).fill(finding) }],
    ['a field of its own', { verdict: 'APPROVED', summary: '', findings: [], approved: true }],
  ])('%s is no review', (_what, raw) => {
    expect(parseSubmission(raw)).toEqual({ ok: false, problem: expect.stringMatching(/./) })
  })

  test('texts are cut to what is stored and cleaned of control sequences', () => {
    const parsed = parseSubmission({
      verdict: 'APPROVED',
      summary: `\u001b[31m${'s'.repeat(9_000)}`,
      findings: [{ ...finding, severity: 'note', claim: 'c'.repeat(9_000), evidence: 'a\0b' }],
    })
    expect(parsed).toMatchObject({
      ok: true,
      submission: { summary: 's'.repeat(4_000), findings: [{ claim: 'c'.repeat(2_000), evidence: 'a\ufffdb' }] },
    })
  })
})

describe('submissionIn', () => {
  const submit = (input: object, status = 'finished') => ({ name: SUBMIT_REVIEW, status, input: JSON.stringify(input) })
  const approved = { verdict: 'APPROVED', summary: 'Fine.', findings: [] }
  const issues = { verdict: 'ISSUES_FOUND', summary: 'One.', findings: [finding] }
  const read = { name: 'read', status: 'finished', input: '{}' }

  test.each([
    ['one review', [read, submit(approved)], approved],
    ['the same review twice', [submit(approved), submit(approved)], approved],
    ['none', [read], null],
    ['two that differ', [submit(approved), submit(issues)], null],
    ['one beside one that cannot be read', [submit(approved), submit({ verdict: 'YES' })], null],
    ['one that cannot be read before a good one', [submit({}), submit(approved)], null],
    ['one that did not end', [submit(approved, 'started')], null],
  ])('%s', (_what, calls, submission) => {
    expect(submissionIn(calls)).toEqual(submission)
  })
})

test('the model sees the contract’s fields', () => {
  const { properties, required } = submitReview.definition.input_schema as unknown as {
    properties: { findings: { items: { required: string[] } } }
    required: string[]
  }
  expect([Object.keys(properties), required, properties.findings.items.required]).toEqual([
    ['verdict', 'summary', 'findings', 'earlier'],
    ['verdict', 'summary', 'findings'],
    ['severity', 'file', 'claim', 'evidence'],
  ])
})
