import { describe, expect, test } from 'vitest'
import { parsePatch } from '../../../src/shared/patch.ts'
import { PATCH } from '../../support/patch.ts'

describe('a patch', () => {
  test('is taken apart by file, with the line numbers of both sides', () => {
    const line = { isUnended: false }
    expect(parsePatch(PATCH)).toEqual([
      {
        path: 'src/sum.js',
        kind: 'modify',
        binary: false,
        hunks: [
          {
            heading: 'export function sum',
            firstAfter: 1,
            lines: [
              { ...line, kind: 'context', before: 1, after: 1, text: 'const a = 1' },
              { ...line, kind: 'removed', before: 2, after: null, text: 'const b = 2' },
              { ...line, kind: 'added', before: null, after: 2, text: 'const b = 3' },
              { ...line, kind: 'added', before: null, after: 3, text: 'const c = 4' },
              { ...line, kind: 'context', before: 3, after: 4, text: '' },
              { ...line, kind: 'context', before: 4, after: 5, text: 'diff --git is only text here' },
            ],
          },
        ],
      },
      { path: 'logo.png', kind: 'modify', binary: true, hunks: [] },
      {
        path: 'new.txt',
        kind: 'create',
        binary: false,
        hunks: [
          {
            heading: '',
            firstAfter: 1,
            lines: [{ kind: 'added', before: null, after: 1, text: '++ looks like a header', isUnended: true }],
          },
        ],
      },
    ])
  })

  test('that was cut gives what is there', () => {
    const cut = PATCH.slice(0, PATCH.indexOf('const c'))
    expect(parsePatch(cut)[0]?.hunks[0]?.lines.at(-1)).toEqual({
      kind: 'added',
      before: null,
      after: 3,
      text: '',
      isUnended: false,
    })
    expect(parsePatch('')).toEqual([])
  })
})
