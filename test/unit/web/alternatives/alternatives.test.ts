import { describe, expect, test } from 'vitest'
import { bodyOf, isComplete, resizeDrafts } from '../../../../src/web/alternatives/alternatives-draft.ts'
import { standingOf, summaryOf } from '../../../../src/web/alternatives/comparison-words.ts'
import type { Alternative, Comparison } from '../../../../src/web/api/types.ts'

const item = (index: number, more: Partial<Alternative> = {}): Alternative => ({
  index,
  projectId: 'p',
  conversationId: 'c',
  taskId: `t${index}`,
  model: 'm',
  criteria: null,
  status: 'completed',
  outcome: 'approved',
  evidence: 'verified',
  openFindings: 0,
  failedChecks: 0,
  diffStat: { files: 1, added: 1, removed: 0 },
  costUsd: 0,
  durationMs: 1,
  error: null,
  ...more,
})
const comparison = (more: Partial<Comparison>): Comparison => ({
  id: 'x',
  taskId: 't0',
  projectId: 'p',
  conversationId: 'c',
  state: 'running',
  choose: 'person',
  chosenIndex: null,
  chosenBy: null,
  reason: null,
  maxCostUsd: null,
  createdAt: '2026-01-01T00:00:00Z',
  expiresAt: '2026-01-08T12:00:00Z',
  items: [item(0), item(1, { status: 'running', outcome: null }), item(2)],
  ...more,
})

describe('the draft of alternatives', () => {
  test('keeps what was typed when more or fewer are wanted, and a field’s key is never given to another', () => {
    const two = resizeDrafts([], 2).map((draft, at) => ({ ...draft, model: `m${at}` }))
    const three = resizeDrafts(two, 3)
    expect(three.map(({ key, model }) => [key, model])).toEqual([
      [0, 'm0'],
      [1, 'm1'],
      [2, ''],
    ])
    expect(resizeDrafts(three, 1)).toEqual([two[0]])
  })

  test('is sent with the lines that say something, and only those of a try that has criteria of its own', () => {
    const [first, second] = resizeDrafts([], 2)
    if (first === undefined || second === undefined) throw new Error('two were asked for')
    const drafts = [
      { ...first, model: 'other', criteria: 'left from before' },
      { ...second, hasCriteria: true, criteria: ' It is short. \n\n' },
    ]
    const rest = { include: true, choose: 'person', clientComparisonId: 'one' } as const
    expect(bodyOf(drafts, rest)).toEqual({
      alternatives: [{ model: 'other' }, { criteria: ['It is short.'] }],
      ...rest,
    })
    expect([isComplete(drafts), isComplete([{ ...second, hasCriteria: true, criteria: ' \n' }])]).toEqual([true, false])
  })
})

test('a comparison says in one line how far it is and what was taken, by whom', () => {
  const said = [
    comparison({}),
    comparison({ state: 'choosing' }),
    comparison({ state: 'chosen', chosenIndex: 2, chosenBy: 'evidence' }),
    comparison({ state: 'chosen', chosenIndex: 0, chosenBy: 'person' }),
    comparison({ state: 'cancelled' }),
    comparison({ state: 'failed' }),
  ].map((each) => summaryOf(each).text)
  expect(said).toEqual([
    '2 of 3 done',
    'Being taken over',
    'Alternative 2 taken by the evidence',
    'Kept as it was',
    'Cancelled, nothing was taken',
    'Nothing was taken',
  ])
})

test('an alternative stands as end cards say it: an approval that nothing backs is never plain green', () => {
  const all = [
    item(1),
    item(1, { evidence: 'unverified' }),
    item(1, { status: 'running', outcome: null }),
    item(1, { status: 'needs_answer', outcome: null }),
    item(1, { status: 'cancelled', outcome: null }),
    item(1, { status: 'failed', outcome: null }),
  ]
  expect(all.map((each) => Object.values(standingOf(each)))).toEqual([
    ['Approved', 'good'],
    ['Approved, unverified', 'warn'],
    ['Working', 'info'],
    ['Needs an answer', 'warn'],
    ['Stopped', 'neutral'],
    ['Failed', 'bad'],
  ])
})
