/** A whole new set of files in a workspace's place: all of it or nothing, whenever the process dies. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import { sandboxPaths } from '../../../src/sandbox/local-bwrap/layout.ts'
import type { SandboxProvider, SandboxRef, WorkspaceEntry } from '../../../src/sandbox/types.ts'
import { run } from '../../contract/sandbox/harness.ts'

let dir: string
let provider: SandboxProvider
let generation = 0
beforeAll(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'keelson-replace-')))
  const logger = { info: () => undefined, warn: () => undefined }
  provider = createSandboxProvider({ kind: 'local-bwrap', dir, logger, runnerIdleMs: 5_000 })
})
afterAll(async () => {
  await provider?.close()
  rmSync(dir, { recursive: true, force: true })
})

async function aSandbox(): Promise<SandboxRef> {
  const ref = await provider.ensure({ projectId: 'prj_replace', generation: ++generation })
  await (await provider.open(ref)).write([
    { path: 'old.txt', data: 'old' },
    { path: '.git/HEAD', data: 'x' },
  ])
  return ref
}
async function* entries(...names: readonly string[]): AsyncGenerator<WorkspaceEntry> {
  for (const name of names) {
    const data = (async function* () {
      yield Buffer.from(name)
    })()
    yield { kind: 'file', path: Buffer.from(name), mode: 0o644, sizeBytes: name.length, data }
  }
}
async function* breaking(): AsyncGenerator<WorkspaceEntry> {
  yield* entries('new.txt')
  throw new Error('the source broke off')
}
async function refusalOf(work: Promise<unknown> | undefined): Promise<unknown> {
  try {
    return await work
  } catch (error) {
    return error instanceof Error ? error.message : error
  }
}
const seen = async (ref: SandboxRef) => (await run(await provider.open(ref), 'ls -A')).output

test('a source that breaks off, or a refusal at the last moment, leaves the files as they were and nothing beside them', async () => {
  const ref = await aSandbox()
  const sandbox = await provider.open(ref)
  await expect(sandbox.replaceFiles?.(breaking())).rejects.toThrow('the source broke off')
  const ready = () => Promise.reject(new Error('a task has begun'))
  await expect(sandbox.replaceFiles?.(entries('new.txt'), { ready })).rejects.toThrow('a task has begun')
  const beside = readdirSync(sandboxPaths(dir, ref.id).base).filter((name) => /incoming|previous|next/.test(name))
  expect({ files: await seen(ref), beside }).toEqual({ files: '.git\nold.txt\n', beside: [] })
})

test('what is refused by number, names or sizes is refused before anything is read of it or written', async () => {
  const sandbox = await provider.open(await aSandbox())
  const none = async function* () {}
  const many = async function* (count: number, nameOf: (at: number) => string, sizeBytes?: number) {
    for (let at = 0; at < count; at++) {
      const path = Buffer.from(nameOf(at))
      if (sizeBytes === undefined) yield { kind: 'directory', path, mode: 0o755 } as const
      else yield { kind: 'file', path, mode: 0o644, sizeBytes, data: none() } as const
    }
  }
  const long = `${'n'.repeat(250)}/`.repeat(14)
  const cases: [string, AsyncIterable<WorkspaceEntry>][] = [
    ['there are more than 200000 files and directories', many(200_100, (at) => `d${at}`)],
    ['the paths are more than 32 MiB together', many(10_000, (at) => `${at}/${long}`)],
    ['the files are more than 5120 MiB, the limit of a workspace', many(6, (at) => `f${at}`, 1_000 * 1024 * 1024)],
    ['f0 is larger than 1024 MiB, the limit of a file', many(1, (at) => `f${at}`, 2 ** 40)],
    ['f is there twice', many(2, () => 'f', 1)],
  ]
  let read = 0
  const counted = async function* () {
    read += 1
    yield* entries('new.txt')
  }
  const told: unknown[] = []
  for (const [, first] of cases) told.push(await refusalOf(sandbox.replaceFiles?.(counted(), { first })))
  expect({ told, read }).toEqual({ told: cases.map(([sentence]) => sentence), read: 0 })
})

test('a process that dies between the two renames is finished by whoever opens the sandbox next', async () => {
  const ref = await aSandbox()
  const { base, workspace } = sandboxPaths(dir, ref.id)
  // What is on disk at that instant.
  renameSync(workspace, join(base, 'previous-1'))
  const { workspace: other } = sandboxPaths(dir, (await aSandbox()).id)
  writeFileSync(join(other, 'new.txt'), 'new')
  renameSync(other, join(base, 'next'))
  const files = await seen(ref)
  const sandbox = await provider.open(ref)
  await sandbox.replaceFiles?.(entries('last.txt'), { keep: ['.git'] })
  const beside = readdirSync(base).filter((name) => /incoming|previous|next/.test(name))
  expect({ files, afterwards: await seen(ref), beside }).toEqual({
    files: '.git\nnew.txt\nold.txt\n',
    afterwards: '.git\nlast.txt\n',
    beside: [],
  })
})

test('files that are replaced are gone, whatever shape they had: too long a path, a locked directory', async () => {
  const ref = await aSandbox()
  const sandbox = await provider.open(ref)
  const deep = 'import os\nfor i in range(25): os.mkdir("d"*200); os.chdir("d"*200)\nopen("old-secret","w").close()'
  await run(sandbox, ['python3', '-c', deep])
  await run(sandbox, 'mkdir -p locked/in; echo x > locked/in/old-secret; chmod 000 locked/in locked')
  await sandbox.replaceFiles?.(entries('new.txt'))
  const left = execFileSync('find', [dir, '-name', 'old-secret']).toString()
  const beside = readdirSync(sandboxPaths(dir, ref.id).base).filter((name) => /incoming|previous|next/.test(name))
  expect({ files: await seen(ref), left, beside }).toEqual({ files: 'new.txt\n', left: '', beside: [] })
})
