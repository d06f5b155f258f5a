/** All files of a project out and in as an archive, over HTTP, with the real sandbox. */

import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ZipFile } from 'yazl'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { run } from '../../contract/sandbox/harness.ts'
import type { TestDb } from '../../support/database.ts'
import { aProject, post } from '../../support/tasks.ts'
import { aDoneTask, type Parts } from '../restore/support.ts'
import { aFilesServer, type FilesServer } from '../server/files-server.ts'
import { type TestServer, TOKEN } from '../server/harness.ts'

let host: FilesServer
let db: TestDb
let dir: string
let parts: Parts
let server: TestServer
beforeAll(async () => {
  host = await aFilesServer()
  ;({ db, dir, parts, server } = host)
})
afterAll(() => host?.close())

const headers = { authorization: `Bearer ${TOKEN}` }
const archiveOf = (projectId: string) => `${server.url}/api/workspace/${projectId}/archive`
async function download(projectId: string, query = ''): Promise<Buffer> {
  const answer = await fetch(`${archiveOf(projectId)}${query}`, { headers })
  expect(answer.status).toBe(200)
  return Buffer.from(await answer.arrayBuffer())
}
async function upload(projectId: string, body: Buffer): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(archiveOf(projectId), { method: 'PUT', headers, body: new Uint8Array(body) })
  return { status: answer.status, body: await answer.json() }
}
const LISTING = `find . -mindepth 1 -path ./.git -prune -o -mindepth 1 -printf '%y %m %p %l\\n' | LC_ALL=C sort | od -An -c -v; find . -path ./.git -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 cat`
const listing = async (sandbox: Sandbox) => (await run(sandbox, LISTING)).output
const LONG = 'l'.repeat(180)
const MAKE = `mkdir -p a/b empty ${LONG}; printf '#!/bin/sh\\n' > run; chmod 755 run; : > zero; printf secret > key; chmod 600 key
  ln -s run link; ln -s nowhere dangling; echo deep > ${LONG}/${LONG}; head -c 300000 /dev/urandom > a/b/random
  printf x > "$(printf 'caf\\351.txt')"; mkdir -p .claude; echo m > .claude/memory.md; git init -q; git add -A; git commit -qm x`

test('what goes out as tar.gz comes in elsewhere as it was, and the history there stays', async () => {
  const from = await aProject(db)
  const into = await aProject(db, { kind: 'files', files: { 'old.txt': 'old' } })
  const source = await parts.workspaces.open(from)
  await run(source, MAKE)
  const target = await parts.workspaces.open(into)
  await run(target, 'git init -q; git add -A; git commit -qm kept')
  const taken = await upload(into, await download(from))
  await run(source, 'rm .claude/memory.md')
  expect({
    taken,
    same: (await listing(target)) === (await listing(source)),
    history: (await run(target, 'git log --format=%s')).output,
  }).toEqual({ taken: { status: 200, body: { files: 8, sizeBytes: 300_022 } }, same: true, history: 'kept\n' })
})

test('a zip holds the same but for names that it cannot hold, and other tools read both', async () => {
  const from = await aProject(db)
  const source = await parts.workspaces.open(from)
  await run(source, `${MAKE}; rm -r caf* .claude`)
  const into = await aProject(db)
  const zip = await download(from, '?format=zip')
  const taken = await upload(into, zip)
  await writeFile(join(dir, 'x.tgz'), await download(from))
  const listed = execFileSync('tar', ['-tzf', join(dir, 'x.tgz')], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .sort()
  const target = await parts.workspaces.open(into)
  expect({ status: taken.status, same: (await listing(target)) === (await listing(source)), listed }).toEqual({
    status: 200,
    same: true,
    listed: [
      'a/',
      'a/b/',
      'a/b/random',
      'dangling',
      'empty/',
      'key',
      'link',
      `${LONG}/`,
      `${LONG}/${LONG}`,
      'run',
      'zero',
    ].sort(),
  })
})

test('a checkpoint goes out as it was, whatever has become of the files since', async () => {
  const projectId = await aProject(db, { kind: 'files', files: { 'kept.txt': 'kept\n' } })
  const { checkpoints } = await aDoneTask({ db, workspaces: parts.workspaces }, projectId, [
    { 'a.txt': 'one' },
    { 'a.txt': 'two' },
  ])
  const into = await aProject(db)
  const taken = await upload(into, await download(projectId, `?checkpoint=${checkpoints.at(1)?.id ?? ''}`))
  const foreign = await fetch(`${archiveOf(into)}?checkpoint=${checkpoints.at(1)?.id ?? ''}`, { headers })
  const target = await parts.workspaces.open(into)
  expect({
    taken: taken.status,
    files: (await run(target, 'cat a.txt kept.txt')).output,
    foreign: foreign.status,
  }).toEqual({
    taken: 200,
    files: 'onekept\n',
    foreign: 404,
  })
})

async function tarOf(
  ...entries: (Parameters<ReturnType<typeof pack>['entry']>[0] & { data?: string | Buffer })[]
): Promise<Buffer> {
  const tar = pack()
  for (const { data, ...header } of entries) tar.entry(header, data ?? '')
  tar.finalize()
  return await buffer(tar)
}

/** The same tar with another type in its first header. */
function ofType(tar: Buffer, type: string): Buffer {
  const changed = Buffer.from(tar)
  changed.write(type, 156, 'latin1')
  changed.fill(' ', 148, 156)
  const sum = changed.subarray(0, 512).reduce((total, byte) => total + byte, 0)
  changed.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return changed
}

async function zipOf(files: Readonly<Record<string, string>>, forceZip64Format = false): Promise<Buffer> {
  const zip = new ZipFile()
  for (const [name, text] of Object.entries(files)) zip.addBuffer(Buffer.from(text), name, { forceZip64Format })
  zip.end({ forceZip64Format, comment: '' })
  return await buffer(zip.outputStream)
}

/** Zips whose directory says less of a file's size than there is, and more of the number of entries. */
async function falseZips(): Promise<{ lying: Buffer; tooMany: Buffer }> {
  const lying = await zipOf({ a: 'x'.repeat(100_000) })
  lying.writeUInt32LE(10, lying.lastIndexOf('PK\x01\x02', undefined, 'latin1') + 24)
  const tooMany = await zipOf({ a: 'x' })
  const end = tooMany.lastIndexOf('PK\x05\x06', undefined, 'latin1')
  tooMany.writeUInt16LE(60_000, end + 8)
  tooMany.writeUInt16LE(60_000, end + 10)
  return { lying, tooMany }
}

test('names that differ in case or hold a line end, and the form of zip for large ones, are taken as they are', async () => {
  const projectId = await aProject(db)
  const sandbox = await parts.workspaces.open(projectId)
  const told = [
    await upload(projectId, await tarOf({ name: 'A', data: '1' }, { name: 'a', data: '2' }, { name: 'x\ny' })),
  ]
  const tar = (await run(sandbox, 'ls -A --quoting-style=c')).output
  told.push(await upload(projectId, await zipOf({ A: '1', a: '2', 'x\ny': '' }, true)))
  const zip = (await run(sandbox, 'ls -A --quoting-style=c')).output
  const taken = { status: 200, body: { files: 3, sizeBytes: 2 } }
  expect({ told, tar, zip }).toEqual({ told: [taken, taken], tar, zip: '"A"\n"a"\n"x\\ny"\n' })
})

test('what leads out, is no file or unpacks without measure is refused by name, and the files are as before', async () => {
  const projectId = await aProject(db, { kind: 'files', files: { 'kept.txt': 'kept' } })
  const zip = new ZipFile()
  zip.addBuffer(Buffer.from('x'), 'aa/passwd')
  zip.end()
  const climbing = Buffer.from(
    (await buffer(zip.outputStream)).toString('latin1').replaceAll('aa/passwd', '../passwd'),
    'latin1',
  )
  const { lying, tooMany } = await falseZips()
  const cases: [string, Buffer][] = [
    ['../x leads out of the workspace', await tarOf({ name: '../x', data: 'x' })],
    ['a/../../x leads out of the workspace', await tarOf({ name: 'a/../../x', data: 'x' })],
    ['/etc/x is an absolute name', await tarOf({ name: '/etc/x', data: 'x' })],
    ['../passwd', climbing],
    ['the link out leads out of it', await tarOf({ name: 'out', type: 'symlink', linkname: '../../etc' })],
    ['the link abs leads out of it', await tarOf({ name: 'abs', type: 'symlink', linkname: '/etc' })],
    [
      'd is a file or a link and a directory at once',
      await tarOf({ name: 'd', type: 'symlink', linkname: 'e' }, { name: 'd/x', data: 'x' }),
    ],
    ['hard is a hard link', await tarOf({ name: 'a', data: 'x' }, { name: 'hard', type: 'link', linkname: 'a' })],
    ['null is neither a file', await tarOf({ name: 'null', type: 'character-device' })],
    ['pipe is neither a file', await tarOf({ name: 'pipe', type: 'fifo' })],
    [
      'a file or directory lies deeper than 100 directories, leave it out or move it to a directory above: d/d/',
      await tarOf({ name: 'd/'.repeat(101), type: 'directory' }),
    ],
    ['deeper than 100 directories', await tarOf({ name: `${'d/'.repeat(100)}f`, data: 'x' })],
    ['a name is longer than 255 bytes', await tarOf({ name: 'n'.repeat(256), data: 'x' })],
    ['a is a file or a link and a', await tarOf({ name: 'a', data: 'x' }, { name: 'a', type: 'directory' })],
    ['a is there twice', await tarOf({ name: 'a', type: 'directory' }, { name: 'a', data: 'x' })],
    ['a name holds a NUL byte', await tarOf({ name: 'short', data: 'x', pax: { path: 'a\0b' } })],
    ['Header exceeds max size', await tarOf({ name: 'short', data: 'x', pax: { comment: 'c'.repeat(5_000_000) } })],
    ['twice is there twice', await tarOf({ name: 'twice', data: '1' }, { name: 'twice', data: '2' })],
    [
      'it unpacks to more than 100 times its size',
      gzipSync(await tarOf({ name: 'zeros', data: Buffer.alloc(300 * 1024 * 1024) })),
    ],
    ['hard is a hard link', await tarOf({ name: 'hard', type: 'link', linkname: '../../etc/passwd' })],
    [
      'it holds more than 1 MiB that belongs to no file',
      gzipSync(Buffer.concat([await tarOf({ name: 'a', data: 'x' }), Buffer.alloc(200 * 1024 * 1024)])),
    ],
    [
      'an entry has more than 200 extended headers',
      await tarOf({
        name: 'a',
        data: 'x',
        pax: Object.fromEntries(Array.from({ length: 300 }, (_, key) => [`k${key}`, 'v'])),
      }),
    ],
    [
      'sparse is a sparse file; pack it without --sparse',
      await tarOf({ name: 'sparse', pax: { 'GNU.sparse.major': '1' } }),
    ],
    ['old is neither a file', ofType(await tarOf({ name: 'old', data: 'x' }), 'S')],
    ['Invalid header', await tarOf({ name: 'a', data: 'x', pax: { size: '-1' } })],
    [
      'a is larger than 1024 MiB, the limit of a file',
      await tarOf({ name: 'a', data: 'x', pax: { size: '9007199254740000' } }),
    ],
    ['cannot be read', lying],
    ['cannot be read', tooMany],
    ['it is neither zip nor tar nor tar.gz', Buffer.from('hello')],
    ['cannot be read', gzipSync(await tarOf({ name: 'cut', data: Buffer.alloc(100_000, 'x') })).subarray(0, 150)],
  ]
  const told = []
  for (const [, archive] of cases) told.push(await upload(projectId, archive))
  const sandbox = await parts.workspaces.open(projectId)
  expect({ told, files: (await run(sandbox, 'ls -A; cat kept.txt')).output }).toEqual({
    told: cases.map(([sentence]) => ({
      status: 400,
      body: {
        error: { code: 'bad_request', message: expect.stringContaining(sentence), details: expect.anything() },
        requestId: expect.any(String),
      },
    })),
    files: 'kept.txt\nkept',
  })
})

test('while a task is not over an archive is 409; nothing and too much are said', async () => {
  const projectId = await aProject(db)
  const empty = await upload(projectId, Buffer.alloc(0))
  await post(db, { projectId, text: 'work' })
  const busy = await upload(projectId, await tarOf({ name: 'x', data: 'x' }))
  const missing = await fetch(`${archiveOf(projectId)}?checkpoint=ckp_none`, { headers })
  const format = await fetch(`${archiveOf(projectId)}?format=rar`, { headers })
  expect([empty, busy, missing.status, format.status]).toMatchObject([
    { status: 400 },
    { status: 409, body: { error: { code: 'task_running' } } },
    404,
    400,
  ])
})
