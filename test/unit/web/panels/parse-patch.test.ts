import { describe, expect, test } from 'vitest'
import { changedSpan, isSameHunks, pairLines, parsePatch } from '../../../../src/web/panels/changes/parse-patch.ts'

const PATCH = `diff --git a/src/sum.js b/src/sum.js
index 1111111..2222222 100644
--- a/src/sum.js
+++ b/src/sum.js
@@ -1,4 +1,5 @@ export function sum
 const a = 1
-const b = 2
+const b = 3
+const c = 4

 diff --git is only text here
diff --git a/logo.png b/logo.png
Binary files a/logo.png and b/logo.png differ
diff --git a/new.txt b/new.txt
new file mode 100644
--- /dev/null
+++ b/new.txt
@@ -0,0 +1 @@
+++ looks like a header
\\ No newline at end of file
`

describe('a patch', () => {
  test('that is read again has the same hunks, and another line or place makes others', () => {
    const [first = []] = parsePatch(PATCH)
    const [again = []] = parsePatch(PATCH)
    const [moved = []] = parsePatch(PATCH.replace('-1,4 +1,5', '-2,4 +2,5'))
    const [other = []] = parsePatch(PATCH.replace('const c = 4', 'const c = 5'))
    expect([again, moved, other, []].map((hunks) => isSameHunks(first, hunks))).toEqual([true, false, false, false])
  })

  test('is taken apart by file, with the line numbers of both sides', () => {
    const line = { isUnended: false }
    expect(parsePatch(PATCH)).toEqual([
      [
        {
          heading: 'export function sum',
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
      [],
      [
        {
          heading: '',
          lines: [{ kind: 'added', before: null, after: 1, text: '++ looks like a header', isUnended: true }],
        },
      ],
    ])
  })

  test('that was cut gives what is there', () => {
    const cut = PATCH.slice(0, PATCH.indexOf('const c'))
    expect(parsePatch(cut)[0]?.[0]?.lines.at(-1)).toEqual({
      kind: 'added',
      before: null,
      after: 3,
      text: '',
      isUnended: false,
    })
    expect(parsePatch('')).toEqual([])
  })

  test('puts removed lines beside the added ones that replace them', () => {
    const lines = parsePatch(PATCH)[0]?.[0]?.lines ?? []
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
