import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { coderTools, findTool, parseToolInput } from '../../../src/agent/tools/registry.ts'
import { sha256 } from '../../../src/agent/tools/text-file.ts'
import type { Effect, ToolContext, ToolResult } from '../../../src/agent/tools/tool.ts'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import type { Sandbox, SandboxProvider, SandboxRef } from '../../../src/sandbox/types.ts'

let dir: string
let provider: SandboxProvider
let ref: SandboxRef
let sandbox: Sandbox
let calls = 0

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'keelson-tools-'))
  provider = createSandboxProvider({ kind: 'local-bwrap', dir, logger: pino({ level: 'silent' }), runnerIdleMs: 2_000 })
})

beforeEach(async () => {
  ref = await provider.ensure({ projectId: `prj_tools${++calls}`, generation: 1 })
  sandbox = await provider.open(ref)
  return async () => await provider.destroy(ref)
})

afterAll(async () => {
  await provider.close()
  await rm(dir, { recursive: true, force: true })
})

interface Call {
  readonly result: ToolResult
  readonly effects: readonly Effect[]
  readonly output: string
}

/** Runs a tool as the loop does: parsed input, journalled effects, streamed output. */
async function call(name: string, input: unknown, given: Partial<ToolContext> = {}): Promise<Call> {
  const tool = findTool(coderTools, name)
  if (tool === undefined) throw new Error(`no tool ${name}`)
  const parsed = parseToolInput(tool, input)
  if (!parsed.ok) throw new Error(parsed.message)
  const effects: Effect[] = []
  const output: Buffer[] = []
  const result = await tool.run(parsed.input, {
    toolUseId: `toolu_${++calls}`,
    taskId: 'tsk_1',
    sandbox,
    signal: new AbortController().signal,
    knownPaths: new Set(),
    begun: null,
    begin: async (effect) => {
      effects.push(effect)
    },
    onOutput: (_offset, data) => {
      output.push(Buffer.from(data))
    },
    onProgress: () => undefined,
    ...given,
  })
  return { result, effects, output: Buffer.concat(output).toString() }
}

async function contentOf(path: string): Promise<string> {
  return Buffer.from((await sandbox.read(path)).data).toString()
}

const put = async (path: string, data: string | Uint8Array) => await sandbox.write([{ path, data }])

describe('bash', () => {
  test('says how the command ended and what it printed, and streams the same bytes', async () => {
    const { result, effects, output } = await call('bash', { command: 'echo out; echo err >&2; exit 3' })
    expect(result).toEqual({
      content: 'exit code: 3\nout\nerr',
      isError: true,
      exec: expect.objectContaining({ status: 'exited', exitCode: 3, bytes: 8 }),
    })
    expect(effects).toEqual([{ kind: 'command', command: 'echo out; echo err >&2; exit 3', cwd: '.' }])
    expect(output).toBe('out\nerr\n')
  })

  test('starts in the workspace without input and without a pager', async () => {
    const { result } = await call('bash', { command: 'pwd; cat; echo "$PAGER $TERM"' })
    expect(result.content).toBe('exit code: 0\n/workspace\ncat dumb')
  })

  test('colours and control bytes do not reach the model', async () => {
    const { result } = await call('bash', { command: String.raw`printf '\033[31mred\033[0m\0\r\nnext'` })
    expect(result.content).toBe('exit code: 0\nred\ufffd\nnext')
  })

  test('of a flood the model sees 30 KB, head and tail, and how much lies between', async () => {
    const { result } = await call('bash', { command: 'seq 1 200000' })
    expect(result.content.length).toBeLessThan(31_000)
    expect(result.content).toMatch(/^exit code: 0\n1\n2\n/)
    expect(result.content).toMatch(/\n\[… 1258895 bytes left out here …/)
    expect(result.content).toMatch(/\n199999\n200000$/)
  })

  test('a command beyond its limit is ended and the model is told', async () => {
    const { result } = await call('bash', { command: 'echo begun; sleep 60', timeout: 300 })
    expect(result).toMatchObject({ isError: true, content: expect.stringMatching(/^timed out: .* 300 ms.*\nbegun$/s) })
  })

  test('the same call again attaches and runs nothing twice', async () => {
    const input = { command: 'echo once >> log; cat log' }
    const first = await call('bash', input, { toolUseId: 'toolu_again' })
    const begun = first.effects[0] ?? null
    const second = await call('bash', input, { toolUseId: 'toolu_again', begun })
    expect(second.result).toEqual(first.result)
    expect(second.output).toBe('once\n')
    expect(await contentOf('log')).toBe('once\n')
  })

  test('a worker’s shutdown leaves the command running, and the next attempt gets its result', async () => {
    const shutdown = new AbortController()
    const reason = new Error('WORKER_SHUTDOWN')
    const input = { command: 'echo begun; while [ ! -e go ]; do sleep 0.05; done; echo end >> log; cat log' }
    const first = call('bash', input, {
      toolUseId: 'toolu_shutdown',
      signal: shutdown.signal,
      onOutput: () => shutdown.abort(reason),
    })
    await expect(first).rejects.toBe(reason)
    expect(await sandbox.execs('tsk_1')).toMatchObject([{ execId: 'tsk_1.toolu_shutdown', status: 'running' }])
    await put('go', '')
    const second = await call('bash', input, { toolUseId: 'toolu_shutdown' })
    expect(second.result.content).toBe('exit code: 0\nbegun\nend')
  })

  test('a cancellation ends the command before it is passed on', async () => {
    const cancel = new AbortController()
    const reason = new Error('CANCELLED')
    const running = call(
      'bash',
      { command: 'echo begun; sleep 300' },
      {
        toolUseId: 'toolu_cancel',
        signal: cancel.signal,
        onOutput: () => cancel.abort(reason),
      },
    )
    await expect(running).rejects.toBe(reason)
    expect(await sandbox.execs('tsk_1')).toMatchObject([{ execId: 'tsk_1.toolu_cancel', status: 'killed' }])
  })

  test('a call that is cancelled already starts nothing', async () => {
    const reason = new Error('CANCELLED')
    await expect(call('bash', { command: 'true' }, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(await sandbox.execs()).toEqual([])
  })
})

describe('read', () => {
  test('shows lines with their numbers', async () => {
    await put('a.txt', 'one\ntwo\n')
    expect((await call('read', { file_path: '/workspace/a.txt' })).result).toEqual({
      content: '     1\tone\n     2\ttwo',
      isError: false,
    })
  })

  test('pages through a long file and says how to go on', async () => {
    await put('long.txt', Array.from({ length: 2_500 }, (_, i) => `line ${i + 1}`).join('\n'))
    const first = (await call('read', { file_path: 'long.txt' })).result.content.split('\n')
    expect([first.length, first.at(-2), first.at(-1)]).toEqual([
      2_001,
      '  2000\tline 2000',
      '(partial: lines 1 to 2000 of 2500; go on with offset 2001)',
    ])
    const last = (await call('read', { file_path: 'long.txt', offset: 2_499 })).result.content
    expect(last).toBe('  2499\tline 2499\n  2500\tline 2500')
  })

  test('a page holds at most 50 KB', async () => {
    await put('wide.txt', `${'x'.repeat(1_000)}\n`.repeat(500))
    const { content } = (await call('read', { file_path: 'wide.txt' })).result
    expect(content.length).toBeLessThan(50_200)
    expect(content).toContain('(partial: lines 1 to 49 of 500; go on with offset 50)')
  })

  test.each([
    ['missing.txt', {}, 'does not exist'],
    ['.', {}, 'is a directory'],
    ['../etc/passwd', {}, 'outside the workspace'],
    ['/etc/passwd', {}, 'outside the workspace'],
    ['binary.bin', {}, 'is a binary file of 5 bytes'],
    ['link', {}, ''],
    ['short.txt', { offset: 9 }, 'the file has 1 lines'],
    ['big.txt', {}, 'too many to open whole'],
  ])('%s %j is refused in a sentence', async (file_path, more, sentence) => {
    await put('binary.bin', Uint8Array.of(1, 0, 2, 3, 4))
    await put('short.txt', 'x\n')
    if (file_path === 'big.txt') await put('big.txt', 'x'.repeat(11 * 1024 * 1024))
    await call('bash', { command: 'ln -s /etc/passwd link' })
    const { result } = await call('read', { file_path, ...more })
    expect(result).toEqual({ content: expect.stringContaining(sentence), isError: true })
    expect(result.content).not.toContain('root:')
  })

  test('an empty file and a file that is not UTF-8 are said to be so', async () => {
    await put('empty', '')
    await put('latin', Uint8Array.of(0x63, 0x61, 0x66, 0xe9, 0x0a))
    expect((await call('read', { file_path: 'empty' })).result.content).toBe('(the file is empty)')
    expect((await call('read', { file_path: 'latin' })).result.content).toContain(
      'caf\ufffd\n(the file is not valid UTF-8',
    )
  })
})

describe('write', () => {
  test('creates a file with its directories and journals the hashes first', async () => {
    const { result, effects } = await call('write', { file_path: 'src/new.ts', content: 'a\nb\n' })
    expect(result).toEqual({
      content: 'Created src/new.ts with 2 lines.',
      isError: false,
      fileChange: { path: 'src/new.ts', kind: 'create', added: 2, removed: 0 },
    })
    expect(effects).toEqual([{ kind: 'write', path: 'src/new.ts', before: null, after: sha256('a\nb\n') }])
    expect(await contentOf('src/new.ts')).toBe('a\nb\n')
  })

  test('replaces a file, keeps its mode and counts the lines', async () => {
    await put('run.sh', 'a\nb\n')
    await call('bash', { command: 'chmod 755 run.sh' })
    const { result } = await call('write', { file_path: 'run.sh', content: 'a\nc\nd\n' })
    expect(result.fileChange).toEqual({ path: 'run.sh', kind: 'modify', added: 2, removed: 1 })
    expect((await sandbox.stat('run.sh'))?.mode).toBe(0o755)
  })

  test('a repeat after the effect does nothing again and says the same', async () => {
    const input = { file_path: 'a.txt', content: 'new\n' }
    const first = await call('write', input)
    const begun = first.effects[0] ?? null
    const second = await call('write', input, { begun })
    expect([second.result, second.effects]).toEqual([first.result, []])
  })

  test('a repeat before the effect does it', async () => {
    const begun: Effect = { kind: 'write', path: 'a.txt', before: null, after: sha256('new\n') }
    const { result } = await call('write', { file_path: 'a.txt', content: 'new\n' }, { begun })
    expect([result.isError, await contentOf('a.txt')]).toEqual([false, 'new\n'])
  })

  test('a repeat that finds a third state writes nothing and says so', async () => {
    await put('a.txt', 'somebody else\n')
    const begun: Effect = { kind: 'write', path: 'a.txt', before: null, after: sha256('new\n') }
    const { result, effects } = await call('write', { file_path: 'a.txt', content: 'new\n' }, { begun })
    expect(result).toEqual({ content: expect.stringContaining('changed by something else'), isError: true })
    expect([effects, await contentOf('a.txt')]).toEqual([[], 'somebody else\n'])
  })

  test('a lost lease stops the write before the file is touched', async () => {
    await put('a.txt', 'old\n')
    const lost = new Error('lease_lost')
    const begin = async () => {
      throw lost
    }
    await expect(call('write', { file_path: 'a.txt', content: 'new\n' }, { begin })).rejects.toBe(lost)
    expect(await contentOf('a.txt')).toBe('old\n')
  })
})

describe('edit', () => {
  const known = { knownPaths: new Set(['a.ts']) }

  test('replaces a unique piece and shows the lines around it', async () => {
    await put('a.ts', 'one\ntwo\nthree\nfour\nfive\nsix\n')
    const { result, effects } = await call(
      'edit',
      { file_path: './a.ts', old_string: 'three', new_string: '3\n$&' },
      known,
    )
    expect(result).toEqual({
      content: [
        'Edited a.ts.',
        '     1\tone',
        '     2\ttwo',
        '     3\t3',
        '     4\t$&',
        '     5\tfour',
        '     6\tfive',
        '     7\tsix',
      ].join('\n'),
      isError: false,
      fileChange: { path: 'a.ts', kind: 'modify', added: 2, removed: 1 },
    })
    const after = 'one\ntwo\n3\n$&\nfour\nfive\nsix\n'
    const before = sha256('one\ntwo\nthree\nfour\nfive\nsix\n')
    expect(effects).toEqual([{ kind: 'write', path: 'a.ts', before, after: sha256(after) }])
    expect(await contentOf('a.ts')).toBe(after)
  })

  test.each([
    [
      'a file that was not read',
      { file_path: 'a.ts', old_string: 'x', new_string: 'y' },
      {},
      'Read a.ts before you edit it',
    ],
    ['a missing file', { file_path: 'b.ts', old_string: 'x', new_string: 'y' }, known, 'b.ts does not exist'],
    ['no difference', { file_path: 'a.ts', old_string: 'x', new_string: 'x' }, known, 'are the same'],
    ['two matches', { file_path: 'a.ts', old_string: 'x', new_string: 'y' }, known, 'stands 2 times'],
    ['no match', { file_path: 'a.ts', old_string: 'nothing', new_string: 'y' }, known, 'was not found'],
    [
      'a placeholder',
      { file_path: 'a.ts', old_string: 'z', new_string: '// ... existing code ...' },
      known,
      'placeholder',
    ],
  ])('%s is refused and nothing is journalled', async (_what, input, given, sentence) => {
    await put('a.ts', 'x\nx\nz\n')
    const { result, effects } = await call('edit', input, given)
    expect(result).toEqual({ content: expect.stringContaining(sentence), isError: true })
    expect([effects, await contentOf('a.ts')]).toEqual([[], 'x\nx\nz\n'])
  })

  test('a repeat after the effect is told from the hash and edits nothing twice', async () => {
    await put('a.ts', 'x\n')
    const input = { file_path: 'a.ts', old_string: 'x', new_string: 'xx' }
    const first = await call('edit', input, known)
    const second = await call('edit', input, { ...known, begun: first.effects[0] ?? null })
    expect([second.result, second.effects, await contentOf('a.ts')]).toEqual([first.result, [], 'xx\n'])
  })
})

describe('glob and grep', () => {
  beforeEach(async () => {
    await sandbox.write([
      { path: 'src/a.ts', data: 'const needle = 1\n' },
      { path: 'src/deep/b.ts', data: 'no\nneedle here\n' },
      { path: 'src/c.js', data: `${'y'.repeat(3_000)}needle\n` },
      { path: '.hidden/d.ts', data: 'NEEDLE\n' },
      { path: 'node_modules/p/e.ts', data: 'needle\n' },
      { path: 'ignored/f.ts', data: 'needle\n' },
      { path: '.gitignore', data: 'ignored/\n' },
      { path: 'bin', data: Uint8Array.of(0, 1, 110, 101) },
    ])
  })

  test.each([
    [{ pattern: '**/*.ts' }, '.hidden/d.ts\nsrc/a.ts\nsrc/deep/b.ts'],
    [{ pattern: '*.ts', path: 'src' }, 'src/a.ts\nsrc/deep/b.ts'],
    [{ pattern: '/workspace/src/*.ts' }, 'src/a.ts'],
    [{ pattern: 'src/*.{ts,js}' }, 'src/a.ts\nsrc/c.js'],
    [{ pattern: 'node_modules/**/*.ts' }, 'node_modules/p/e.ts'],
    [{ pattern: '*.py' }, 'No files found.'],
  ])('glob %j', async (input, content) => {
    const { result, effects } = await call('glob', input)
    expect([result, effects]).toEqual([{ content, isError: false }, []])
  })

  test.each([
    ['glob', { pattern: '!*.ts' }, 'must not begin'],
    ['glob', { pattern: '../*' }, 'lead out'],
    ['glob', { pattern: '*', path: 'missing' }, 'does not exist'],
    ['glob', { pattern: '*', path: 'bin' }, 'not a directory'],
    ['glob', { pattern: '[' }, 'failed'],
    ['grep', { pattern: '(' }, 'failed'],
    ['grep', { pattern: 'x', path: '/etc' }, 'outside'],
  ])('%s %j is refused in a sentence', async (name, input, sentence) => {
    expect((await call(name, input)).result).toEqual({ content: expect.stringContaining(sentence), isError: true })
  })

  test('grep shows path, line and text, sorted, and cuts long lines', async () => {
    const { content } = (await call('grep', { pattern: 'needle' })).result
    const lines = content.split('\n')
    expect(lines[0]).toBe('src/a.ts:1:const needle = 1')
    expect(lines[1]).toMatch(/^src\/c\.js:1:y+/)
    expect(lines[1]?.length).toBeLessThan(600)
    expect(lines.slice(2)).toEqual(['src/deep/b.ts:2:needle here'])
  })

  test.each([
    [
      { pattern: 'needle', ignore_case: true, output_mode: 'files_with_matches' },
      '.hidden/d.ts\nsrc/a.ts\nsrc/c.js\nsrc/deep/b.ts',
    ],
    [{ pattern: 'needle', output_mode: 'count', glob: '*.ts' }, 'src/a.ts:1\nsrc/deep/b.ts:1'],
    [{ pattern: 'needle here', path: 'src/deep/b.ts', context: 1 }, 'src/deep/b.ts-1-no\nsrc/deep/b.ts:2:needle here'],
    [{ pattern: '--version' }, 'No matches found.'],
  ])('grep %j', async (input, content) => {
    expect((await call('grep', input)).result).toEqual({ content, isError: false })
  })

  test('what is beyond the caps is counted', async () => {
    const many = Array.from({ length: 250 }, (_, i) => ({
      path: `many/f${String(i).padStart(3, '0')}.txt`,
      data: 'hay\n',
    }))
    await sandbox.write(many)
    const files = (await call('glob', { pattern: 'many/*' })).result.content.split('\n')
    expect([files.length, files.at(-1)]).toEqual([201, '(250 files found, the first 200 shown; narrow the pattern)'])
    const matches = (await call('grep', { pattern: 'hay' })).result.content.split('\n')
    expect([matches.length, matches.at(-1)]).toEqual([
      101,
      '(250 lines found, the first 100 shown; narrow the pattern or the path)',
    ])
  })
})
