import { describe, expect, test } from 'vitest'
import { CriteriaBodySchema, CriteriaUpdateSchema, DEFAULT_CRITERIA } from '../../../src/review/criteria.ts'

const { version: _version, ...update } = DEFAULT_CRITERIA
const criterion = { id: 'own', text: 'No console output.', severity: 'note', enabled: true }

test('the default criteria are valid and cover the five themes', () => {
  expect(CriteriaUpdateSchema.parse(update)).toEqual(update)
  expect(DEFAULT_CRITERIA.criteria.map((entry) => entry.id)).toEqual([
    'correctness',
    'completeness',
    'tests',
    'security',
    'conventions',
  ])
})

describe('what is refused, naming the item', () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => ({ ...criterion, id: `c${i}` }))
  test.each([
    ['more than 50 criteria', { criteria: many(51) }, 'criteria'],
    [
      'a text over 2,000 characters',
      { criteria: [criterion, { ...criterion, id: 'b', text: 'x'.repeat(2_001) }] },
      'criteria.1.text',
    ],
    ['an empty text', { criteria: [{ ...criterion, text: '  ' }] }, 'criteria.0.text'],
    ['NUL in a text', { criteria: [{ ...criterion, text: 'a\0' }] }, 'criteria.0.text'],
    ['an unknown severity', { criteria: [{ ...criterion, severity: 'critical' }] }, 'criteria.0.severity'],
    ['an id that is no slug', { criteria: [{ ...criterion, id: 'Own Rule' }] }, 'criteria.0.id'],
    ['an id twice', { criteria: [criterion, criterion] }, 'criteria.1.id'],
    ['a check without a command', { checks: [{ name: 'test', command: '' }] }, 'checks.0.command'],
    ['a check that is no object', { checks: ['npm test'] }, 'checks.0'],
    [
      'a check’s name twice',
      {
        checks: [
          { name: 't', command: 'a' },
          { name: 't', command: 'b' },
        ],
      },
      'checks.1.name',
    ],
    ['six fix rounds', { maxFixRounds: 6 }, 'maxFixRounds'],
    ['half a fix round', { maxFixRounds: 0.5 }, 'maxFixRounds'],
    ['a field of another name', { strict: true }, ''],
  ])('%s', (_what, given, path) => {
    const parsed = CriteriaUpdateSchema.safeParse({ ...update, ...given })
    expect(parsed.error?.issues.map((issue) => issue.path.join('.'))).toEqual([path])
  })

  test('what a GET adds for people is taken back and dropped', () => {
    const shown = {
      ...DEFAULT_CRITERIA,
      criteria: [{ ...criterion, precision: 0.5, judged: 2 }],
      checks: [{ name: 'test', command: 'npm test', enabled: true, source: 'detected' }],
      workspace: 'read',
      proposal: { path: 'REVIEW.md', text: 'x', hash: 'y' },
    }
    const checks = [{ name: 'test', command: 'npm test', enabled: true }]
    expect(CriteriaBodySchema.parse(shown)).toEqual({ ...update, criteria: [criterion], checks })
  })

  test('exactly 50 criteria of 2,000 characters are taken', () => {
    const criteria = many(50).map((entry) => ({ ...entry, text: 'x'.repeat(2_000) }))
    expect(CriteriaUpdateSchema.safeParse({ ...update, criteria }).success).toBe(true)
  })
})
