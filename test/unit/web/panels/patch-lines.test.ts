import { describe, expect, test } from 'vitest'
import { parsePatch } from '../../../../src/shared/patch.ts'
import { changedSpan, isSameHunks, pairLines } from '../../../../src/web/panels/changes/patch-lines.ts'
import { PATCH } from '../../../support/patch.ts'

describe('a patch', () => {
  test('that is read again has the same hunks, and another line or place makes others', () => {
    const hunksOf = (patch: string) => parsePatch(patch)[0]?.hunks ?? []
    const first = hunksOf(PATCH)
    const again = hunksOf(PATCH)
    const moved = hunksOf(PATCH.replace('-1,4 +1,5', '-2,4 +2,5'))
    const other = hunksOf(PATCH.replace('const c = 4', 'const c = 5'))
    expect([again, moved, other, []].map((hunks) => isSameHunks(first, hunks))).toEqual([true, false, false, false])
  })

  test('puts removed lines beside the added ones that replace them', () => {
    const lines = parsePatch(PATCH)[0]?.hunks[0]?.lines ?? []
    const texts = pairLines(lines).map(({ left, right }) => [left?.text ?? null, right?.text ?? null])
    expect(texts).toEqual([
      ['const a = 1', 'const a = 1'],
      ['const b = 2', 'const b = 3'],
      [null, 'const c = 4'],
      ['', ''],
      ['diff --git is only text here', 'diff --git is only text here'],
    ])
  })

  test('marks the words that differ between two versions of a line, and none when they have little in common', () => {
    expect(changedSpan('const b = 2', 'const b = 30')).toEqual({ start: 10, leftEnd: 11, rightEnd: 12 })
    expect(changedSpan('aa', 'aaa')).toEqual({ start: 2, leftEnd: 2, rightEnd: 3 })
    expect(changedSpan('return left + right', 'throw new Error()')).toBeNull()
  })
})
