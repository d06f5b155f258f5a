import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ChangedFileLines, changedLines, touches } from '../../../src/review/diff-lines.ts'

const files = (patch: string): ChangedFileLines[] => [...changedLines(patch).values()]

const MODIFIED = `diff --git a/src/a.ts b/src/a.ts
index 111..222 100644
--- a/src/a.ts
+++ b/src/a.ts
@@ -1,4 +1,5 @@ class A {
 one
-two
+TWO
+two and a half
 three
 four
@@ -20,3 +21,2 @@
 x
-y
 z
`

describe('changedLines', () => {
  test('a modified file has its added lines and the sides of each gap', () => {
    expect(files(MODIFIED)).toEqual([
      {
        path: 'src/a.ts',
        kind: 'modify',
        binary: false,
        ranges: [
          { first: 1, last: 3 },
          { first: 21, last: 22 },
        ],
      },
    ])
  })

  test('new, deleted, binary, renamed and mode-only entries', () => {
    const patch = `diff --git a/new.ts b/new.ts
new file mode 100644
index 000..111
--- /dev/null
+++ b/new.ts
@@ -0,0 +1,2 @@
+a
+b
diff --git a/old.ts b/old.ts
deleted file mode 100644
index 111..000
--- a/old.ts
+++ /dev/null
@@ -1 +0,0 @@
-a
diff --git a/logo v2.png b/logo v2.png
index 111..222 100644
Binary files a/logo v2.png and b/logo v2.png differ
diff --git a/from.ts b/to.ts
similarity index 100%
rename from from.ts
rename to to.ts
diff --git a/run.sh b/run.sh
old mode 100644
new mode 100755
diff --git a/empty b/empty
new file mode 100644
index 000..e69
`
    expect(files(patch)).toEqual([
      { path: 'new.ts', kind: 'create', binary: false, ranges: [{ first: 1, last: 2 }] },
      { path: 'old.ts', kind: 'delete', binary: false, ranges: [] },
      { path: 'logo v2.png', kind: 'modify', binary: true, ranges: [] },
      { path: 'to.ts', kind: 'modify', binary: false, ranges: [] },
      { path: 'run.sh', kind: 'modify', binary: false, ranges: [] },
      { path: 'empty', kind: 'create', binary: false, ranges: [] },
    ])
  })

  test('quoted names are the bytes they stand for', () => {
    const patch = String.raw`diff --git "a/caf\303\251 \"x\".ts" "b/caf\303\251 \"x\".ts"
--- "a/caf\303\251 \"x\".ts"
+++ "b/caf\303\251 \"x\".ts"
@@ -1 +1 @@
-a
+b
`
    expect(files(patch).map((file) => file.path)).toEqual(['café "x".ts'])
  })

  test('lines of a hunk that look like headers stay lines', () => {
    const patch = `diff --git a/notes.md b/notes.md
--- a/notes.md
+++ b/notes.md
@@ -1,3 +1,3 @@
--- a/fake.ts
-diff --git a/x b/x
+++ b/fake.ts
+@@ -1 +900 @@
 end
`
    expect(files(patch)).toEqual([{ path: 'notes.md', kind: 'modify', binary: false, ranges: [{ first: 1, last: 2 }] }])
  })

  test('a missing line end is no line', () => {
    const patch = '--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n'
    expect(files(patch)).toEqual([{ path: 'x', kind: 'modify', binary: false, ranges: [{ first: 1, last: 1 }] }])
  })

  test('a name with spaces and git’s tab after it', () => {
    const patch = 'diff --git a/a b.ts b/a b.ts\n--- a/a b.ts\t\n+++ b/a b.ts\t\n@@ -1 +1 @@\n-a\n+b\n'
    expect(files(patch).map((file) => file.path)).toEqual(['a b.ts'])
  })

  test('whatever is put in, and wherever a patch is cut, it ends with ascending ranges', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.nat(MODIFIED.length).map((end) => MODIFIED.slice(0, end)),
        ),
        (patch) => {
          for (const { ranges } of files(patch)) {
            for (const [index, range] of ranges.entries()) {
              expect(range.first).toBeLessThanOrEqual(range.last)
              expect(range.first).toBeGreaterThan((ranges[index - 1]?.last ?? -1) + 1)
            }
          }
        },
      ),
    )
  })
})

test('a place is in the change when the diff shows it', () => {
  const changed = changedLines(MODIFIED)
  const places: [string, number | undefined][] = [
    ['src/a.ts', undefined],
    ['src/a.ts', 1],
    ['src/a.ts', 6],
    ['src/a.ts', 7],
    ['src/a.ts', 17],
    ['src/a.ts', 18],
    ['src/b.ts', undefined],
  ]
  expect(places.map(([file, line]) => touches(changed, file, line))).toEqual([
    true,
    true,
    true,
    false,
    false,
    true,
    false,
  ])
})
