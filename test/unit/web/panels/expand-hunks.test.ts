import { describe, expect, test } from 'vitest'
import { parsePatch } from '../../../../src/shared/patch.ts'
import { contextFor, type DiffBlock, diffBlocksOf } from '../../../../src/web/panels/changes/expand-hunks.ts'

/** A patch of a file with lines 1 to 60 in which 10 and 40 were changed. */
function patchOf(contextLines: number): string {
  const hunk = (from: number, to: number): string => {
    const lines = Array.from({ length: to - from + 1 }, (_, index) => from + index)
    const body = lines.flatMap((line) => (line === 10 || line === 40 ? [`-${line}`, `+new ${line}`] : [` ${line}`]))
    return `@@ -${from},${lines.length} +${from},${lines.length} @@ head of ${from}\n${body.join('\n')}\n`
  }
  const range = (line: number): [number, number] => [
    Math.max(1, line - contextLines),
    Math.min(60, line + contextLines),
  ]
  const [first, second] = [range(10), range(40)]
  const hunks = first[1] + 1 >= second[0] ? hunk(first[0], second[1]) : hunk(...first) + hunk(...second)
  return `diff --git a/a b/a\n--- a/a\n+++ b/a\n${hunks}`
}

const hunksWith = (contextLines: number) => parsePatch(patchOf(contextLines))[0]?.hunks ?? []

/** A block as "7-13" (numbers after the change) or "gap 1: 23". */
function shortly(block: DiffBlock): string {
  if (block.kind === 'gap') return `gap ${block.index}: ${block.hidden}`
  const numbers = block.lines.flatMap(({ after }) => (after === null ? [] : [after]))
  return `${numbers[0]}-${numbers.at(-1)}`
}

const shown = (reveals: readonly [number, { below: number; above: number }][], contextLines: number | null) => {
  const wide =
    contextLines === null ? null : { contextLines, hunks: hunksWith(contextLines), truncated: contextLines < 0 }
  return diffBlocksOf(hunksWith(3), wide, new Map(reveals)).map(shortly)
}

describe('unchanged lines around hunks', () => {
  test('are counted where both ends are known, and shown from either side, or whole', () => {
    expect({
      plain: shown([], null),
      down: shown([[1, { below: 5, above: 0 }]], 100),
      both: shown([[1, { below: 5, above: 4 }]], 100),
      whole: shown([[1, { below: 23, above: 0 }]], 100),
      top: shown([[0, { below: 0, above: 20 }]], 100),
      end: shown([[2, { below: 20, above: 0 }]], 100),
    }).toEqual({
      plain: ['gap 0: 6', '7-13', 'gap 1: 23', '37-43', 'gap 2: null'],
      down: ['gap 0: 6', '7-18', 'gap 1: 18', '37-43', 'gap 2: 17'],
      both: ['gap 0: 6', '7-18', 'gap 1: 14', '33-43', 'gap 2: 17'],
      whole: ['gap 0: 6', '7-43', 'gap 2: 17'],
      top: ['1-13', 'gap 1: 23', '37-43', 'gap 2: 17'],
      end: ['gap 0: 6', '7-13', 'gap 1: 23', '37-60'],
    })
  })

  test('that were not read yet stay hidden, and what must be read is known beforehand', () => {
    const reveals = new Map([[1, { below: 40, above: 0 }]])
    expect({ needed: contextFor(reveals), shown: shown([...reveals], 8) }).toEqual({
      needed: 43,
      shown: ['gap 0: 6', '7-18', 'gap 1: 18', '37-43', 'gap 2: null'],
    })
  })

  test('there are none around a new file, and none where nothing is left', () => {
    const made = parsePatch('diff --git a/a b/a\n--- /dev/null\n+++ b/a\n@@ -0,0 +1,2 @@\n+1\n+2\n')[0]?.hunks ?? []
    const gone = parsePatch('diff --git a/a b/a\n--- a/a\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-1\n-2\n')[0]?.hunks ?? []
    expect([made, gone].map((hunks) => diffBlocksOf(hunks, null, new Map()).map(({ kind }) => kind))).toEqual([
      ['lines'],
      ['lines'],
    ])
  })
})
