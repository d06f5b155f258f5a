import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { countLineChanges } from '../../../src/tools/line-changes.ts'
import { linesOf, numberedLine } from '../../../src/tools/numbered-lines.ts'
import { findPlaceholder } from '../../../src/tools/placeholder.ts'
import { knownPathOf, toWorkspacePath } from '../../../src/tools/workspace-path.ts'

describe('toWorkspacePath', () => {
  test.each([
    ['src/a.ts', 'src/a.ts'],
    ['./src/../a.ts', 'a.ts'],
    ['/workspace/src/a.ts', 'src/a.ts'],
    ['/workspace', '.'],
    ['/workspace/src/', 'src'],
    ['.', '.'],
    ['..a', '..a'],
  ])('%s is %s', (raw, path) => {
    expect(toWorkspacePath(raw, '/workspace')).toEqual({ ok: true, path })
  })

  test.each(['..', '../a', '/etc/passwd', '/workspace/../etc', '/workspaces/a', 'a/../../b', 'a\0b'])(
    '%j is refused',
    (raw) => {
      expect(toWorkspacePath(raw, '/workspace')).toMatchObject({ ok: false })
    },
  )

  test('an accepted path never leads out, whatever it is made of', () => {
    const part = fc.constantFrom('..', '.', '', 'a', '/', '...', ' ', '\\')
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), fc.boolean(), (parts, absolute) => {
        const found = toWorkspacePath(`${absolute ? '/' : ''}${parts.join('/')}`, '/workspace')
        if (found.ok) expect(found.path.split('/')).not.toContain('..')
      }),
    )
  })
})

test('only the file tools make a path known', () => {
  const known = (name: string, input: unknown) => knownPathOf(name, input, '/workspace')
  expect([
    known('read', { file_path: '/workspace/a.ts' }),
    known('edit', { file_path: './a.ts' }),
    known('bash', { command: 'cat a.ts' }),
    known('read', { file_path: '../a' }),
    known('read', null),
  ]).toEqual(['a.ts', 'a.ts', null, null, null])
})

describe('countLineChanges', () => {
  test.each([
    [null, 'a\nb\n', { added: 2, removed: 0 }],
    ['a\nb\n', 'a\nb\n', { added: 0, removed: 0 }],
    ['a\nb\nc\n', 'a\nx\nc\n', { added: 1, removed: 1 }],
    ['a\nb\nc\nd\n', 'b\nx\nd\ny\n', { added: 2, removed: 2 }],
    ['a\n', '', { added: 0, removed: 1 }],
  ])('%j to %j', (before, after, changes) => {
    expect(countLineChanges(before, after)).toEqual(changes)
  })

  test('lines added less lines removed is what the file grew by', () => {
    const lines = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 20 })
    fc.assert(
      fc.property(lines, lines, (before, after) => {
        const { added, removed } = countLineChanges(before.join('\n'), after.join('\n'))
        expect(added - removed).toBe(linesOf(after.join('\n')).length - linesOf(before.join('\n')).length)
        expect(Math.min(added, removed)).toBeGreaterThanOrEqual(0)
      }),
    )
  })
})

describe('findPlaceholder', () => {
  test.each([
    '// ... existing code ...',
    '  # ... rest of the file unchanged',
    '/* … remaining methods … */',
    '<!-- ... rest of page ... -->',
    '    ... (rest of the function)',
    '// rest of the code unchanged',
    '{/* ... existing components ... */}',
    '// ...existing code...',
    '(* ... rest of the module ... *)',
    '{- ... remaining cases -}',
    '{# ... rest of the template ... #}',
    '<%-- ... rest of the page --%>',
    ';; ... rest of the file',
    '-- ... the other columns',
    'REM ... rest of the script',
    '/// ... rest of the impl',
    '// [rest of file unchanged]',
    '# (rest of the file stays the same)',
    '# (remaining code stays the same)',
    'function b() { /* ... existing code ... */ }',
    'export const b = 1 // … unchanged',
    '<%# ... rest of the page %>',
    '<#-- ... existing macros -->',
    ':: ... rest of the script',
    '@rem ... existing code',
    '.. ... the rest of the page',
    '" ... existing mappings',
    '// ⋮ existing code ⋮',
    '// ... 其余代码保持不变 ...',
    '# … 既存のコード …',
    '// ... 나머지 코드 ...',
    '/* ... остальной код ... */',
    '# ... resto del código ...',
    '// ... bestehender Code ...',
    '<!-- ... reste du fichier ... -->',
  ])('%s, in place of lines that are lost, stands for omitted code', (line) => {
    const before = 'a\n1\n2\n3\nb'
    expect(findPlaceholder(before, `a\n${line}\nb`, 'file')).toEqual({ line: 2, text: line.trim(), lost: 3 })
    // Where nothing is lost it is only pointed out.
    expect(findPlaceholder('', `a\n${line}\nb`, 'file')).toEqual({ line: 2, text: line.trim(), lost: null })
  })

  test.each([
    'const { a, ...rest } = b',
    'call(...rest)',
    '...',
    '    ...',
    '  ...rest',
    '  ...rest,',
    '  ...previous,',
    '  ...other.items,',
    '  ...args',
    '    ..Default::default()',
    '// the rest of the world: see docs.',
    '  ... rest,',
    ';[...rest] = foo',
    'func f(args ...string) { g(args...) }',
    '$f(...$rest);',
    '[x | x <- [1 ..]]',
    'case ...:',
    '#define LOG(...) printf(__VA_ARGS__)',
    '... and the rest is history',
    '… and then he left.',
    '// ... and more in docs/usage.md.',
    '# Loading...',
    '# Everything else',
    '# existing users keep their names',
    '// unchanged files are skipped',
    '// All other fields are optional',
    '// the same as above but for files',
    'print("... existing code ...")',
    '// existing callers pass null',
    '## Unchanged',
    '### Remaining',
    '<!-- other pages link here -->',
    '# no changes are made to the input',
    '// no change of state happens here twice',
    '  ...previous.map((p) => p),',
    '    ...(a ? [existing] : []),',
    '{...other}',
    '...UserFields',
    '... on Admin {',
    'sub g { ... }',
    'function f(...) return ... end',
    'let s = xs[2...]',
    'h(std::forward<Rest>(rest)...);',
    '# 既存の利用者には、これまでどおり名前がそのまま残り、設定も以前と同じように使えるようになっています。',
  ])('%s is ordinary text, whatever is lost', (line) => {
    expect(findPlaceholder('1\n2\n3\n4\n5', line, 'file')).toBeNull()
  })

  test.each([
    '// ...',
    '/* … */',
    '# ...',
    '{/* ... */}',
    '-- …',
    '…',
    '// Other methods remain the same.',
    '// keep existing code as is',
    '// ... 29 more exports',
    '// remaining exports...',
    '# --- truncated ---',
    '// [snip]',
    '[rest of code remains the same]',
    '// Your existing code goes here',
    'def f(): # ... as before',
    '// previous code here',
    '// [previous content]',
    '// no changes below this line',
    '# No further changes',
    '// keep everything else',
    '// ⋯',
    '# 省略',
    '// 既存のコード',
    '// sin cambios',
    '# etc.',
    '{/* etc. */}',
    '// and so on...',
    '<!-- as above -->',
    '// и т. д.',
    '# прежний код',
    '// Rest der Datei',
    '// übriger Code',
    '-- wie bisher',
    '// le reste reste identique',
    '// el resto permanece igual',
    '// restante do código',
    '# codice esistente',
    '// reszta kodu',
    '// 后面的代码不变',
    '// 同上',
    '// (以下略)',
    '// 残りは同じ',
    '// TODO: rest of code',
    '# TODO(me): existing code here',
    '{existing code}',
  ])('%s may be an ordinary comment, and is refused only where it takes the place of half a file', (line) => {
    const lines = Array.from({ length: 12 }, (_, i) => `export const f${i} = ${i}`)
    const lost = (before: readonly string[], after: readonly string[]) =>
      findPlaceholder(before.join('\r\n'), after.join('\n'), 'file')?.lost
    expect([
      lost(lines, ['export const f0 = 1', line]),
      lost(lines, [...lines.slice(4), line]),
      lost(lines.slice(0, 2), [line]),
      lost([], [line]),
    ]).toEqual([12, undefined, undefined, undefined])
  })

  test.each([
    '// phần còn lại giữ nguyên',
    '# بقية الكود كما هو',
    '// kodun geri kalanı aynı',
    '-- zbytek kódu beze změny',
    '<!-- בלי שינוי -->',
    '# etc. (inchangé)',
    '// suite identique',
    '// 28 more lines',
    '/* see above */',
    '// other functions',
  ])('%s is refused by its place: it alone stands where half of a file was, and no code follows', (line) => {
    const lines = Array.from({ length: 12 }, (_, i) => `export const f${i} = ${i}`)
    const lost = (after: readonly string[], before: readonly string[] = lines) =>
      findPlaceholder(before.join('\n'), after.join('\n'), 'file')?.lost
    expect([
      lost(['export const f0 = 1', line]),
      lost([...lines.slice(0, 3), line, '', ...lines.slice(10)]),
      lost([...lines.slice(0, 9), line]),
      lost(['import { a } from "./a.js"', line]),
      lost([line, 'import { a } from "./a.js"']),
      lost([line], lines.slice(0, 4)),
      lost([lines[0] ?? '', line], [...lines, line]),
    ]).toEqual([12, 7, undefined, undefined, undefined, undefined, undefined])
  })

  test.each([
    '// moved to ./other.ts',
    '// the helpers were removed',
    '// intentionally a no-op',
    '// eslint-disable-next-line',
    '// see docs/usage.md',
    '// 见 src/f.ts',
    '#include <stdio.h>',
    '## Änderungen',
    'const ç = 1',
  ])('%s may take the place of half a file', (line) => {
    const lines = Array.from({ length: 12 }, (_, i) => `export const f${i} = ${i}`).join('\n')
    expect(findPlaceholder(lines, `export const f0 = 0\n${line}`, 'file')).toBeNull()
  })

  test('within a piece that is given in full an ordinary English comment may stay alone', () => {
    const old = `function f() {\n  work()\n  a()\n  b()\n  c()\n  d()\n}`
    expect([
      findPlaceholder(old, 'function f() {\n  // debug helpers\n}', 'piece'),
      findPlaceholder(old, 'function f() {\n  // giữ nguyên\n}', 'piece')?.lost,
    ]).toEqual([null, 5])
  })

  test('what counts is what is lost', () => {
    const exports = Array.from({ length: 30 }, (_, i) => `export const f${i} = ${i}`).join('\n')
    const marker = '// ... existing code ...'
    const readme = '# Use\n```js\nstart({\n  port: 1,\n  // ... other options\n})\n```\n'
    const lost = (before: string, after: string) => findPlaceholder(before, after, 'file')?.lost
    expect([
      lost(exports, `export const f0 = 1\n${marker}\n`),
      lost(exports.replaceAll('\n', '\r'), `export const f0 = 1\r${marker}\r`),
      lost(exports, `${'const other = 1\n'.repeat(40)}${marker}\n`),
      lost(exports, `${exports}\n${marker}\n`),
      lost('line', readme),
      lost('# Old\nwords\n', readme),
      lost('z', marker),
      lost('function a() {\n  one()\n  two()\n}\n', `function a() {\n  ${marker}\n}\n`),
    ]).toEqual([30, 30, 30, null, null, null, 1, 2])
  })

  test('a line that was there before may stay', () => {
    expect(findPlaceholder('// ... existing code ...\n1\n2', 'x\n// ... existing code ...', 'file')).toBeNull()
  })
})

test('a long line is cut and says by how much', () => {
  expect(numberedLine('x'.repeat(2_005), 3)).toBe(`     3\t${'x'.repeat(2_000)} [… 5 more characters in this line]`)
})
