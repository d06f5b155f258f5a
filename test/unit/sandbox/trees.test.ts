import { describe, expect, test } from 'vitest'
import { leftOutKind } from '../../../src/sandbox/local-bwrap/left-out-rules.ts'
import { decodeTree, encodeTree, objectHash, type TreeEntry } from '../../../src/sandbox/local-bwrap/objects.ts'
import { createLineSplitter } from '../../../src/sandbox/local-bwrap/protocol.ts'
import { parseChanges } from '../../../src/sandbox/local-bwrap/shadow-git.ts'

describe('git objects', () => {
  test('have the hashes that git gives them', () => {
    expect([objectHash('blob', Buffer.from('hello\n')), objectHash('tree', encodeTree([]))]).toEqual([
      'ce013625030ba8dba906f756967f9e9ca394464a',
      '4b825dc642cb6eb9a060e54bf8d69288fbee4904',
    ])
  })

  test('a tree survives encoding, sorted as git sorts: directories as if they ended in a slash', () => {
    const hash = 'ce013625030ba8dba906f756967f9e9ca394464a'
    const entries: TreeEntry[] = [
      { mode: '100644', name: 'a.b', hash },
      { mode: '40000', name: 'a', hash },
      { mode: '120000', name: 'a-b', hash },
      { mode: '100755', name: 'a0', hash },
    ]
    expect(decodeTree(encodeTree(entries)).map((entry) => entry.name)).toEqual(['a-b', 'a.b', 'a', 'a0'])
  })
})

test('a list of changes is read with odd names, binaries and deletions', () => {
  const zero = '0'.repeat(40)
  const raw = [`:000000 100644 ${zero} ${zero} A`, 'new\tname', `:100644 000000 ${zero} ${zero} D`, 'gone']
  expect(parseChanges([...raw, '-\t-\tnew\tname', '0\t12\tgone', ''].join('\0'))).toEqual([
    { path: 'new\tname', kind: 'create', added: 0, removed: 0, binary: true },
    { path: 'gone', kind: 'delete', added: 0, removed: 12, binary: false },
  ])
})

test('build output is ignored only beside a manifest, dependencies always', () => {
  const beside = new Set(['package.json'])
  expect([
    leftOutKind('node_modules', new Set()),
    leftOutKind('dist', new Set(['a.js'])),
    leftOutKind('dist', beside),
    leftOutKind('src', beside),
    leftOutKind('vendor', new Set(['go.mod'])),
    leftOutKind('vendor', new Set(['composer.json'])),
    leftOutKind('a/vendor/bundle', new Set()),
    leftOutKind('a/bundle', beside),
    leftOutKind('.yarn/cache', new Set()),
    leftOutKind('.yarn/releases', new Set()),
  ]).toEqual(['dependencies', null, 'build', null, null, 'dependencies', 'dependencies', null, 'dependencies', null])
})

test('lines are whole however the bytes are cut', () => {
  const lines: string[] = []
  const split = createLineSplitter((line) => lines.push(line))
  for (const byte of Buffer.from('eins\nzwö\n\nrest')) split(Buffer.from([byte]))
  split(Buffer.from(' of it\nnext\n'))
  expect(lines).toEqual(['eins', 'zwö', '', 'rest of it', 'next'])
})
