import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { readChange } from '../../../src/review/read-change.ts'
import { reviewPrompt } from '../../../src/review/review-prompt.ts'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import type { Sandbox, SandboxProvider } from '../../../src/sandbox/types.ts'
import { run } from '../../contract/sandbox/harness.ts'

let dir: string
let provider: SandboxProvider
let sandbox: Sandbox
let projects = 0
const ask = { taskId: 'tsk_1', execId: 'ignored-1', signal: new AbortController().signal }

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'keelson-change-'))
  provider = createSandboxProvider({ kind: 'local-bwrap', dir, logger: pino({ level: 'silent' }), runnerIdleMs: 2_000 })
})

beforeEach(async () => {
  const ref = await provider.ensure({ projectId: `prj_change${++projects}`, generation: 1 })
  sandbox = await provider.open(ref)
  return async () => await provider.destroy(ref)
})

afterAll(async () => {
  await provider.close()
  await rm(dir, { recursive: true, force: true })
})

/** What a reviewer is told of what these commands change. */
async function promptOf(before: string, change: string) {
  await run(sandbox, before)
  const from = await sandbox.checkpoint()
  await run(sandbox, change)
  const shown = await readChange(sandbox, { from, to: await sandbox.checkpoint() }, ask)
  return {
    shown,
    prompt: reviewPrompt({ round: 1, requests: ['x'], criteria: [], checks: [], change: shown, open: [] }),
  }
}

test('no generated file hides one that somebody wrote', async () => {
  const { shown, prompt } = await promptOf(
    'mkdir src; echo a > src/app.js; echo "{}" > package-lock.json',
    'seq 1 60000 > a-generated.txt; echo CHANGED_X > src/app.js; seq 1 40000 > package-lock.json; seq 1 90000 > z.csv',
  )
  for (const part of ['create a-generated.txt (+60000', 'modify src/app.js (+1 −1)', '+CHANGED_X'])
    expect(prompt).toContain(part)
  expect([...shown.unseen].sort()).toEqual(['a-generated.txt', 'package-lock.json', 'z.csv'])
  expect(Buffer.byteLength(shown.patch)).toBeLessThanOrEqual(200_000)
})

test('no large file hides a small one, and a middling one is shown whole', async () => {
  const { shown, prompt } = await promptOf(
    'echo > a',
    'seq -f "%0100g" 1 2500 > a-large.js; seq 1 900 > middle.js; echo small > z-small.js; rm a',
  )
  expect([...shown.unseen]).toEqual(['a-large.js'])
  for (const part of ['+small', '+900\n', 'delete a (+0 −1)', 'a-large.js (+2500 −0, not all of it below)'])
    expect(prompt).toContain(part)
})

test('two thousand files are named within bounds', async () => {
  const { shown, prompt } = await promptOf('true', 'for i in $(seq 1 2000); do seq 1 50 > f$i.ts; done')
  expect(shown.changes).toHaveLength(2_000)
  expect(Buffer.byteLength(prompt)).toBeLessThan(300_000)
  expect(prompt).toContain('and 1700 more files')
})

test.each([
  ['without a repository', 'true'],
  ['in a repository', 'git init -q; git add -A; git -c user.name=x -c user.email=x@y.z commit -qm x'],
])('what holds secrets or is ignored is named, its content is not shown, %s', async (_what, init) => {
  const { shown, prompt } = await promptOf(
    `printf '.env\\n*.log\\nconf/local.*\\n!keep.log\\n' > .gitignore; mkdir src conf; echo 1 > src/z.py; ${init}`,
    'echo TOKEN=abc123secret > .env; echo abc123secret > conf/local.yaml; echo abc123secret > a.log; echo kept > keep.log; echo 2 > src/z.py; echo abc123secret > "server.key"',
  )
  expect([...shown.withheld].sort()).toEqual(['.env', 'a.log', 'conf/local.yaml', 'server.key'])
  for (const part of ['.env (+1 −0, content withheld)', 'modify src/z.py', '+kept']) expect(prompt).toContain(part)
  expect(prompt).not.toContain('abc123secret')
})

test('a pipe, a directory or a device where rules are read from delays no review, and the other rules hold', async () => {
  const { shown, prompt } = await promptOf(
    `printf '*.log\\n' > .gitignore; mkdir -p a/b d/.gitignore e .git/info; mkfifo a/.gitignore a/b/.gitignore .git/info/exclude
     ln -s /dev/zero e/.gitignore; printf 'local.*\\n' > d/.gitignore/.gitignore; mkdir c; printf 'own.*\\n' > c/.gitignore`,
    'for at in . a a/b c d e; do echo abc123secret > $at/x.log; echo fine > $at/x.txt; done; echo abc123secret > c/own.txt',
  )
  expect([...shown.withheld].sort()).toEqual([
    'a/b/x.log',
    'a/x.log',
    'c/own.txt',
    'c/x.log',
    'd/x.log',
    'e/x.log',
    'x.log',
  ])
  expect(prompt).not.toContain('abc123secret')
})

test.each(['sha1', 'sha256'])(
  'what is tracked is shown although a rule names it, with hashes of %s',
  async (format) => {
    const { shown } = await promptOf(
      `git init -q --object-format=${format}; printf '*.log\\nout/\\n' > .gitignore; mkdir out; echo 1 > kept.log; echo 1 > out/kept
     git add -f .; git -c user.name=x -c user.email=x@y.z commit -qm x; mv .git/config was; mkfifo .git/hooked`,
      'mv was .git/config; for name in kept.log new.log out/kept out/new; do echo 2 > $name; done',
    )
    expect([...shown.withheld].sort()).toEqual(['new.log', 'out/new'])
  },
)
