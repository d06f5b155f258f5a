import { expect, test } from 'vitest'
import { parseState, readListing, readTreeFiles } from '../../../../src/sandbox/e2b/replies.ts'

test('a state line is read, and nonsense from the VM is refused', () => {
  expect(parseState('state e1 tsk_a exited 3 - 100 200 6 0')).toEqual({
    execId: 'e1',
    status: 'exited',
    exitCode: 3,
    signal: null,
    startedAt: 100,
    endedAt: 200,
    bytes: 6,
    droppedBytes: 0,
  })
  const forged = [
    '',
    'state e1',
    'state e1 t done 0 - 1 2 3 0',
    'state e1 t exited x - 1 2 3 0',
    'state e1 t exited 0 - 1 2 -3 0',
  ]
  for (const line of forged) expect(() => parseState(line)).toThrow('makes no sense')
})

test('entries come in order of names, each directory before what is in it', () => {
  const listing = ['f\t2\t./b/z', 'd\t4096\t./b', '-\t3\t./b', '-\t?\t.', 'l\t1\t./a', 'p\t0\t./b/y'].join('\0')
  const { entries, unlisted } = readListing(listing, 'top')
  expect(unlisted).toEqual([
    { path: 'top', names: null },
    { path: 'top/b', names: 3 },
  ])
  expect(entries.map(({ path, kind, sizeBytes }) => [path, kind, sizeBytes])).toEqual([
    ['top/a', 'symlink', 0],
    ['top/b', 'directory', 0],
    ['top/b/y', 'other', 0],
    ['top/b/z', 'file', 2],
  ])
})

async function* inPieces(data: Buffer, bytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += bytes) yield data.subarray(at, at + bytes)
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

test.each([1, 7, 1_000])(
  'a tree’s files are taken out of what git prints of them, in pieces of %i bytes',
  async (bytes) => {
    const list = `100755 blob ${'a'.repeat(40)}\trun.sh\0${'120000'} blob ${'b'.repeat(40)}\ta link\0`
    const content = Buffer.from(`${'a'.repeat(40)} blob 4\none\n\n${'b'.repeat(40)} blob 6\nrun.sh\n`)
    const files = await all(readTreeFiles(list, inPieces(content, bytes)))
    expect(files.map((file) => ({ ...file, data: Buffer.from(file.data).toString() }))).toEqual([
      { path: 'run.sh', mode: '100755', data: 'one\n' },
      { path: 'a link', mode: '120000', data: 'run.sh' },
    ])
  },
)

test.each([
  ['a file that is larger than any in a checkpoint', `${'a'.repeat(40)} blob 99999999\n`],
  ['a header without an end', 'x'.repeat(10_000)],
  ['an end that comes too early', `${'a'.repeat(40)} blob 4\no`],
])('%s is no tree', async (_name, content) => {
  const list = `100644 blob ${'a'.repeat(40)}\tf\0`
  await expect(all(readTreeFiles(list, inPieces(Buffer.from(content), 64)))).rejects.toMatchObject({
    code: 'sandbox_unreachable',
  })
})
