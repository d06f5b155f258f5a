import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import type { Sandbox, SandboxProvider, SandboxRef } from '../../../src/sandbox/types.ts'
import { UNREAD_RULES } from '../../../src/tools/ignore-rules.ts'
import { coderTools, findTool, parseToolInput } from '../../../src/tools/registry.ts'
import { sha256 } from '../../../src/tools/text-file.ts'
import type { Effect, ToolContext, ToolResult } from '../../../src/tools/tool.ts'

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
    decided: null,
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

  test.each([
    [
      'false | tail -1',
      'exit code: 0 (that of the last part of the pipe; an earlier part failed: exit codes 1, 0)\n(no output)',
    ],
    [
      'echo a; (exit 3) | cat | cat; exit 0',
      'exit code: 0 (that of the last part of the pipe; an earlier part failed: exit codes 3, 0, 0)\na',
    ],
    [
      'set -e\nfalse | cat',
      'exit code: 0 (that of the last part of the pipe; an earlier part failed: exit codes 1, 0)\n(no output)',
    ],
    [
      'cat <<END | tr a b\na\nEND\nfalse | cat',
      'exit code: 0 (that of the last part of the pipe; an earlier part failed: exit codes 1, 0)\nb',
    ],
    ['echo a | cat', 'exit code: 0\na'],
    ['yes | head -1', 'exit code: 0\ny'],
    ...[
      ['false | true; echo later', '1, 0', 'later'],
      ['(false | tail -1); echo "$_"', '1, 0', ':'],
      ['x=$(false | tail -1); echo "x=$x"', '1, 0', 'x='],
      ['if sh -c "exit 9" | true; then echo yes; fi', '9, 0', 'yes'],
    ].map(([command = '', codes = '', printed = '']): [string, string] => [
      command,
      `exit code: 0 (a pipe within the command hides a failure of an earlier part of it: exit codes ${codes})\n${printed}`,
    ]),
    ['y=$( (false | true; echo q) 2>&1 ); echo "y=$y"', 'exit code: 0\ny=q'],
    ['yes | head -1; echo a || b; env | grep -c keelson-pipe; true', 'exit code: 0\ny\na\n0'],
    ['false | true & wait', 'exit code: 0\n(no output)'],
    ['exec 2>log; false | true; cat log', 'exit code: 0\n(no output)'],
    ['trap "echo mine" EXIT; echo a | cat', 'exit code: 0\na\nmine'],
    ['false | false', 'exit code: 1\n(no output)'],
    ['echo "a|b"; exit 4', 'exit code: 4\na|b'],
  ])('%j keeps its exit code, and a part of the last pipe that failed is told', async (command, content) => {
    const { result } = await call('bash', { command })
    expect([result.content, result.isError]).toEqual([content, !content.startsWith('exit code: 0')])
  })

  test('what looks at pipes leaves no trace, changes no field separator and takes unset variables', async () => {
    const command = 'set -xu; IFS=,; for i in 1 2; do false | cat; done; echo "$i"'
    const { result } = await call('bash', { command })
    // The parts of a pipe begin in any order.
    expect(result.content.split('\n').sort()).toEqual([
      ...['+ IFS=,', '+ cat', '+ cat', '+ echo 2', '+ false', '+ false', '+ for i in 1 2', '+ for i in 1 2', '2'],
      'exit code: 0 (a pipe within the command hides a failure of an earlier part of it: exit codes 1, 0)',
    ])
  })

  test('a failure in a pipe is told wherever the output is cut, and what watches it is not seen', async () => {
    const cut = await call('bash', {
      command: 'f() { nothere 2>&1 | cat > cut; echo "${PIPESTATUS[@]}"; }; f && seq 1 20000 | cat',
    })
    const faulty = await call('bash', { command: 'echo $LINENO | cat\necho (a' })
    const long = await call('bash', {
      command: 'i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done; false | true; trap -p DEBUG; env | grep -ci keelson',
    })
    expect([cut.result.content.split('\n').slice(0, 2), faulty.result.content, long.result.content]).toEqual([
      ['exit code: 0 (a pipe within the command hides a failure of an earlier part of it: exit codes 127, 0)', '127 0'],
      expect.stringMatching(/^exit code: 2\n1\nbash: [^\n]*line 2: [^\n]*\nbash: [^\n]*line 2: `echo \(a'$/),
      'exit code: 1\n0',
    ])
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

const LEFT_OUT = '(not searched: node_modules/, what .gitignore names; give such a directory as path to search it)'

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
    ['mkfifo src/deep/.ignore', true],
    ['rm .gitignore; mkfifo .gitignore', true],
    ['ln -s /dev/zero src/.rgignore', true],
    ['mkfifo pipe; ln -s ../pipe src/.gitignore', true],
    ['truncate -s 200M src/.gitignore', true],
    ['mkfifo node_modules/.gitignore', true],
    ['git init -q; rm -rf .git/info/exclude; mkdir -p .git/info; mkfifo .git/info/exclude', true],
    ['mkdir src/sub; mkfifo src/sub/commondir; echo "gitdir: $PWD/src/sub" > src/.git', true],
    [
      'mkdir sub src/sub; mkfifo sub/exclude; echo "gitdir: sub" > src/.git; echo ../../info > src/sub/commondir; mkdir info; ln -s ../sub info/info',
      true,
    ],
    ['mkdir -p hooks/info; mkfifo hooks/info/exclude; ln -s hooks .git', true],
    ['echo "gitdir: nowhere" > .git', false],
    ['mkdir src/.gitignore; ln -s nowhere src/.ignore; : > src/.rgignore; chmod 000 src/.rgignore', false],
    ['ln -s ../.gitignore src/.ignore', false],
  ])('a search waits at no ignore file: %j', async (made, isUnread) => {
    await call('bash', { command: made })
    const answers = [
      await call('glob', { pattern: '*.ts', path: 'src' }),
      await call('grep', { pattern: 'needle', path: 'src', glob: '*.ts', output_mode: 'files_with_matches' }),
    ]
    // What stands in installed packages is not met from here.
    const isSeen = isUnread && !made.includes('node_modules')
    expect(answers.map(({ result }) => [result.isError, result.content.split('\n')])).toEqual(
      Array(2).fill([false, ['src/a.ts', 'src/deep/b.ts', ...(isSeen ? [UNREAD_RULES] : [])]]),
    )
    const { result } = await call('grep', { pattern: 'needle here' })
    expect([result.isError, result.content.split('\n')[0], result.content.includes(UNREAD_RULES)]).toEqual([
      false,
      'src/deep/b.ts:2:needle here',
      isUnread,
    ])
  })

  test('an ignore file that cannot be read takes no other one’s rules away', async () => {
    const rules = {
      '.gitignore':
        'ignored/\n# none\n\n/src/deep/x[12].ts\n*.log\n!keep.log\n/docs\n**/gen/\nsrc/*/only.ts  \nsrc/deep/in/a\n',
      'src/.gitignore': '/top.ts\n!b.log\r\ndeep/y.ts\nwild*.ts\n',
      'src/deep/.ignore': '!a.log\n/z.ts\n!x1.ts\n',
      'src/[odd]*/.gitignore': 'q.ts\n/in/r.ts\n',
      '.ignore': 'plain.ts\n',
      'src/deep/.rgignore': '!plain.ts\n',
    }
    const names = ['a.log', 'b.log', 'keep.log', 'top.ts', 'y.ts', 'z.ts', 'x1.ts', 'x2.ts', 'x3.ts', 'q.ts', 'only.ts']
    const places = [
      '',
      'src/',
      'src/deep/',
      'src/deep/in/',
      'src/[odd]*/',
      'src/[odd]*/in/',
      'src/odd/',
      'docs/',
      'src/gen/',
    ]
    const more = ['src/[odd]*/in/r.ts', 'src/wilder.ts', 'src/deep/plain.ts', 'src/plain.ts', 'src/deep/in/a/b.ts']
    const paths = [...places.flatMap((place) => names.map((name) => place + name)), ...more]
    await sandbox.write([
      ...Object.entries(rules).map(([path, data]) => ({ path, data })),
      ...paths.map((path) => ({ path, data: 'x' })),
    ])
    const searched = ['.', 'src', 'src/deep', 'src/deep/in']
    const look = async () => {
      const found: string[][] = []
      for (const path of searched) {
        const { result } = await call('grep', { pattern: 'x', path, output_mode: 'files_with_matches' })
        found.push(result.content.split('\n').filter((line) => !line.startsWith('(')))
      }
      return found
    }
    const before = await look()
    await call('bash', {
      command:
        'mkdir src/bad; mkfifo src/bad/.gitignore; git init -q; mkdir -p .git/info; echo x3.ts >> .git/info/exclude',
    })
    const [held = [], , ...elsewhere] = before.map((list) => list.filter((path) => !path.endsWith('x3.ts')))
    // From src, ripgrep itself overlooks some rules of the directory above; here they hold from anywhere.
    expect(await look()).toEqual([held, held.filter((path) => path.startsWith('src/')), ...elsewhere])
  })

  test.each([
    [{ pattern: '**/*.ts' }, `.hidden/d.ts\nsrc/a.ts\nsrc/deep/b.ts\n${LEFT_OUT}`],
    [{ pattern: '*.ts', path: 'src' }, 'src/a.ts\nsrc/deep/b.ts'],
    [{ pattern: '*.ts', path: 'ignored' }, 'ignored/f.ts'],
    [{ pattern: '/workspace/src/*.ts' }, `src/a.ts\n${LEFT_OUT}`],
    [{ pattern: 'src/*.{ts,js}' }, `src/a.ts\nsrc/c.js\n${LEFT_OUT}`],
    [
      { pattern: 'node_modules/**/*.ts' },
      'node_modules/p/e.ts\n(not searched: what .gitignore names; give such a directory as path to search it)',
    ],
    [{ pattern: '*.py' }, `No files found.\n${LEFT_OUT}`],
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

  test('grep shows path, line and text, sorted, and of long lines what lies around the match', async () => {
    await put('src/b.txt', `${'first\r'.repeat(300)}needle two\rlast\r`)
    await put('src/d.txt', `${'y'.repeat(3_000)}\r\nneedle three\r\n`)
    const { content } = (await call('grep', { pattern: '^?needle( two)?', context: 1, path: 'src' })).result
    expect(content.split('\n')).toEqual([
      'src/a.ts:1:const needle = 1',
      '--',
      'src/b.txt-300-first',
      'src/b.txt:301:needle two',
      'src/b.txt-302-last',
      '--',
      `src/c.js:1:[…] ${'y'.repeat(120)}needle […]`,
      '--',
      expect.stringMatching(/^src\/d\.txt-1-y{480,500} \[…\]$/),
      'src/d.txt:2:needle three',
      '--',
      'src/deep/b.ts-1-no',
      'src/deep/b.ts:2:needle here',
    ])
  })

  test('the end of a line is found whatever ends it, and a carriage return where it is asked for', async () => {
    await put('crlf.txt', 'one\r\ntwo\r\n')
    await put('wide.txt', Buffer.from('\ufeffone\r\ntwo\r\n', 'utf16le'))
    await put('lf.txt', 'one\ntwo\n')
    await put('bare.txt', Buffer.from('two\n', 'utf16le'))
    const lines = async (input: object) => (await call('grep', input)).result.content.split('\n')
    expect(await lines({ pattern: '^two$', glob: '*.txt' })).toEqual([
      'crlf.txt:2:two',
      'lf.txt:2:two',
      'wide.txt:2:two',
      LEFT_OUT,
    ])
    expect(await lines({ pattern: 'two\\r$', glob: '*.txt' })).toEqual(['crlf.txt:2:two', 'wide.txt:2:two', LEFT_OUT])
    expect(await lines({ pattern: 'two', path: 'bare.txt' })).toEqual([
      'No matches found.',
      expect.stringMatching(/^\(bare\.txt is in UTF-16 without a byte order mark, .* iconv -f UTF-16LE/),
    ])
    expect(await lines({ pattern: 'nothing', path: 'bin' })).toEqual([
      'No matches found.',
      '(bin is a binary file; use bash to look at it)',
    ])
  })

  test('lines that end with a carriage return alone have their own numbers, beginnings and ends', async () => {
    await put('cr.txt', 'alpha\rbeta\r\rgamma\rbeta')
    await put('-x/é n.txt', 'beta\rdelta\r')
    await put('stray.txt', 'one\rbeta\ntwo\n')
    await put('z.txt', 'beta\n')
    const lines = async (input: object) => (await call('grep', { glob: '*.txt', ...input })).result.content.split('\n')
    expect([
      await lines({ pattern: '^beta$' }),
      await lines({ pattern: '^$', path: 'cr.txt' }),
      await lines({ pattern: 'gamma', context: 1 }),
      await lines({ pattern: 'a$', output_mode: 'count' }),
      await lines({ pattern: '^gam', output_mode: 'files_with_matches' }),
      await lines({ pattern: 'beta\\r', path: 'cr.txt' }),
      await lines({ pattern: 'alpha.beta', path: 'cr.txt' }),
    ]).toEqual([
      ['-x/é n.txt:1:beta', 'cr.txt:2:beta', 'cr.txt:5:beta', 'z.txt:1:beta', LEFT_OUT],
      ['cr.txt:3:'],
      ['cr.txt-3-', 'cr.txt:4:gamma', 'cr.txt-5-beta', LEFT_OUT],
      ['-x/é n.txt:2', 'cr.txt:4', 'stray.txt:1', 'z.txt:1', LEFT_OUT],
      ['cr.txt', LEFT_OUT],
      ['cr.txt:1:alpha⟦\\r⟧beta⟦\\r⟧⟦\\r⟧gamma⟦\\r⟧beta'],
      ['No matches found.'],
    ])
  })

  test.each([
    [
      { pattern: 'needle', ignore_case: true, output_mode: 'files_with_matches' },
      `.hidden/d.ts\nsrc/a.ts\nsrc/c.js\nsrc/deep/b.ts\n${LEFT_OUT}`,
    ],
    [{ pattern: 'needle', path: 'ignored' }, 'ignored/f.ts:1:needle'],
    [{ pattern: 'needle', output_mode: 'count', glob: '*.ts' }, `src/a.ts:1\nsrc/deep/b.ts:1\n${LEFT_OUT}`],
    [{ pattern: 'needle here', path: 'src/deep/b.ts', context: 1 }, 'src/deep/b.ts-1-no\nsrc/deep/b.ts:2:needle here'],
    [{ pattern: '--version' }, `No matches found.\n${LEFT_OUT}`],
  ])('grep %j', async (input, content) => {
    expect((await call('grep', input)).result).toEqual({ content, isError: false })
  })

  test('source in a directory that is called like build output is found, a virtual environment is left out and told', async () => {
    const names = ['src/build', 'src/target', 'dist', 'coverage', 'out', 'venv', 'env']
    await sandbox.write([
      { path: 'package.json', data: '{}' },
      ...names.map((name) => ({ path: `${name}/core.rb`, data: 'findMe\n' })),
      { path: 'env/pyvenv.cfg', data: '' },
    ])
    const found = names.filter((name) => name !== 'env').map((name) => `${name}/core.rb`)
    const note =
      '(not searched: node_modules/, env/, what .gitignore names; give such a directory as path to search it)'
    const answers = async (name: string, input: object) => (await call(name, input)).result.content.split('\n')
    expect(await answers('glob', { pattern: '**/*.rb' })).toEqual([...found.toSorted(), note])
    expect(await answers('glob', { pattern: 'src/**/*.rb' })).toEqual(['src/build/core.rb', 'src/target/core.rb', note])
    expect(await answers('grep', { pattern: 'findMe' })).toEqual([
      ...found.toSorted().map((path) => `${path}:1:findMe`),
      note,
    ])
    expect(await answers('grep', { pattern: 'findMe', path: 'src' })).toEqual([
      'src/build/core.rb:1:findMe',
      'src/target/core.rb:1:findMe',
    ])
    expect(await answers('grep', { pattern: 'findMe', path: 'env' })).toEqual(['env/core.rb:1:findMe'])
  })

  test('what is beyond the caps is counted', async () => {
    const many = Array.from({ length: 250 }, (_, i) => ({
      path: `many/f${String(i).padStart(3, '0')}.txt`,
      data: 'hay\n',
    }))
    await sandbox.write(many)
    const files = (await call('glob', { pattern: 'many/*' })).result.content.split('\n')
    expect([files.length, files.at(-2)]).toEqual([202, '(250 files found, the first 200 shown; narrow the pattern)'])
    const matches = (await call('grep', { pattern: 'hay' })).result.content.split('\n')
    expect([matches.length, matches.at(-2)]).toEqual([
      102,
      '(250 lines found, the first 100 shown; narrow the pattern or the path)',
    ])
  })
})

describe('files as they are', () => {
  const raw = async (path: string) => Buffer.from((await sandbox.read(path)).data).toString('latin1')
  const utf16 = (text: string, isBigEndian: boolean) => {
    const data = Buffer.from(`\ufeff${text}`, 'utf16le')
    return isBigEndian ? data.swap16() : data
  }
  const know = (path: string) => ({ knownPaths: new Set([path]) })

  test.each([
    [
      'const SECRET1 = 1; // \rconst shown = 2;\nnext\n',
      'SECRET1',
      '     1\tconst SECRET1 = 1; // ⟦\\r⟧const shown = 2;\n     2\tnext',
      'f.txt:1:const SECRET1 = 1; // ⟦\\r⟧const shown = 2;',
    ],
    [
      'alpha2\rbeta\rgamma\r',
      'alpha2',
      '     1\talpha2\n     2\tbeta\n     3\tgamma\n(line ends: lone CR (\\r); edit and write keep this)',
      'f.txt:1:alpha2',
    ],
    ['int a3;\n\fint b;\nint c;\n', 'a3', '     1\tint a3;\n     2\t⟦\\f⟧int b;\n     3\tint c;', 'f.txt:1:int a3;'],
    [
      'x4 = "\u001b[31mred\u001b[0m"\ny = 1\n',
      'x4',
      '     1\tx4 = "⟦\\x1b⟧[31mred⟦\\x1b⟧[0m"\n     2\ty = 1',
      'f.txt:1:x4 = "⟦\\x1b⟧[31mred⟦\\x1b⟧[0m"',
    ],
    ['const a5 = "x\u2028y";\n', 'a5', '     1\tconst a5 = "x⟦\\u2028⟧y";', 'f.txt:1:const a5 = "x⟦\\u2028⟧y";'],
    [
      '\ufeffa6\r\nb\r\n',
      'a6',
      '     1\ta6\n     2\tb\n(UTF-8 with a byte order mark (BOM); line ends: CRLF (\\r\\n); edit and write keep this)',
      'f.txt:1:a6',
    ],
    [
      'a7\nb\r\nc\n',
      'a7',
      '     1\ta7\n     2\tb⟦\\r⟧\n     3\tc\n(mixed line ends: 2 LF, 1 CRLF (shown with ⟦\\r⟧ at the end); edit and write keep this)',
      'f.txt:1:a7',
    ],
  ])('%j is shown whole by read and grep', async (text, word, shown, found) => {
    await put('f.txt', text)
    const read = (await call('read', { file_path: 'f.txt' })).result
    const grep = (await call('grep', { pattern: word })).result
    expect([read.content, grep.content]).toEqual([shown, found])
  })

  test.each([
    ['little endian', 'hello\nbye\n', false, 'hello\nBYE\n'],
    ['big endian with CRLF', 'hello\r\nbye\r\n', true, 'hello\r\nBYE\r\n'],
  ])('UTF-16 %s is read, found, edited and overwritten in its own form', async (_what, text, isBig, edited) => {
    await put('f.txt', utf16(text, isBig))
    expect((await call('read', { file_path: 'f.txt' })).result.content).toMatch(/^ {5}1\thello\n {5}2\tbye\n\(UTF-16/)
    expect((await call('grep', { pattern: 'bye' })).result.content).toBe('f.txt:2:bye')
    await call('edit', { file_path: 'f.txt', old_string: 'bye', new_string: 'BYE' }, know('f.txt'))
    expect(await raw('f.txt')).toBe(utf16(edited, isBig).toString('latin1'))
    const { content } = (await call('write', { file_path: 'f.txt', content: 'hello\nbye\n' })).result
    expect([await raw('f.txt'), content]).toEqual([
      utf16(text, isBig).toString('latin1'),
      expect.stringContaining('UTF-16'),
    ])
  })

  test('text in another encoding is not edited, and the refusal names the encoding and a way', async () => {
    const latin = Buffer.from('caf\u00e9 = 1\nb = 2\n', 'latin1')
    const bare = Buffer.from('hello\nbye\n', 'utf16le')
    await put('latin.txt', latin)
    await put('bare.txt', bare)
    const change = { old_string: 'b', new_string: 'B' }
    const answers = [
      (await call('edit', { file_path: 'latin.txt', ...change }, know('latin.txt'))).result,
      (await call('edit', { file_path: 'bare.txt', ...change }, know('bare.txt'))).result,
      (await call('read', { file_path: 'bare.txt' })).result,
    ]
    expect(answers).toEqual([
      { content: expect.stringMatching(/Latin-1.*iconv/), isError: true },
      { content: expect.stringMatching(/UTF-16.*iconv -f UTF-16LE/), isError: true },
      { content: expect.stringMatching(/UTF-16.*iconv -f UTF-16LE/), isError: true },
    ])
    expect([await raw('latin.txt'), await raw('bare.txt')]).toEqual([latin.toString('latin1'), bare.toString('latin1')])
  })

  test('of a large file a page is read in pieces, with the right lines and count', async () => {
    const lines = Array.from({ length: 200_000 }, (_, i) => `line ${i + 1} — ${'é'.repeat(10)}`)
    await put('big.txt', lines.join('\r\n'))
    const sizes: number[] = []
    const read: Sandbox['read'] = async (path, options) => {
      const slice = await sandbox.read(path, options)
      sizes.push(slice.data.byteLength)
      return slice
    }
    const watched: Sandbox = new Proxy(sandbox, {
      get(target, key) {
        const value: unknown = key === 'read' ? read : Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const input = { file_path: 'big.txt', offset: 150_000, limit: 2 }
    const { content } = (await call('read', input, { sandbox: watched })).result
    expect(content.split('\n')).toEqual([
      `150000\t${lines[149_999]}`,
      `150001\t${lines[150_000]}`,
      '(line ends: CRLF (\\r\\n); edit and write keep this)',
      '(partial: lines 150000 to 150001 of 200000; go on with offset 150002)',
    ])
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1024 * 1024)
  })

  test('a name that is only written differently finds the file that is there, and write makes no second one', async () => {
    const [space, accent] = ['a\u00a0b.txt', 're\u0301s.txt']
    await sandbox.write([
      { path: space, data: 'one\n' },
      { path: accent, data: 'two\n' },
      { path: 'de\u0301/x', data: 'three\n' },
    ])
    const read = async (file_path: string) => (await call('read', { file_path })).result.content
    expect([await read('a b.txt'), await read('r\u00e9s.txt'), await read('d\u00e9/x')]).toEqual([
      '     1\tone\n(the name is a⟦\\xa0⟧b.txt, not as it was given)',
      `     1\ttwo\n(the name is ${accent} (with combining accents, decomposed), not as it was given)`,
      '     1\tthree\n(the name is de\u0301/x (with combining accents, decomposed), not as it was given)',
    ])
    const edit = { file_path: 'r\u00e9s.txt', old_string: 'two', new_string: '2' }
    expect((await call('edit', edit, know('r\u00e9s.txt'))).result.isError).toBe(false)
    const { content } = (await call('write', { file_path: 'r\u00e9s.txt', content: 'new\n' })).result
    await call('write', { file_path: 'd\u00e9/y', content: 'y\n' })
    expect(content).toContain('the name is')
    const { entries } = await sandbox.list('', { depth: 2, limit: 20 })
    expect(entries.map(({ path }) => path)).toEqual([space, 'de\u0301', 'de\u0301/x', 'de\u0301/y', accent])
    expect(await contentOf(accent)).toBe('new\n')
  })

  test('every name is shown on one line in a form that the file tools take back', async () => {
    const names = ['a\nb.txt', 'c\rd.txt', 'e\u001b[1mf.txt', 'g\u200bh.txt', 'i\u200fj.txt', 'k\tl.txt']
    const shown = ['a⟦\\x0a⟧b', 'c⟦\\r⟧d', 'e⟦\\x1b⟧[1mf', 'g⟦\\u200b⟧h', 'i⟦\\u200f⟧j', 'k⟦\\x09⟧l'].map(
      (name) => `${name}.txt`,
    )
    await sandbox.write(names.map((path) => ({ path, data: 'word\n' })))
    const lines = async (name: string, input: object) => (await call(name, input)).result.content.split('\n')
    expect(await lines('glob', { pattern: '*.txt' })).toEqual(shown)
    expect(await lines('grep', { pattern: 'word' })).toEqual(shown.map((name) => `${name}:1:word`))
    expect(await lines('grep', { pattern: 'word', output_mode: 'files_with_matches' })).toEqual(shown)
    expect(await lines('grep', { pattern: 'word', output_mode: 'count' })).toEqual(shown.map((name) => `${name}:1`))
    for (const [index, file_path] of shown.entries()) {
      expect((await call('read', { file_path })).result.content).toBe('     1\tword')
      await call('edit', { file_path, old_string: 'word', new_string: 'edited' }, know(file_path))
      expect(await contentOf(names[index] ?? '')).toBe('edited\n')
    }
    // A form is a name's own characters and no way around to another path.
    expect((await call('read', { file_path: 'a⟦\\x0a⟧b⟦\\x2e⟧txt' })).result.isError).toBe(true)
  })

  test('a name that is easily taken for another one is named, and never opened in its place', async () => {
    await sandbox.write([
      { path: 'README.md', data: '' },
      { path: 'don\u2019t.txt', data: '' },
      { path: 'a\u2013b.txt', data: '' },
      { path: 'm\u0430in.py', data: '' },
      { path: 'end .txt ', data: '' },
      { path: 'x\u00a0y/z', data: '' },
      { path: 'x\u202fy/z', data: '' },
    ])
    const made = 'touch "$(printf \'caf\\351.txt\')"'
    await call('bash', { command: made })
    const read = async (file_path: string) => (await call('read', { file_path })).result
    const like = (name: string) => ({ content: expect.stringContaining(`like it is there: ${name}.`), isError: true })
    expect([
      await read('readme.md'),
      await read("don't.txt"),
      await read('a-b.txt'),
      await read('main.py'),
      await read('end .txt'),
      await read('x y/z'),
      await read('caf\u00e9.txt'),
      await read('caf\ufffd.txt'),
    ]).toEqual([
      like('README.md'),
      like('don\u2019t.txt'),
      like('a\u2013b.txt'),
      like('m\u0430in.py'),
      like('end .txt '),
      like('x⟦\\xa0⟧y, x⟦\\u202f⟧y'),
      { content: expect.stringMatching(/caf\ufffd\.txt\. A name with U\+FFFD is not UTF-8: use bash/), isError: true },
      { content: expect.stringMatching(/not UTF-8: use bash/), isError: true },
    ])
    const { content } = (await call('write', { file_path: 'Readme.md', content: 'new\n' })).result
    expect([content, await contentOf('README.md')]).toEqual([
      'Created Readme.md with 1 lines. A name much like it is there: README.md.',
      '',
    ])
  })

  test('in a directory of very many names the usual ways to write one are tried', async () => {
    await sandbox.write([{ path: 'many/a\u00a0b.txt', data: 'here\n' }])
    await call('bash', { command: 'cd many && seq 1 2500 | xargs touch' })
    expect((await call('read', { file_path: 'many/a b.txt' })).result.content).toContain('     1\there')
  })

  test('an overwriting that would lose most of a file is refused until it is confirmed', async () => {
    const before = Array.from({ length: 30 }, (_, i) => `export const f${i} = ${i}\n`).join('')
    await put('f.ts', before)
    const input = { file_path: 'f.ts', content: 'export const f0 = 1\n// ... existing code ...\n' }
    const refused = (await call('write', input)).result
    expect([refused, await contentOf('f.ts')]).toEqual([
      { content: expect.stringMatching(/30 lines .* confirm_complete/), isError: true },
      before,
    ])
    await call('write', { ...input, confirm_complete: true })
    expect(await contentOf('f.ts')).toBe(input.content)
  })
})
