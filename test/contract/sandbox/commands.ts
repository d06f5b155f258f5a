import { beforeAll, describe, expect, test } from 'vitest'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { OWN_FILES } from '../../../src/shared/places.ts'
import { aSandbox, aSpec, codeOf, type ProviderUnderTest, readToEnd, run, textOf, waitForOutput } from './harness.ts'

/** What every provider promises about commands. */
export function commandContract(underTest: () => ProviderUnderTest): void {
  describe('commands', () => {
    let sandbox: Sandbox
    beforeAll(async () => {
      sandbox = (await aSandbox(underTest().provider)).sandbox
    })

    test('a command ends with its exit code, its output and their size', async () => {
      const spec = aSpec('echo hello; exit 3')
      const started = await sandbox.start(spec)
      const { state, output } = await readToEnd(sandbox, spec.execId)
      expect({ status: started.status, output, state }).toEqual({
        status: 'running',
        output: 'hello\n',
        state: {
          execId: spec.execId,
          status: 'exited',
          exitCode: 3,
          signal: null,
          startedAt: started.startedAt,
          endedAt: expect.any(Number),
          bytes: 6,
          droppedBytes: 0,
        },
      })
    })

    test('stdout and stderr come in the order in which they were written', async () => {
      const { output } = await run(
        sandbox,
        'for i in 1 2 3; do echo out$i; echo err$i >&2; done; echo dev >/dev/stderr',
      )
      expect(output).toBe('out1\nerr1\nout2\nerr2\nout3\nerr3\ndev\n')
    })

    test('a poll goes on at the byte where the last one stopped, without a hole or a repeat', async () => {
      const spec = aSpec('printf 0123456789')
      await sandbox.start(spec)
      await readToEnd(sandbox, spec.execId)
      const parts: [number, string][] = []
      for (let cursor = 0, last = -1; cursor !== last; ) {
        last = cursor
        const poll = await sandbox.poll(spec.execId, { cursor, maxBytes: 4, waitMs: 0 })
        for (const chunk of poll.chunks) parts.push([chunk.offset, Buffer.from(chunk.data).toString()])
        cursor = poll.cursor
      }
      expect(parts).toEqual([
        [0, '0123'],
        [4, '4567'],
        [8, '89'],
      ])
    })

    test('output can be read while the command runs', async () => {
      const spec = aSpec('echo first; read line; echo "got $line"', { stdin: 'open' })
      await sandbox.start(spec)
      await waitForOutput(sandbox, spec.execId, 'first')
      await sandbox.input(spec.execId, Buffer.from('more\n'))
      expect((await readToEnd(sandbox, spec.execId)).output).toBe('first\ngot more\n')
    })

    test('a command reads the input it was given and then its end', async () => {
      const { output } = await run(sandbox, ['cat'], { stdin: Buffer.from('from stdin') })
      expect(output).toBe('from stdin')
    })

    test('without input a command reads nothing and does not wait', async () => {
      expect((await run(sandbox, ['cat'])).state).toMatchObject({ status: 'exited', exitCode: 0, bytes: 0 })
    })

    test('starting an execId again attaches to it, and its effect happens once', async () => {
      const spec = aSpec('echo effect >> effects.txt; echo done')
      const states = await Promise.all([sandbox.start(spec), sandbox.start(spec), sandbox.start(spec)])
      await readToEnd(sandbox, spec.execId)
      const after = await sandbox.start(spec)
      expect({
        ids: states.map((state) => state.execId),
        after: after.status,
        effects: await textOf(sandbox, 'effects.txt'),
      }).toEqual({ ids: [spec.execId, spec.execId, spec.execId], after: 'exited', effects: 'effect\n' })
    })

    test('two workers that start the same execId at once cause one effect', async () => {
      const other = await underTest().secondProvider().open(sandbox.ref)
      const spec = aSpec('echo effect >> twice.txt')
      await Promise.all([sandbox.start(spec), other.start(spec), sandbox.start(spec), other.start(spec)])
      await Promise.all([readToEnd(sandbox, spec.execId), readToEnd(other, spec.execId)])
      expect(await textOf(sandbox, 'twice.txt')).toBe('effect\n')
    })

    test('a worker that knows only the execId reads state and output', async () => {
      const spec = aSpec('echo kept; exit 7')
      await sandbox.start(spec)
      await readToEnd(sandbox, spec.execId)
      const other = await underTest().secondProvider().open(sandbox.ref)
      const { state, output } = await readToEnd(other, spec.execId)
      expect({ output, exitCode: state.exitCode }).toEqual({ output: 'kept\n', exitCode: 7 })
    })

    test('the wall-clock limit ends a command', async () => {
      const { state } = await run(sandbox, 'while :; do echo .; sleep 0.05; done', { timeoutMs: 400 })
      expect(state).toMatchObject({ status: 'timed_out', exitCode: null })
    })

    test('the limit without output ends a silent command and spares a talking one', async () => {
      const [silent, talking] = await Promise.all([
        run(sandbox, 'sleep 30', { idleTimeoutMs: 3_000 }),
        run(sandbox, 'for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.5; done', { idleTimeoutMs: 3_000 }),
      ])
      expect([silent.state.status, talking.state.status]).toEqual(['idle_timed_out', 'exited'])
    })

    test('a kill ends the whole tree, also what left its session', async () => {
      const spec = aSpec('setsid nohup sh -c "while :; do date +%N > beat.txt; sleep 0.02; done" & echo up; sleep 60')
      await sandbox.start(spec)
      await waitForOutput(sandbox, spec.execId, 'up')
      await waitForFile(sandbox, 'beat.txt')
      const killed = await sandbox.kill(spec.execId)
      const beat = await textOf(sandbox, 'beat.txt')
      await run(sandbox, 'sleep 0.2')
      expect({ status: killed.status, beat: await textOf(sandbox, 'beat.txt') }).toEqual({ status: 'killed', beat })
      expect(await sandbox.kill(spec.execId)).toEqual(killed)
    })

    test('a process left behind by a command ends with it', async () => {
      const { state } = await run(sandbox, '(while :; do date +%N > left.txt; sleep 0.02; done) & sleep 0.2; exit 0')
      const beat = await textOf(sandbox, 'left.txt')
      await run(sandbox, 'sleep 0.2')
      expect({ status: state.status, beat: await textOf(sandbox, 'left.txt') }).toEqual({ status: 'exited', beat })
    })

    test('killAll ends the commands of one task and names them', async () => {
      const [mine, others] = [aSpec('sleep 60', { taskId: 'tsk_a' }), aSpec('sleep 60', { taskId: 'tsk_b' })]
      await sandbox.start(mine)
      await sandbox.start(others)
      const killed = await sandbox.killAll('tsk_a')
      const left = (await sandbox.execs('tsk_b')).map((state) => state.status)
      expect([killed.map((state) => [state.execId, state.status]), left]).toEqual([
        [[mine.execId, 'killed']],
        ['running'],
      ])
      await sandbox.killAll()
    })

    test('a flood is cut to head and tail, and every byte is counted', async () => {
      const total = 20 * 1024 * 1024
      const spec = aSpec(`head -c ${total - 4} /dev/zero | tr '\\0' x; printf 'END\\n'`)
      await sandbox.start(spec)
      // A reader who follows live sees more of the middle than is kept in the end.
      await sandbox.poll(spec.execId, { cursor: total, maxBytes: 0, waitMs: 30_000 })
      const { state, output } = await readToEnd(sandbox, spec.execId)
      const ends = await sandbox.output(spec.execId, { headBytes: 10, tailBytes: 6 })
      expect({
        bytes: state.bytes,
        kept: output.length + state.droppedBytes,
        ends: [Buffer.from(ends.head).toString(), Buffer.from(ends.tail).toString(), ends.omittedBytes],
        isCapped: output.length < 9 * 1024 * 1024,
      }).toEqual({ bytes: total, kept: total, ends: ['xxxxxxxxxx', 'xxEND\n', total - 16], isCapped: true })
    })

    test('head and tail of short output never overlap', async () => {
      const spec = aSpec('printf 0123456789')
      await sandbox.start(spec)
      await readToEnd(sandbox, spec.execId)
      const ends = await sandbox.output(spec.execId, { headBytes: 7, tailBytes: 7 })
      expect([Buffer.from(ends.head).toString(), Buffer.from(ends.tail).toString(), ends.omittedBytes]).toEqual([
        '0123456',
        '789',
        0,
      ])
    })

    test('a command runs in the directory and with the variables it was given', async () => {
      await sandbox.write([{ path: 'sub/dir/a.txt', data: 'a' }])
      const { output } = await run(sandbox, 'pwd; ls; echo $GREETING', { cwd: 'sub/dir', env: { GREETING: 'hi' } })
      expect(output).toBe(`${sandbox.root}/sub/dir\na.txt\nhi\n`)
    })

    test('node, npm, git and bash are there, and rg where the provider brings it', async () => {
      const hasRipgrep = underTest().caps?.hasRipgrep ?? true
      const { output } = await run(
        sandbox,
        'for t in node npm npx git rg bash; do command -v $t >/dev/null && echo $t; done',
      )
      const found = hasRipgrep ? output : output.replace('rg\n', '')
      expect(found).toBe(hasRipgrep ? 'node\nnpm\nnpx\ngit\nrg\nbash\n' : 'node\nnpm\nnpx\ngit\nbash\n')
    })

    test('a repository that a command makes overlooks the server’s own files, and settings of the user’s own go on', async () => {
      const { sandbox: own } = await aSandbox(underTest().provider)
      await own.write([...OWN_FILES, 'a.txt'].map((path) => ({ path, data: 'x' })))
      const { output } = await run(
        own,
        'git init -q && git add -A && git commit -qm x && git ls-files; echo y > .claude/memory.md; git add -A; git status --porcelain; git config --global alias.st status && git st --porcelain; mkdir -p ~/.config/other && touch ~/.config/other/x && echo made',
      )
      expect(output).toBe('a.txt\nmade\n')
    })

    test('a program that does not exist ends with 127', async () => {
      expect((await run(sandbox, ['no-such-program'])).state).toMatchObject({ status: 'exited', exitCode: 127 })
    })

    test('malformed commands are refused and leave nothing behind', async () => {
      const bad = [
        aSpec('true', { execId: '../x' }),
        aSpec('true', { execId: '' }),
        aSpec('true', { execId: '..' }),
        aSpec('true', { cwd: '../..' }),
        aSpec('true', { timeoutMs: 0 }),
        aSpec('true', { timeoutMs: 600_001 }),
        aSpec('true\0'),
        aSpec([]),
        aSpec('true', { env: { 'A=B': 'x' } }),
        aSpec('true', { env: { A: 'x\0y' } }),
      ]
      const before = (await sandbox.execs()).length
      const codes = await Promise.all(bad.map((spec) => codeOf(sandbox.start(spec))))
      expect([new Set(codes), (await sandbox.execs()).length]).toEqual([new Set(['sandbox_bad_request']), before])
    })

    test('a command that nobody started is a bad request', async () => {
      const codes = await Promise.all([
        codeOf(sandbox.poll('never', { cursor: 0, maxBytes: 1, waitMs: 0 })),
        codeOf(sandbox.kill('never')),
        codeOf(sandbox.output('never', { headBytes: 1, tailBytes: 1 })),
        codeOf(sandbox.input('never', 'eof')),
      ])
      expect(codes).toEqual(Array(4).fill('sandbox_bad_request'))
    })

    test('an aborted poll ends at once and the command goes on', async () => {
      const spec = aSpec('read line; echo "$line"', { stdin: 'open' })
      await sandbox.start(spec)
      const abort = new AbortController()
      const poll = sandbox.poll(spec.execId, { cursor: 0, maxBytes: 100, waitMs: 30_000, signal: abort.signal })
      abort.abort(new Error('enough'))
      await expect(poll).rejects.toThrow('enough')
      await sandbox.input(spec.execId, Buffer.from('still here\n'))
      expect((await readToEnd(sandbox, spec.execId)).output).toBe('still here\n')
    })
  })
}

async function waitForFile(sandbox: Sandbox, path: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (((await sandbox.stat(path))?.sizeBytes ?? 0) > 0) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error(`${path} did not appear`)
}
