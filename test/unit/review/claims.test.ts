import { describe, expect, test } from 'vitest'
import { claimsIn } from '../../../src/review/claims.ts'
import type { LedgerRow } from '../../../src/shared/ledger.ts'

const row = (id: string, command: string, more: Partial<LedgerRow> = {}): LedgerRow => ({
  ...{ id, kind: 'command', by: 'coder', command, status: 'passed', treeBefore: 'old', treeAfter: 'new' },
  ...more,
})

/** A task that ran its tests before the last edit and after it, linted, failed to type-check and built only before. */
const ROWS: readonly LedgerRow[] = [
  row('c1', 'npm test', { status: 'failed', treeAfter: 'old' }),
  row('c2', 'npm run build', { treeAfter: 'old' }),
  row('c3', 'cd app && npm run lint'),
  row('c4', 'npx tsc --noEmit', { status: 'failed' }),
  row('k1', 'npm test', { kind: 'check', by: 'harness', name: 'test', treeBefore: 'new' }),
  row('k2', 'npm run e2e', { kind: 'check', by: 'harness', name: 'e2e', status: 'left_out' }),
]

const judged = (text: string) => claimsIn(text, ROWS, 'new').map(({ about, mark, rowId }) => [about, mark, rowId])

describe('a final message', () => {
  test.each([
    ['true: tests', 'I fixed the sum. All 12 tests pass.', [['tests', 'proven', 'k1']]],
    ['true: a named command', 'I ran `npm test` and it passes.', [['tests', 'proven', 'k1']]],
    ['true: a part of a longer command', '`npm run lint` runs clean now.', [['lint', 'proven', 'c3']]],
    ['false: type check', 'The type check passes.', [['types', 'contradicted', 'c4']]],
    ['false: a named command', '`npx tsc --noEmit` succeeds.', [['command', 'contradicted', 'c4']]],
    ['stale: built before the last edit', 'The project builds cleanly.', [['build', 'unproven', undefined]]],
    ['never ran', 'I verified it with `curl -f localhost:3000`.', [['command', 'unproven', undefined]]],
    ['left out is not run', '`npm run e2e` passes too.', [['command', 'unproven', undefined]]],
    ['advice', 'Run `npm test` to check it. You should see the tests pass.', []],
    ['an admission', 'I did not run the tests; the type check fails still.', []],
    ['nothing of the kind', 'I renamed the function and updated its callers.', []],
    [
      'several, in a list',
      'Done:\n- tests pass\n- lint is clean\n- the build succeeds',
      [
        ['tests', 'proven', 'k1'],
        ['lint', 'proven', 'c3'],
        ['build', 'unproven', undefined],
      ],
    ],
  ])('%s', (_what, text, expected) => {
    expect(judged(text)).toEqual(expected)
  })

  test('says in words why a claim is not proven', () => {
    expect([
      claimsIn('All tests pass.', [], 'new'),
      claimsIn('The build succeeds.', ROWS, 'new'),
      claimsIn('All tests pass.', ROWS, null),
    ]).toEqual([
      [{ text: 'All tests pass.', about: 'tests', mark: 'unproven', reason: 'No test ran in this task.' }],
      [
        {
          ...{ text: 'The build succeeds.', about: 'build', mark: 'unproven' },
          reason: 'No build ran on the files that were delivered.',
        },
      ],
      [
        {
          ...{ text: 'All tests pass.', about: 'tests', mark: 'unproven' },
          reason: 'No test ran on the files that were delivered.',
        },
      ],
    ])
  })

  test('of any length gives at most 20 claims, each cut', () => {
    const claims = claimsIn(`All tests pass ${'x'.repeat(500)}.\n`.repeat(1_000), ROWS, 'new')
    expect([claims.length, claims.every(({ text }) => text.length === 300)]).toEqual([20, true])
  })
})
