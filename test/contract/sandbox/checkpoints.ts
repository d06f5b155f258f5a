import { beforeEach, describe, expect, test } from 'vitest'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { aSandbox, codeOf, type ProviderUnderTest, run } from './harness.ts'

/** What every provider promises about checkpoints. */
export function checkpointContract(underTest: () => ProviderUnderTest): void {
  describe('checkpoints', () => {
    let sandbox: Sandbox
    beforeEach(async () => {
      sandbox = (await aSandbox(underTest().provider)).sandbox
    })

    const writeTwo = async (to: Sandbox) =>
      await to.write([
        { path: 'src/a.js', data: 'one\ntwo\nthree\n' },
        { path: 'run.sh', data: '#!/bin/sh\n', mode: 0o755 },
      ])

    test('the same files give the same tree, in another sandbox and after a change was undone', async () => {
      const { sandbox: other } = await aSandbox(underTest().provider)
      await writeTwo(sandbox)
      await writeTwo(other)
      const first = await sandbox.checkpoint()
      await sandbox.write([{ path: 'src/a.js', data: 'else\n' }])
      const changed = await sandbox.checkpoint()
      await sandbox.write([{ path: 'src/a.js', data: 'one\ntwo\nthree\n' }])
      expect([await sandbox.checkpoint(), await other.checkpoint(), changed === first]).toEqual([first, first, false])
    })

    test('a tree is what git itself would store', async () => {
      await writeTwo(sandbox)
      await run(sandbox, 'umask 022; ln -s src/a.js link; mkdir -p a a.b; echo 1 > a/f; echo 2 > a.b/f; echo 3 > a-b')
      const tree = await sandbox.checkpoint()
      const { output } = await run(
        sandbox,
        'git init -q /tmp/r && git --git-dir=/tmp/r/.git --work-tree=. add -A && git --git-dir=/tmp/r/.git write-tree',
      )
      expect(output.trim()).toBe(tree)
    })

    test('a change within the same size and with a forged time is seen', async () => {
      await sandbox.write([{ path: 'f', data: 'aaaa' }])
      const before = await sandbox.checkpoint()
      await run(sandbox, 'touch -r f /tmp/ref; printf bbbb > f; touch -r /tmp/ref f')
      const after = await sandbox.checkpoint()
      expect((await sandbox.changes(before, after)).map((change) => change.path)).toEqual(['f'])
    })

    test('changes name what was made, modified and deleted, with counted lines', async () => {
      await writeTwo(sandbox)
      const before = await sandbox.checkpoint()
      await sandbox.write([
        { path: 'src/a.js', data: 'one\n2\nthree\nfour\n' },
        { path: 'neu ü\t.bin', data: Buffer.from([0, 1, 2, 0]) },
      ])
      await sandbox.remove('run.sh')
      const after = await sandbox.checkpoint()
      expect([await sandbox.changes(before, after), await sandbox.changes(after, after)]).toEqual([
        [
          { path: 'neu ü\t.bin', kind: 'create', added: 0, removed: 0, binary: true },
          { path: 'run.sh', kind: 'delete', added: 0, removed: 1, binary: false },
          { path: 'src/a.js', kind: 'modify', added: 2, removed: 1, binary: false },
        ],
        [],
      ])
    })

    test('a diff is unified, can be narrowed to paths, and is cut at the end of a line', async () => {
      await writeTwo(sandbox)
      const before = await sandbox.checkpoint()
      await sandbox.write([
        { path: 'src/a.js', data: 'one\n2\nthree\n' },
        { path: 'b.txt', data: 'long line\n'.repeat(1000) },
      ])
      const after = await sandbox.checkpoint()
      const narrow = await sandbox.diff(before, after, { maxBytes: 10_000, paths: ['src'] })
      const cut = await sandbox.diff(before, after, { maxBytes: 1_001 })
      expect({
        narrow: [narrow.patch.split('\n').slice(4), narrow.truncated],
        cut: [cut.truncated, cut.patch.length <= 1_001, cut.patch.endsWith('+long line\n')],
      }).toEqual({
        narrow: [['@@ -1,3 +1,3 @@', ' one', '-two', '+2', ' three', ''], false],
        cut: [true, true, true],
      })
    })

    test('a diff has as many unchanged lines around its changes as are asked for', async () => {
      const lines = (middle: string) => ['1', '2', '3', '4', '5', middle, '7', '8', '9', '10', '11', ''].join('\n')
      await sandbox.write([{ path: 'n.txt', data: lines('6') }])
      const before = await sandbox.checkpoint()
      await sandbox.write([{ path: 'n.txt', data: lines('six') }])
      const after = await sandbox.checkpoint()
      const heads = async (contextLines?: number) => {
        const asked = { maxBytes: 10_000, paths: ['n.txt'], ...(contextLines === undefined ? {} : { contextLines }) }
        return (await sandbox.diff(before, after, asked)).patch.split('\n').filter((line) => line.startsWith('@@'))
      }
      expect([await heads(), await heads(0), await heads(100_000)]).toEqual([
        ['@@ -3,7 +3,7 @@'],
        ['@@ -6 +6 @@'],
        ['@@ -1,11 +1,11 @@'],
      ])
    })

    test('planted git config, hooks, attributes and nested repositories have no say', async () => {
      await writeTwo(sandbox)
      await run(
        sandbox,
        `git init -q . && git config core.fsmonitor 'touch ${sandbox.root}/owned; false' && git config core.hooksPath hooks
         git config diff.evil.textconv 'touch ${sandbox.root}/owned; cat'
         printf '* diff=evil filter=evil -diff\\n*.js -diff\\n' > .gitattributes; echo '*.js' > .gitignore
         mkdir -p nested/empty && git init -q nested && echo hidden > nested/file.txt && git init -q nested/empty`,
      )
      const before = await sandbox.checkpoint()
      await run(sandbox, 'echo changed > src/a.js; echo changed > nested/file.txt')
      const after = await sandbox.checkpoint()
      const changes = await sandbox.changes(before, after)
      const { patch } = await sandbox.diff(before, after, { maxBytes: 10_000 })
      expect({
        changes: changes.map((change) => [change.path, change.binary]),
        isText: patch.includes('+changed'),
        owned: await sandbox.stat('owned'),
      }).toEqual({
        changes: [
          ['nested/file.txt', false],
          ['src/a.js', false],
        ],
        isText: true,
        owned: null,
      })
    })

    test('dependencies, build output and our own notes are left out', async () => {
      const empty = await sandbox.checkpoint()
      await run(
        sandbox,
        `mkdir -p node_modules/x .venv .claude src/build; echo 1 > node_modules/x/i.js; echo 1 > .venv/a
         echo c > .claude/project-context.md; echo m > .claude/memory.md; echo s > .claude/settings.json
         head -c 2097152 /dev/zero > fits.bin; mkfifo pipe
         echo source > src/build/kept.js; echo '{}' > package.json; mkdir dist; echo out > dist/o.js`,
      )
      const changes = await sandbox.changes(empty, await sandbox.checkpoint())
      expect(changes.map((change) => change.path)).toEqual([
        '.claude/settings.json',
        'fits.bin',
        'package.json',
        'src/build/kept.js',
      ])
    })

    test('a restore brings back content, modes, links and deletions, and leaves ignored directories alone', async () => {
      await writeTwo(sandbox)
      await run(sandbox, 'ln -s src/a.js link; mkdir node_modules; echo dep > node_modules/d')
      const before = await sandbox.checkpoint()
      await run(
        sandbox,
        `rm link; mkdir link; echo x > link/inside; chmod -x run.sh; rm -r src; echo new > src; mkdir -p extra/deep
         echo y > extra/deep/f; echo dep2 > node_modules/e`,
      )
      await sandbox.restore(before)
      const { output } = await run(
        sandbox,
        'readlink link; test -x run.sh && echo exec; cat src/a.js; ls extra node_modules 2>&1',
      )
      expect([await sandbox.checkpoint(), output]).toEqual([
        before,
        "src/a.js\nexec\none\ntwo\nthree\nls: cannot access 'extra': No such file or directory\nnode_modules:\nd\ne\n",
      ])
    })

    test('a restore of some paths leaves the others as they are, and twice is the same', async () => {
      await writeTwo(sandbox)
      const before = await sandbox.checkpoint()
      await sandbox.write([
        { path: 'src/a.js', data: 'changed\n' },
        { path: 'src/new.js', data: 'new\n' },
        { path: 'run.sh', data: 'changed\n' },
      ])
      await sandbox.restore(before, ['src'])
      await sandbox.restore(before, ['src'])
      const after = await sandbox.checkpoint()
      expect((await sandbox.changes(before, after)).map((change) => change.path)).toEqual(['run.sh'])
    })

    test('a restore never writes through a link to the outside', async () => {
      await sandbox.write([{ path: 'd/file', data: 'x' }])
      const before = await sandbox.checkpoint()
      await run(sandbox, 'rm -r d; ln -s /tmp d')
      await sandbox.restore(before)
      expect([(await sandbox.stat('d'))?.kind, await sandbox.checkpoint()]).toEqual(['directory', before])
    })

    test('a checkpoint of another sandbox is taken over, twice is the same, and it is compared with and restored to', async () => {
      const { sandbox: other } = await aSandbox(underTest().provider)
      for (const each of [sandbox, other]) {
        await writeTwo(each)
        await each.write([{ path: 'kept.txt', data: 'kept\n' }])
      }
      const base = await sandbox.checkpoint()
      await run(
        other,
        'umask 022; rm kept.txt; echo four >> src/a.js; mkdir -p deep/er; echo 1 > deep/er/f; ln -s ../run.sh deep/link',
      )
      const theirs = await other.checkpoint()
      const first = await sandbox.adoptTree(other.storedTrees, theirs, base)
      const again = await sandbox.adoptTree(other.storedTrees, theirs, base)
      const untouched = await sandbox.checkpoint()
      const names = (await sandbox.changes(base, first)).map(({ kind, path }) => `${kind} ${path}`)
      await sandbox.restore(first)
      expect({ trees: [first, again, untouched, await sandbox.checkpoint()], names }).toEqual({
        trees: [theirs, theirs, base, theirs],
        names: ['create deep/er/f', 'create deep/link', 'delete kept.txt', 'modify src/a.js'],
      })
      expect(await codeOf(sandbox.adoptTree(other.storedTrees, 'f'.repeat(40), base))).toBe('sandbox_bad_request')
    })

    test('an unknown checkpoint is a bad request', async () => {
      const tree = await sandbox.checkpoint()
      const unknown = 'f'.repeat(40)
      const codes = await Promise.all([
        codeOf(sandbox.restore(unknown)),
        codeOf(sandbox.restore('HEAD')),
        codeOf(sandbox.changes(tree, unknown)),
        codeOf(sandbox.diff('--output=x', tree, { maxBytes: 10 })),
      ])
      expect(codes).toEqual(Array(4).fill('sandbox_bad_request'))
    })
  })
}
