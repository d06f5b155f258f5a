import { expect, test } from 'vitest'
import type { PatchLine } from '../../../../src/shared/patch.ts'
import { commentText } from '../../../../src/web/panels/changes/comment-text.ts'

const line = (given: Partial<PatchLine>): PatchLine => ({
  kind: 'context',
  before: 11,
  after: 12,
  text: 'const a = 1',
  isUnended: false,
  ...given,
})

test('a comment names the file, the line and what stands there, on whichever side', () => {
  expect([
    commentText('src/a.ts', line({}), ' Why? '),
    commentText('src/a.ts', line({ kind: 'added', before: null }), 'Why?'),
    commentText('src/a.ts', line({ kind: 'removed', after: null }), 'Why?'),
    commentText('src/a.ts', line({}), 'Why?', { isPast: true }),
    commentText('src/a.ts', line({ text: 'x'.repeat(1_000) }), 'Why?').length < 500,
  ]).toEqual([
    'About src/a.ts, line 12:\n\n> const a = 1\n\nWhy?',
    'About src/a.ts, line 12, which the change added or rewrote:\n\n> const a = 1\n\nWhy?',
    'About src/a.ts, line 11 as it was before the change, which removed it:\n\n> const a = 1\n\nWhy?',
    'About src/a.ts, line 12, as the file was at an earlier checkpoint:\n\n> const a = 1\n\nWhy?',
    true,
  ])
})
