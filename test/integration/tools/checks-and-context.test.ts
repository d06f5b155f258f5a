import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { writeOwnNote } from '../../../src/context/own-notes.ts'
import { CONTEXT_FILE, collectProjectContext, contextInputHash } from '../../../src/context/project-context.ts'
import { lookAtInputs } from '../../../src/environment/look-at-inputs.ts'
import { detectChecks } from '../../../src/project/detect-checks.ts'
import { readProjectFiles } from '../../../src/project/project-files.ts'
import { changedLines } from '../../../src/review/diff-lines.ts'
import { detectProjectChecks, runChecks } from '../../../src/review/run-checks.ts'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import type { Sandbox, SandboxProvider } from '../../../src/sandbox/types.ts'
import { run } from '../../contract/sandbox/harness.ts'

let dir: string
let provider: SandboxProvider
let sandbox: Sandbox
let projects = 0
const { signal } = new AbortController()

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'keelson-checks-'))
  provider = createSandboxProvider({ kind: 'local-bwrap', dir, logger: pino({ level: 'silent' }), runnerIdleMs: 2_000 })
})

beforeEach(async () => {
  const ref = await provider.ensure({ projectId: `prj_checks${++projects}`, generation: 1 })
  sandbox = await provider.open(ref)
  return async () => await provider.destroy(ref)
})

afterAll(async () => {
  await provider.close()
  await rm(dir, { recursive: true, force: true })
})

const put = async (files: Record<string, string>) =>
  await sandbox.write(Object.entries(files).map(([path, data]) => ({ path, data })))

describe('runChecks', () => {
  const round = { taskId: 'tsk_1', round: 1, signal }

  test('runs each in order and reports how it went', async () => {
    const checks = [
      { name: 'test', command: 'echo ok' },
      { name: 'lint', command: 'echo bad; exit 2' },
      { name: 'gone', command: 'no-such-program' },
    ]
    const results = await runChecks(sandbox, checks, round)
    const durationMs = expect.any(Number)
    expect(results).toEqual([
      { ...checks[0], status: 'passed', exitCode: 0, durationMs, output: 'ok' },
      { ...checks[1], status: 'failed', exitCode: 2, durationMs, output: 'bad' },
      { ...checks[2], status: 'failed', exitCode: 127, durationMs, output: expect.stringContaining('not found') },
    ])
  })

  test('the same round again attaches, another round runs anew', async () => {
    const checks = [{ name: 'test', command: 'echo run >> log; wc -l < log' }]
    const first = await runChecks(sandbox, checks, round)
    const again = await runChecks(sandbox, checks, round)
    const next = await runChecks(sandbox, checks, { ...round, round: 2 })
    expect(again).toEqual(first)
    expect([first[0]?.output, next[0]?.output]).toEqual(['1', '2'])
  })

  test('output is head and tail within 8,000 characters', async () => {
    const [result] = await runChecks(sandbox, [{ name: 'test', command: 'seq 1 100000; exit 1' }], round)
    expect(result?.output.length).toBeLessThanOrEqual(8_000)
    expect(result?.output).toMatch(/^1\n2\n[\s\S]*bytes left out here[\s\S]*\n100000$/)
  })

  test('the time is bounded for all of them together', async () => {
    const checks = [
      { name: 'slow', command: 'sleep 60' },
      { name: 'next', command: 'echo ran >> log' },
    ]
    const results = await runChecks(sandbox, checks, { ...round, totalTimeoutMs: 300 })
    expect(results.map(({ name, status }) => [name, status])).toEqual([
      ['slow', 'timed_out'],
      ['next', 'timed_out'],
    ])
    expect(await sandbox.stat('log')).toBeNull()
  })

  test('a cancellation ends the check and is passed on', async () => {
    const cancel = new AbortController()
    const reason = new Error('CANCELLED')
    const running = runChecks(sandbox, [{ name: 'slow', command: 'echo begun; sleep 60' }], {
      ...round,
      signal: cancel.signal,
      onOutput: () => cancel.abort(reason),
    })
    await expect(running).rejects.toBe(reason)
    expect(await sandbox.execs('tsk_1')).toMatchObject([{ execId: 'check-tsk_1-1-0', status: 'killed' }])
  })
})

test('detected checks are those whose programs the sandbox has; the others say what is missing', async () => {
  await put({
    'package.json': JSON.stringify({ type: 'module', scripts: { test: 'node --test' } }),
    'a.test.js': "import test from 'node:test'\ntest('adds', () => {})\n",
    'pyproject.toml': '[tool.mypy]\n',
  })
  const { checks, leftOut } = await detectProjectChecks(sandbox, { taskId: 'tsk_1', execId: 'probe-1', signal })
  expect({ checks, leftOut }).toEqual({
    checks: [{ name: 'test', command: 'npm test' }],
    leftOut: [{ name: 'typecheck', command: 'mypy .', reason: 'mypy is not installed in the sandbox' }],
  })
  expect(await runChecks(sandbox, checks, { taskId: 'tsk_1', round: 1, signal })).toMatchObject([{ status: 'passed' }])
})

test('tests that are functions are run by pytest without any setting, classes of unittest by unittest', async () => {
  const looksAt = async (execId: string) => await detectProjectChecks(sandbox, { taskId: 'tsk_1', execId, signal })
  const program = '#!/bin/sh\nexec true\n'
  await sandbox.write([{ path: 'venv/bin/python', data: program, mode: 0o755 }])
  await put({
    'tests/test_a.py': 'import unittest\nclass A(unittest.TestCase):\n    def test_a(self):\n        pass\n',
  })
  const classes = await looksAt('detect-classes')
  await put({ 'tests/test_b.py': 'async def test_b():\n    assert True\n' })
  const functions = await looksAt('detect-functions')
  await sandbox.write([
    { path: 'venv/bin/python', data: '#!/bin/sh\ncase "$*" in *pytest*) exit 1;; esac\n', mode: 0o755 },
  ])
  const withoutPytest = await looksAt('detect-without')
  const unittest = { name: 'test', command: 'venv/bin/python -m unittest discover -s tests -t .' }
  expect([classes, functions, withoutPytest]).toEqual([
    { checks: [unittest], leftOut: [] },
    { checks: [{ name: 'test', command: 'venv/bin/python -m pytest -q' }], leftOut: [] },
    { checks: [unittest], leftOut: [] },
  ])
})

describe('the project context', () => {
  const files = {
    'package.json': JSON.stringify({ name: 'stats', scripts: { test: 'node --test' } }),
    'AGENTS.md': 'Use tabs.\n',
    'src/a/b/c/deep.js': '',
    'src.js': '',
    'node_modules/p/index.js': '',
  }

  test('is collected from the files, without what is installed or too deep', async () => {
    await put(files)
    const context = await collectProjectContext(sandbox)
    expect(context).toMatchObject({
      sources: ['AGENTS.md', 'package.json'],
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    expect(context.markdown).toContain('\nsrc/\n  a/\n    b/\nsrc.js\n')
    for (const absent of ['index.js', 'deep.js', 'node_modules']) expect(context.markdown).not.toContain(absent)
    expect(context.tokens).toBeLessThan(1_500)
  })

  test('its hash follows its inputs and nothing else', async () => {
    await put(files)
    const { hash, markdown } = await collectProjectContext(sandbox)
    await writeOwnNote(sandbox, CONTEXT_FILE, markdown)
    await put({ 'src/a/b/c/deeper.js': 'changed', 'node_modules/q/x.js': '' })
    expect(await contextInputHash(sandbox)).toBe(hash)
    expect(Buffer.from((await sandbox.read(CONTEXT_FILE)).data).toString()).toBe(markdown)
    await put({ 'AGENTS.md': 'Use spaces.\n' })
    expect(await contextInputHash(sandbox)).not.toBe(hash)
  })

  test('writing it changes no checkpoint', async () => {
    await put(files)
    const before = await sandbox.checkpoint()
    await writeOwnNote(sandbox, CONTEXT_FILE, 'x')
    expect(await sandbox.checkpoint()).toBe(before)
  })

  test.each([
    ['a file', 'echo x > .claude'],
    ['a link to the outside', 'ln -s /etc .claude'],
    ['a link to nowhere', 'ln -s nowhere .claude'],
    ['a link inside', 'mkdir kept; ln -s kept .claude'],
    [
      'a directory with a link in the place of the note',
      'mkdir .claude; echo x > f; ln -s ../f .claude/project-context.md',
    ],
    ['a directory with a directory in the place of the note', 'mkdir -p .claude/project-context.md'],
  ])('%s in its place stays as it is', async (_what, command) => {
    const look = `find . -mindepth 1 -printf '%P %y %l %s\\n' | sort; cat f 2>&1`
    const { output: before } = await run(sandbox, `${command}; ${look}`)
    const reason = await writeOwnNote(sandbox, CONTEXT_FILE, 'note')
    const { output: after } = await run(sandbox, look)
    expect({ reason, after }).toEqual({ reason: expect.stringMatching(/is not a/), after: before })
  })

  test('an empty workspace has one too', async () => {
    expect(await collectProjectContext(sandbox)).toMatchObject({
      sources: [],
      markdown: expect.stringContaining('The project is empty.'),
    })
  })

  test('a link to the outside in place of an input is left out', async () => {
    await sandbox.start({
      execId: 'link',
      taskId: 'tsk_1',
      argv: { sh: 'ln -s /etc/passwd AGENTS.md; ln -s / root' },
      timeoutMs: 5_000,
    })
    await expect.poll(async () => (await sandbox.stat('root'))?.kind).toBe('symlink')
    expect((await collectProjectContext(sandbox)).markdown).not.toContain('root:')
  })
})

test('the sandbox’s own diff is read line for line', async () => {
  await put({ 'mod.txt': 'a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n', 'gone.txt': 'x\n', 'naïve "name".txt': 'a\n' })
  await sandbox.write([{ path: 'logo.bin', data: Uint8Array.of(0, 1, 2) }])
  const before = await sandbox.checkpoint()
  await put({
    'mod.txt': 'a\nB\nc\nd\ne\nf\ng\nh\nj\n',
    'new file.txt': '--- a/x\n+++ b/x\n',
    'naïve "name".txt': 'b\n',
  })
  await sandbox.write([{ path: 'logo.bin', data: Uint8Array.of(0, 1, 3) }])
  await sandbox.remove('gone.txt')
  const { patch } = await sandbox.diff(before, await sandbox.checkpoint(), { maxBytes: 100_000 })
  expect([...changedLines(patch).values()].sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
    { path: 'gone.txt', kind: 'delete', binary: false, ranges: [] },
    { path: 'logo.bin', kind: 'modify', binary: true, ranges: [] },
    {
      path: 'mod.txt',
      kind: 'modify',
      binary: false,
      ranges: [
        { first: 1, last: 2 },
        { first: 8, last: 9 },
      ],
    },
    { path: 'naïve "name".txt', kind: 'modify', binary: false, ranges: [{ first: 1, last: 1 }] },
    { path: 'new file.txt', kind: 'create', binary: false, ranges: [{ first: 1, last: 2 }] },
  ])
})

describe('what the context is made from is asked for by name', () => {
  test('a root of 500 files hides neither the rules nor the README nor the manifest', async () => {
    const many = Array.from({ length: 500 }, (_, index) => [`A${String(index).padStart(4, '0')}.txt`, ''] as const)
    await put({
      ...Object.fromEntries(many),
      'AGENTS.md': 'Rule: tabs only.\n',
      'README.md': '# The reading\n',
      'package.json': JSON.stringify({ scripts: { test: 'node t.js', zebra: 'node z.js' } }),
    })
    const { markdown, sources } = await collectProjectContext(sandbox)
    expect(sources).toEqual(['AGENTS.md', 'README.md', 'package.json'])
    for (const part of ['Rule: tabs only.', '# The reading', 'Script `zebra`', '- test: `npm test`'])
      expect(markdown).toContain(part)
  })

  test('a large manifest is read whole, one that is too large is named and not parsed', async () => {
    const commands = Array.from({ length: 900 }, (_, index) => ({ command: `x.${index}`, title: 't'.repeat(110) }))
    const text = JSON.stringify({ contributes: { commands }, scripts: { test: 'node t.js', zebra: 'x' } })
    await put({ 'package.json': text })
    const whole = (await collectProjectContext(sandbox)).markdown
    await put({ 'package.json': `{"a":"${'é'.repeat(1_100_000)}","scripts":{"test":"node t.js"}}` })
    const large = (await collectProjectContext(sandbox)).markdown
    expect(whole).toContain('Script `zebra`')
    expect(large).toContain('`package.json` is larger than 2 MiB and was not read')
    expect(large).toContain('No check commands were found. checks: package.json is larger than 2 MiB')
    for (const markdown of [whole, large]) expect(markdown).not.toMatch(/not valid JSON|\ufffd/)
  })

  test('a byte order mark hides nothing, in UTF-8 or UTF-16', async () => {
    await sandbox.write([
      { path: 'package.json', data: '\ufeff{"scripts":{"test":"node t.js"}}' },
      { path: 'AGENTS.md', data: Buffer.from('\ufeffUse tabs. See @docs/more.md\r\n', 'utf16le') },
      { path: 'docs/more.md', data: Buffer.from('\ufeffNo semicolons.\n', 'utf16le').swap16() },
    ])
    const files = await readProjectFiles(sandbox)
    const { texts } = await lookAtInputs(sandbox, { execId: 'inputs', taskId: 'test', signal })
    expect([files.rules.map(({ text }) => text), detectChecks(files).checks[0]?.command]).toEqual([
      ['Use tabs. See @docs/more.md\r\n', 'No semicolons.\n'],
      'npm test',
    ])
    expect(JSON.parse(texts.get('package.json') ?? '')).toEqual({ scripts: { test: 'node t.js' } })
  })

  test('a long text is cut between two characters', async () => {
    await put({ 'AGENTS.md': `x${'é'.repeat(50_000)}` })
    expect((await readProjectFiles(sandbox)).texts.get('AGENTS.md')).toBe(`x${'é'.repeat(32 * 1024 - 1)}`)
  })

  test('source in directories that are called build, target or dist is in the tree; what is built or ignored is not', async () => {
    await put({
      'package.json': '{}',
      '.gitignore': 'out/\n/tmp\n',
      'src/build/core.ts': '',
      'src/target/aim.ts': '',
      'build/made.js': '',
      'out/o.js': '',
      'tmp/t.js': '',
      'node_modules/p/i.js': '',
    })
    const { tree } = await readProjectFiles(sandbox)
    expect(tree.map((entry) => entry.path)).toEqual([
      '.gitignore',
      'build',
      'package.json',
      'src',
      'src/build',
      'src/build/core.ts',
      'src/target',
      'src/target/aim.ts',
    ])
  })

  test('rules come with what they import, from links too, and stay in the workspace', async () => {
    await put({
      'CLAUDE.md':
        'See @docs/rules.md, mail a@b.c.\n```\n@docs/never.md\n```\nand `@docs/never.md` @../../etc/passwd @.env\n',
      'docs/rules.md': 'Rule one. @more.md @rules.md\n',
      'docs/more.md': 'Rule two. @../CLAUDE.md\n',
      'docs/never.md': 'Not a rule.\n',
      '.claude/CLAUDE.md': 'Rule four. @own.md\n',
      '.claude/own.md': 'Rule five.\n',
      '.env': 'TOKEN=abc123secret\n',
    })
    await run(sandbox, 'ln -s docs/linked.md AGENTS.md; echo "Rule three." > docs/linked.md')
    const { markdown, sources } = await collectProjectContext(sandbox)
    expect(sources).toEqual([
      '.claude/CLAUDE.md',
      '.claude/own.md',
      'AGENTS.md',
      'CLAUDE.md',
      'docs/more.md',
      'docs/rules.md',
    ])
    for (const rule of ['one', 'two', 'three', 'four', 'five'].map((number) => `Rule ${number}.`))
      expect(markdown).toContain(rule)
    expect(markdown).not.toMatch(/Not a rule|abc123secret|root:/)
  })

  test('packages below the root are found by the tree and, however deep, by what changed', async () => {
    const scripts = JSON.stringify({ scripts: { test: 'node t.js' } })
    await put({ 'frontend/package.json': scripts, 'a/b/c/d/e/package.json': scripts, 'a/b/c/d/e/src/x.js': '' })
    const { packages } = await readProjectFiles(sandbox)
    const { checks } = await detectProjectChecks(sandbox, {
      taskId: 'tsk_1',
      execId: 'probe-2',
      signal,
      touched: ['a/b/c/d/e/src/x.js'],
    })
    expect({ packages: packages.map((own) => own.directory), checks }).toEqual({
      packages: ['frontend'],
      checks: [{ name: 'test (a/b/c/d/e)', command: 'cd a/b/c/d/e && npm test' }],
    })
  })
})
