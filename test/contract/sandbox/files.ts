import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { aSandbox, codeOf, type ProviderUnderTest, run, textOf } from './harness.ts'

/** What every provider promises about files. */
export function fileContract(underTest: () => ProviderUnderTest): void {
  describe('files', () => {
    let sandbox: Sandbox
    beforeAll(async () => {
      sandbox = (await aSandbox(underTest().provider)).sandbox
    })

    test('what was written is read back, with its size and hash', async () => {
      const text = 'grüße\n'
      await sandbox.write([{ path: 'a/b/c.txt', data: text }])
      const slice = await sandbox.read('a/b/c.txt')
      expect({ ...slice, data: Buffer.from(slice.data).toString() }).toEqual({
        data: text,
        sizeBytes: Buffer.byteLength(text),
        sha256: createHash('sha256').update(text).digest('hex'),
      })
    })

    test('a part of a file has no hash of the whole', async () => {
      await sandbox.write([{ path: 'part.txt', data: '0123456789' }])
      const slice = await sandbox.read('part.txt', { offset: 2, length: 3 })
      expect({ ...slice, data: Buffer.from(slice.data).toString() }).toEqual({ data: '234', sizeBytes: 10 })
    })

    test('a path as commands print it means the same file', async () => {
      await sandbox.write([{ path: `${sandbox.root}/abs.txt`, data: 'x' }])
      expect((await run(sandbox, ['cat', `${sandbox.root}/abs.txt`])).output).toBe('x')
    })

    test('writing keeps the mode of a file and can set another', async () => {
      await run(sandbox, 'echo old > tool.sh; chmod 755 tool.sh')
      await sandbox.write([
        { path: 'tool.sh', data: 'new' },
        { path: 'made.sh', data: 'new', mode: 0o755 },
      ])
      expect([(await sandbox.stat('tool.sh'))?.mode, (await sandbox.stat('made.sh'))?.mode]).toEqual([0o755, 0o755])
    })

    test('a reader never sees half a write', async () => {
      const [a, b] = ['a'.repeat(300_000), 'b'.repeat(200_000)]
      await sandbox.write([{ path: 'whole.txt', data: a }])
      const reader = run(sandbox, 'for i in $(seq 200); do wc -c < whole.txt; done | sort -u')
      for (let i = 0; i < 40; i++) await sandbox.write([{ path: 'whole.txt', data: i % 2 === 0 ? b : a }])
      const sizes = (await reader).output.trim().split('\n')
      expect(sizes.filter((size) => size !== '300000' && size !== '200000')).toEqual([])
    })

    test('paths that leave the workspace are refused', async () => {
      const paths = ['../x', 'a/../../x', '/etc/passwd', '/workspace-other/x', 'a\0b', '..', `${'x/'.repeat(3000)}y`]
      const calls = paths.flatMap((path) => [
        codeOf(sandbox.read(path)),
        codeOf(sandbox.write([{ path, data: 'x' }])),
        codeOf(sandbox.remove(path)),
        codeOf(sandbox.list(path, { depth: 1, limit: 10 })),
        codeOf(sandbox.names(path, { limit: 10 })),
        codeOf(sandbox.stat(path)),
      ])
      expect(new Set(await Promise.all(calls))).toEqual(new Set(['sandbox_bad_request']))
    })

    test('links to the outside are neither read nor written through', async () => {
      await run(sandbox, 'mkdir -p evil; ln -s /etc/passwd evil/file; ln -s /etc evil/dir; ln -s ../../../.. evil/up')
      const calls = ['evil/file', 'evil/dir/passwd', 'evil/up/etc/passwd'].flatMap((path) => [
        codeOf(sandbox.read(path)),
        codeOf(sandbox.write([{ path, data: 'owned' }])),
      ])
      const made = codeOf(sandbox.write([{ path: 'evil/dir/keelson-was-here', data: 'owned' }]))
      expect(new Set(await Promise.all([...calls, made]))).toEqual(new Set(['sandbox_bad_request']))
    })

    test('a link inside the workspace is followed to its file', async () => {
      await run(
        sandbox,
        'echo one > real.txt; ln -s real.txt link.txt; ln -s real.txt dangling; rm -f x; ln -s nowhere lost',
      )
      await sandbox.write([{ path: 'link.txt', data: 'two\n' }])
      expect({
        real: await textOf(sandbox, 'real.txt'),
        link: await textOf(sandbox, 'link.txt'),
        kind: (await sandbox.stat('link.txt'))?.kind,
        lost: await codeOf(sandbox.write([{ path: 'lost', data: 'x' }])),
      }).toEqual({ real: 'two\n', link: 'two\n', kind: 'symlink', lost: 'sandbox_bad_request' })
    })

    test('fifos, sockets and directories are refused without waiting for anybody', async () => {
      await run(
        sandbox,
        'mkfifo pipe; mkdir -p folder; python3 -c "import socket; socket.socket(1).bind(\'sock\')" || true',
      )
      const codes = await Promise.all([
        codeOf(sandbox.read('pipe')),
        codeOf(sandbox.write([{ path: 'pipe', data: 'x' }])),
        codeOf(sandbox.read('folder')),
        codeOf(sandbox.write([{ path: 'folder', data: 'x' }])),
        codeOf(sandbox.read('missing')),
      ])
      expect(codes).toEqual(Array(5).fill('sandbox_bad_request'))
    })

    const confines = () => underTest().caps?.confinesDevices ?? true
    test.runIf(confines())('devices and hard links to outside files cannot be made', async () => {
      const { output } = await run(
        sandbox,
        'mknod dev c 1 3 2>/dev/null && echo device; ln /usr/bin/env hard 2>/dev/null && echo hard; echo end',
      )
      expect(output).toBe('end\n')
    })

    test('a directory that is swapped for a link while we write never leads outside', async () => {
      const spec = { timeoutMs: 20_000 }
      const attack = run(
        sandbox,
        'mkdir -p a; for i in $(seq 200); do mv a a.dir 2>/dev/null; ln -sfn /tmp a; rm -f a; mv a.dir a; done; echo over',
        spec,
      )
      const codes = new Set<string>()
      for (let i = 0; i < 60; i++) codes.add(await codeOf(sandbox.write([{ path: 'a/race-target', data: 'x' }])))
      await attack
      codes.delete('none')
      codes.delete('sandbox_bad_request')
      expect([...codes]).toEqual([])
    })

    test('a listing is ordered, names links without following them, and says when there is more', async () => {
      await run(sandbox, 'mkdir -p tree/sub; echo 12 > tree/b.txt; echo 1 > tree/sub/a.txt; ln -s / tree/root')
      const all = await sandbox.list('tree', { depth: 2, limit: 10 })
      const some = await sandbox.list('tree', { depth: 2, limit: 2 })
      expect([all, some.entries.length, some.truncated]).toEqual([
        {
          truncated: false,
          entries: [
            { path: 'tree/b.txt', name: 'b.txt', kind: 'file', sizeBytes: 3 },
            { path: 'tree/root', name: 'root', kind: 'symlink', sizeBytes: 0 },
            { path: 'tree/sub', name: 'sub', kind: 'directory', sizeBytes: 0 },
            { path: 'tree/sub/a.txt', name: 'a.txt', kind: 'file', sizeBytes: 2 },
          ],
          unlisted: [],
        },
        2,
        true,
      ])
    })

    test('directories of very many names push no other one out of a listing, and it says what is missing where', async () => {
      await run(
        sandbox,
        'mkdir -p many/a-wide/within many/src/deep/deeper; cd many; echo x > src/deep/deeper/found.txt; echo x > z.txt; ' +
          'seq -f a-wide/n%05g 3000 | xargs touch; mkdir n-wide; seq -f n-wide/n%05g 200 | xargs touch',
        { timeoutMs: 60_000 },
      )
      const { entries, ...rest } = await sandbox.list('many', { depth: 20, limit: 108 })
      const paths = entries.map((entry) => entry.path.slice('many/'.length))
      const names = (first: number, last: number) =>
        Array.from({ length: last - first + 1 }, (_, index) => `n${String(first + index).padStart(5, '0')}`)
      expect({ paths, ...rest }).toEqual({
        paths: [
          'a-wide',
          ...names(1, 50).map((name) => `a-wide/${name}`),
          'a-wide/within',
          'n-wide',
          ...names(1, 50).map((name) => `n-wide/${name}`),
          'src',
          'src/deep',
          'src/deep/deeper',
          'src/deep/deeper/found.txt',
          'z.txt',
        ],
        truncated: true,
        unlisted: [
          { path: 'many/a-wide', names: 2_950 },
          { path: 'many/n-wide', names: 150 },
        ],
      })
    })

    test('the names of a directory come in order, or none at all when there are more than were asked for', async () => {
      await run(sandbox, 'mkdir -p named/sub; touch named/b named/sub/inner named/été; ln -s / named/root')
      const read = (path: string, limit: number) => sandbox.names(path, { limit })
      expect([await read('named', 4), await read('named', 3), await codeOf(read('named/none', 4))]).toEqual([
        { names: ['b', 'root', 'sub', 'été'], truncated: false },
        { names: [], truncated: true },
        'sandbox_bad_request',
      ])
    })

    test('removing takes files, links themselves and whole directories, twice as well', async () => {
      await run(
        sandbox,
        'mkdir -p gone/deep; echo x > gone/deep/f; echo keep > keep.txt; ln -s keep.txt l; ln -s / gone/root',
      )
      for (const path of ['gone', 'l', 'gone', 'l']) await sandbox.remove(path)
      expect([await sandbox.stat('gone'), await sandbox.stat('l'), await textOf(sandbox, 'keep.txt')]).toEqual([
        null,
        null,
        'keep\n',
      ])
    })

    test('usage counts files and bytes', async () => {
      const { sandbox: other } = await aSandbox(underTest().provider)
      await other.write([
        { path: 'one', data: 'x'.repeat(10_000) },
        { path: 'd/two', data: 'y' },
      ])
      const { files, sizeBytes } = await other.usage()
      expect([files, sizeBytes >= 10_001]).toEqual([2, true])
    })
  })
}
