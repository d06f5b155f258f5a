/** A project made from a folder of the host: what comes in is what is there, and what does not come in is said. */

import { execFileSync } from 'node:child_process'
import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import { type FillReport, fillSandbox } from '../../../src/sandbox/fill.ts'
import type { Limits } from '../../../src/sandbox/local-bwrap/limits.ts'
import { walkAll } from '../../../src/sandbox/sources/walk-folder.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { run } from '../../contract/sandbox/harness.ts'

const silent = { info: () => undefined, warn: () => undefined }
let base: string
let folder: string
let generation = 0
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'keelson-folder-'))
})
beforeEach(() => {
  folder = join(base, 'roots', `p${++generation}`)
  mkdirSync(folder, { recursive: true })
})
afterAll(() => rmSync(base, { recursive: true, force: true }))

const put = (path: string, data: string | Uint8Array = '', mode?: number) => {
  mkdirSync(join(folder, path, '..'), { recursive: true })
  writeFileSync(join(folder, path), data)
  if (mode !== undefined) chmodSync(join(folder, path), mode)
}
const git = (...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@t.invalid', ...args], { cwd: folder, encoding: 'utf8' })

async function aSandbox(limits: Partial<Limits> = {}): Promise<Sandbox> {
  const provider = createSandboxProvider({
    kind: 'local-bwrap',
    dir: join(base, 's'),
    logger: silent,
    limits,
    runnerIdleMs: 5_000,
  })
  return await provider.open(await provider.ensure({ projectId: 'prj_folder', generation }))
}
async function fill(sandbox: Sandbox): Promise<FillReport> {
  return await fillSandbox(
    sandbox,
    { kind: 'path', path: folder },
    {
      sampleFiles: () => ({}),
      projectRoots: [join(base, 'roots')],
      forkedFiles: async function* () {},
      clone: () => Promise.reject(new Error('not git')),
      control: { check: () => undefined, onProgress: () => undefined, inTurn: (work) => work() },
    },
  )
}
/** Kind, mode, size, link target and name in bytes of all that lies there. */
const LISTING = `find . -mindepth 1 -path ./.git -prune -o -mindepth 1 -printf '%y %m %s %p %l\\n' | sed 's/^d \\([0-9]*\\) [0-9]*/d \\1/' | LC_ALL=C sort | od -An -c -v`

test('links, modes, byte names, empty directories and empty files come in as they are', async () => {
  put('AGENTS.md', 'rules')
  put('docs/a.md', 'x')
  put('run.sh', '#!/bin/sh\n', 0o755)
  put('key', 'k', 0o600)
  put('read-only', 'r', 0o444)
  put('empty')
  put('a/b/.gitkeep')
  put('ok.txt', 'fine')
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9]), Buffer.from('.txt')]), 'latin')
  mkdirSync(join(folder, 'logs/today'), { recursive: true })
  mkdirSync(join(folder, 'src'))
  symlinkSync('AGENTS.md', join(folder, 'CLAUDE.md'))
  symlinkSync('../docs', join(folder, 'src/docs-link'))
  symlinkSync('nowhere', join(folder, 'dangling'))
  symlinkSync('/etc/hostname', join(folder, 'outside'))
  symlinkSync('t'.repeat(4_095), join(folder, 'far'))
  for (const name of ['new\nline', ' space ', '-dash', '*', 'a\\b', 'é'.repeat(127), 'n'.repeat(255)]) put(name, name)
  put(`${'d/'.repeat(90)}deep`, 'deep')
  put('read-only-here/in', 'x')
  chmodSync(join(folder, 'read-only-here'), 0o555)
  const sandbox = await aSandbox()
  const report = await fill(sandbox)
  chmodSync(join(folder, 'read-only-here'), 0o755)
  await run(sandbox, 'test "$(stat -c %a read-only-here)" = 555 && chmod 755 read-only-here')
  const inside = await run(sandbox, LISTING)
  const outside = execFileSync('sh', ['-c', LISTING], { cwd: folder, encoding: 'utf8' })
  expect({ inside: inside.output, notes: report.notes }).toEqual({ inside: outside, notes: [] })
})

test('a repository with packed refs and a tag is whole: clean status, log and tags; our own files stay out of its status', async () => {
  put('README.md', 'x')
  symlinkSync('README.md', join(folder, 'link'))
  git('init', '-q', '-b', 'main')
  git('config', 'remote.origin.url', 'https://user:geheim@example.invalid/r.git')
  git('config', 'http.https://example.invalid/.extraheader', 'AUTHORIZATION: basic geheim')
  git('add', '-A')
  git('commit', '-qm', 'first')
  git('tag', 'v1')
  git('pack-refs', '--all')
  git('gc', '-q')
  const sandbox = await aSandbox()
  const report = await fill(sandbox)
  await sandbox.write([
    { path: '.claude/memory.md', data: 'm' },
    { path: '.claude/project-context.md', data: 'c' },
  ])
  const seen = await run(
    sandbox,
    'git status --porcelain --branch; git log --format=%s; git tag; git config remote.origin.url; grep -c geheim .git/config',
  )
  expect({ seen: seen.output, notes: report.notes }).toEqual({
    seen: '## main\nfirst\nv1\nhttps://example.invalid/r.git\n0\n',
    notes: ['.git/config: taken over without the credentials in it.'],
  })
})

test('what an install or a build brings again is neither counted nor copied, and is told; what is tracked is copied', async () => {
  put('package.json', '{"dependencies":{"left":"1.0.0"}}')
  for (const name of ['a', 'b']) put(`node_modules/${name}/index.js`, '1')
  put('app/node_modules/own/index.js', 'undescribed and small')
  put('rust/Cargo.toml')
  put('rust/target/debug/app', 'binary')
  put('plain/target/aim.ts', 'a word')
  put('py/.venv/bin/python')
  put('kept/__pycache__/tracked.txt', 'tracked')
  git('init', '-q')
  git('add', '-f', 'kept')
  git('commit', '-qm', 'first')
  const sandbox = await aSandbox()
  const report = await fill(sandbox)
  const { output } = await run(sandbox, 'find . -path ./.git -prune -o -type f -print | LC_ALL=C sort')
  expect({ files: output.trim().split('\n'), notes: [...report.notes].sort() }).toEqual({
    files: [
      './app/node_modules/own/index.js',
      './kept/__pycache__/tracked.txt',
      './package.json',
      './plain/target/aim.ts',
      './rust/Cargo.toml',
    ],
    notes: [
      'node_modules: not taken over, an install brings it again.',
      'py/.venv: not taken over, tools make it again.',
      'rust/target: not taken over, a build or an install makes it again.',
    ],
  })
})

test('a folder of 51,000 files, nearly all of them in node_modules, comes in without those, described or not', async () => {
  for (const name of ['described', 'bare']) {
    put(`${name}/package.json`, name === 'bare' ? '{}' : '{"dependencies":{"left":"1.0.0"}}')
    const make = 'mkdir -p m{1..51} && for m in m*; do (cd "$m" && touch {1..500}); done'
    put(`${name}/node_modules/index.js`)
    execFileSync('bash', ['-c', make], { cwd: join(folder, name, 'node_modules') })
  }
  const sandbox = await aSandbox()
  const report = await fill(sandbox)
  const { output } = await run(sandbox, 'find . -type f | LC_ALL=C sort')
  expect({ files: output.trim().split('\n'), report: { ...report, notes: [...report.notes].sort() } }).toMatchObject({
    files: ['./bare/package.json', './described/package.json'],
    report: {
      files: 2,
      notes: [
        'bare/node_modules: not taken over, it holds more than 2000 files.',
        'described/node_modules: not taken over, an install brings it again.',
      ],
    },
  })
})

test('files that decide what is left out are read as what they are: a pipe, a link or a device in their place ends nothing', async () => {
  put('.git/HEAD', 'ref: refs/heads/main\n')
  put('node_modules/a/index.js', '1')
  put('app/node_modules/b/index.js', '1')
  // Directories under names that every object of JavaScript has.
  for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) put(`${name}/a.txt`, name)
  execFileSync('/usr/bin/mkfifo', [join(folder, '.git/index'), join(folder, 'package.json')])
  symlinkSync('/dev/zero', join(folder, 'app/package.json'))
  const sandbox = await aSandbox()
  const report = await fill(sandbox)
  const { output } = await run(sandbox, 'find . -path ./.git -prune -o ! -type d -print | LC_ALL=C sort')
  expect({ files: output.trim().split('\n'), notes: [...report.notes].sort() }).toEqual({
    files: [
      './__proto__/a.txt',
      './app/node_modules/b/index.js',
      './app/package.json',
      './constructor/a.txt',
      './hasOwnProperty/a.txt',
      './node_modules/a/index.js',
      './toString/a.txt',
    ],
    notes: [
      '.git/index: not taken over, it is a device, a socket or a pipe.',
      'package.json: not taken over, it is a device, a socket or a pipe.',
    ],
  })
})

test('a repository with an index of any kind keeps what it tracks of build directories; one that cannot be read is told', async () => {
  put('package.json', '{}')
  put('node_modules/tracked/index.js', '1')
  put('other/.venv/bin/python', '1')
  git('init', '-q', '--object-format=sha256')
  git('add', '-f', 'node_modules')
  git('commit', '-qm', 'first')
  git('update-index', '--split-index', '--index-version=4')
  const kept = await aSandbox()
  const report = await fill(kept)
  expect({
    notes: report.notes,
    tracked: (await run(kept, 'cat node_modules/tracked/index.js; git status --porcelain -uno')).output,
  }).toEqual({ notes: ['other/.venv: not taken over, tools make it again.'], tracked: '1' })
  put('.git/index', 'DIRC\0\0\0\x09\0\0\0\0')
  expect((await fill(await aSandbox())).notes).toEqual([
    '.git/index: it has version 9, and only 2 to 4 are known, so what tools make again was left out whether or not git tracks it.',
    'other/.venv: not taken over, tools make it again.',
  ])
})

test('of what only looks taken over it is told: hard links are copies, and bits beyond permissions are gone', async () => {
  put('a.txt', 'x')
  linkSync(join(folder, 'a.txt'), join(folder, 'b.txt'))
  put('tool', 'x', 0o4755)
  put('.git/HEAD', 'ref: refs/heads/main\n')
  linkSync(join(folder, '.git/HEAD'), join(folder, '.git/copy'))
  const sandbox = await aSandbox()
  const { notes } = await fill(sandbox)
  const { output } = await run(sandbox, "stat -c '%n %a %h' a.txt b.txt tool")
  expect({ output, notes: [...notes].sort() }).toEqual({
    output: 'a.txt 644 1\nb.txt 644 1\ntool 755 1\n',
    notes: [
      expect.stringMatching(/^[ab]\.txt: a copy now, where it was one file with [ab]\.txt/),
      expect.stringMatching(/^tool: taken over without its set-uid/),
    ],
  })
})

test('pipes and sockets are told, and a worktree or borrowed objects are refused by name', async () => {
  put('a.txt', 'x')
  execFileSync('/usr/bin/mkfifo', [join(folder, 'pipe')])
  expect((await fill(await aSandbox())).notes).toEqual(['pipe: not taken over, it is a device, a socket or a pipe.'])
  put('.git', 'gitdir: /somewhere/else\n')
  await expect(fill(await aSandbox())).rejects.toMatchObject({
    code: 'project_source_failed',
    message: expect.stringContaining('worktree'),
  })
  rmSync(join(folder, '.git'))
  put('.git/objects/info/alternates', '/elsewhere\n')
  await expect(fill(await aSandbox())).rejects.toMatchObject({
    code: 'project_source_failed',
    message: expect.stringContaining('alternates'),
  })
})

test('sparse and large files are streamed: eight of 90 MB and 200 of 2.2 MB cost neither memory nor, as holes, disk', async () => {
  for (let i = 0; i < 8; i++) {
    put(`sparse${i}`, 'head')
    truncateSync(join(folder, `sparse${i}`), 90 * 1024 * 1024)
  }
  const data = Buffer.alloc(2.2 * 1024 * 1024, 'x')
  for (let i = 0; i < 200; i++) put(`large/${i}`, data)
  const sandbox = await aSandbox()
  const before = process.memoryUsage().rss
  let most = 0
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss)
  }, 5)
  const report = await fill(sandbox)
  clearInterval(watch)
  const { output } = await run(
    sandbox,
    'cat sparse3 | wc -c; head -c4 sparse3; test $(du -m sparse3 | cut -f1) -lt 3 && echo " holes"',
  )
  expect({ files: report.files, sizeBytes: report.sizeBytes, grew: most - before < 100 * 1024 * 1024, output }).toEqual(
    {
      files: 208,
      sizeBytes: 8 * 90 * 1024 * 1024 + 200 * data.length,
      grew: true,
      output: `${90 * 1024 * 1024}\nhead holes\n`,
    },
  )
})

test('a folder beyond a limit is refused with a sentence that names the limit, and nothing of it stays', async () => {
  put('one', Buffer.alloc(3 * 1024 * 1024, 'x'))
  const whole = await aSandbox({ workspaceBytes: 2 * 1024 * 1024 })
  const file = await aSandbox({ fileBytes: 1024 * 1024 })
  const refused = await Promise.allSettled([fill(whole), fill(file)])
  const left = await run(file, 'ls -A . ; ls -A ..  2>/dev/null | grep incoming')
  expect({ refused, left: left.output }).toMatchObject({
    refused: [
      {
        reason: {
          message: 'The project’s files cannot be brought in: the files are more than 2 MiB, the limit of a workspace.',
        },
      },
      {
        reason: { message: 'The project’s files cannot be brought in: one is larger than 1 MiB, the limit of a file.' },
      },
    ],
    left: '',
  })
})

test('a worktree within the folder is told, and credentials come in with no configuration of git, of a submodule or another repository', async () => {
  git('init', '-q', '-b', 'main', '.')
  put('a.txt', 'x')
  git('add', '.')
  git('commit', '-qm', 'one')
  git('worktree', 'add', '-q', 'side')
  const withToken = '[remote "origin"]\n\turl = https://me:s3cret@git.example.com/a.git\n'
  const configs = [
    '.git/modules/lib/config',
    '.git/worktrees/side/config.worktree',
    'in/.git/config',
    'bare.git/config',
  ]
  for (const path of configs) put(path, withToken)
  put('lib/.git', 'gitdir: ../.git/modules/lib\n')
  put('config', withToken)
  const sandbox = await aSandbox()
  const { notes } = await fill(sandbox)
  const { output } = await run(
    sandbox,
    'grep -rl s3cret . ; git worktree repair side >/dev/null 2>&1; git -C side status -sb',
  )
  expect({ notes: notes.toSorted(), output }).toEqual({
    notes: [
      ...configs.map((path) => `${path}: taken over without the credentials in it.`),
      'side: taken over as files alone, it is a git worktree or submodule whose history lies elsewhere.',
    ].toSorted(),
    output: './config\n## side\n',
  })
})

test('a deep folder is refused, not walked for ever', async () => {
  mkdirSync(join(folder, 'd/'.repeat(120)), { recursive: true })
  await expect(fill(await aSandbox())).rejects.toMatchObject({
    code: 'project_source_failed',
    message: expect.stringMatching(/deeper than 100 directories, leave .*: d\/d\//),
    details: { source: expect.stringContaining('deeper than 100') },
  })
})

test('what is taken away while a folder is read is left out, and the rest comes', async () => {
  const names = ['a', 'b', 'c', 'd']
  for (const name of names) put(name, name)
  symlinkSync('a', join(folder, 'link'))
  const read: string[] = []
  for await (const entry of walkAll(folder)) {
    read.push(Buffer.from(entry.path).toString())
    for (const name of [...names, 'link']) if (!read.includes(name)) rmSync(join(folder, name), { force: true })
  }
  expect(read).toHaveLength(1)
})

/** Does it without root's power to pass every permission; nothing else of this file runs meanwhile. */
async function asOrdinaryUser<T>(work: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return await work()
  chmodSync(base, 0o711)
  execFileSync('chown', ['-R', String(NOBODY), folder])
  process.seteuid?.(NOBODY)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
  }
}
const NOBODY = 65_534

test('a directory that may be read and not entered is left out with what is in it', async () => {
  put('shown', '')
  put('closed/in', '')
  chmodSync(join(folder, 'closed'), 0o400)
  const read = await asOrdinaryUser(async () => {
    const paths: string[] = []
    for await (const entry of walkAll(folder)) paths.push(Buffer.from(entry.path).toString())
    return paths
  })
  expect(read).toEqual(['shown', 'closed'])
})
