import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { E2B } from 'e2b'
import { afterAll, describe, expect, test } from 'vitest'
import { startVm } from '../../../src/sandbox/e2b/fake/vm.ts'
import {
  aSandbox,
  aSpec,
  codeOf,
  readToEnd,
  run,
  textOf,
  waitFor,
  waitForOutput,
} from '../../contract/sandbox/harness.ts'
import { sandboxContract } from '../../contract/sandbox/suite.ts'
import { aFakeE2b, FAKE_KEY, fakeUnavailable } from './fake-e2b.ts'

const reason = fakeUnavailable()
const e2b = await aFakeE2b({ maxLifeMs: 3_600_000 })
const provider = e2b.provider()
afterAll(async () => await e2b.close())
const cannot = reason === null ? '' : ` (this machine cannot run the fake: ${reason})`

describe.skipIf(reason !== null)(
  `e2b keeps the contract, the real SDK over the fake${cannot}`,
  { timeout: 60_000 },
  () => {
    const caps = { keepsWholeTrees: false }
    sandboxContract(() => ({ provider, secondProvider: () => e2b.provider(), caps }))
  },
)

describe.skipIf(reason !== null)('the fake has the traps of the real one', () => {
  const options = { apiUrl: e2b.fake.url, sandboxUrl: e2b.fake.url, apiKey: FAKE_KEY }
  const { Sandbox } = new E2B(options)

  test('output without a reader is dropped, leaving a stream ends nothing, and the exit code is kept for a while', async () => {
    const vm = await Sandbox.create({ timeoutMs: 60_000 })
    const command = await vm.commands.run('echo early; while [ ! -e go ]; do sleep 0.02; done; echo late; exit 3', {
      background: true,
      timeoutMs: 0,
    })
    await waitFor(() => (command.stdout === 'early\n' ? true : undefined))
    await command.disconnect()
    await vm.commands.run('touch go')
    await waitFor(async () => ((await vm.commands.list()).some((each) => each.pid === command.pid) ? undefined : true))
    const again = await vm.commands.connect(command.pid)
    const ended = await again.wait().catch((error: unknown) => error)
    await vm.kill()
    expect(ended).toMatchObject({ name: 'CommandExitError', exitCode: 3, stdout: '' })
  })

  test('starting a VM runs nothing that lies in its home', async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'keelson-vm-'))
    const home = path.join(dir, 'root/home/user')
    mkdirSync(home, { recursive: true })
    writeFileSync(path.join(home, '.bashrc'), 'touch ran')
    const vm = startVm(dir, '/usr/bin/bwrap', process.execPath)
    const started = await vm.start(['true'], {})
    const ended = await waitFor(() => started.exitCode ?? undefined)
    const names = readdirSync(home)
    await vm.destroy()
    expect([ended, names]).toEqual([0, ['.bashrc']])
  })

  test('a kill and a deadline reach one process and leave its children', async () => {
    const vm = await Sandbox.create({ timeoutMs: 60_000 })
    const withChild = (name: string) => `sh -c 'echo $$ > ${name}; exec sleep 60' & wait`
    const killed = await vm.commands.run(withChild('first'), { background: true, timeoutMs: 0 })
    await vm.commands.run('until [ -s first ]; do sleep 0.02; done')
    await killed.kill()
    const late = await vm.commands.run(withChild('second'), { timeoutMs: 500 }).catch((error: unknown) => error)
    const { stdout } = await vm.commands.run('for name in first second; do kill -0 $(cat $name) && echo alive; done')
    await vm.kill()
    expect([late, stdout]).toEqual([expect.objectContaining({ name: 'TimeoutError' }), 'alive\nalive\n'])
  })

  test('life ends: a VM that asked for it is paused and can be had again, another one is gone', async () => {
    const lifecycle = { onTimeout: 'pause' } as const
    const [kept, lost] = await Promise.all([
      Sandbox.create({ timeoutMs: 1_000, lifecycle }),
      Sandbox.create({ timeoutMs: 1_000 }),
    ])
    const kinds = await Promise.all([
      waitFor(async () => ((await Sandbox.getInfo(kept.sandboxId)).state === 'paused' ? 'paused' : undefined)),
      waitFor(async () => {
        const error = await Sandbox.getInfo(lost.sandboxId).catch((each: unknown) => each)
        return error instanceof Error ? error.name : undefined
      }),
    ])
    const pausedAgain = await Sandbox.pause(kept.sandboxId)
    const resumed = await Sandbox.connect(kept.sandboxId, { timeoutMs: 60_000 })
    const { stdout } = await resumed.commands.run('echo back')
    await resumed.kill()
    expect([kinds, pausedAgain, stdout]).toEqual([['paused', 'SandboxNotFoundError'], false, 'back\n'])
  })
})

describe.skipIf(reason !== null)('e2b in trouble', () => {
  test('a VM that was paused meanwhile is resumed by the next call, and its command goes on', async () => {
    const { sandbox } = await aSandbox(provider)
    const spec = aSpec('echo up; while [ ! -e go ]; do sleep 0.05; done; echo on')
    await sandbox.start(spec)
    await waitForOutput(sandbox, spec.execId, 'up')
    await sandbox.pause()
    await sandbox.write([{ path: 'go', data: '' }])
    expect(await readToEnd(sandbox, spec.execId)).toMatchObject({ output: 'up\non\n', state: { exitCode: 0 } })
  })

  test('no command begins in the last minute of a VM: it is restarted first, or the command waits', async () => {
    const short = await aFakeE2b({ maxLifeMs: 30_000 })
    const { sandbox } = await aSandbox(short.provider())
    await run(sandbox, 'true')
    const asked = ['/timeout', '/pause', '/connect'].map((route) =>
      short.fake.requests.some(({ line }) => line.endsWith(route)),
    )
    const spec = aSpec('sleep 60')
    await sandbox.start(spec)
    const second = await codeOf(sandbox.start(aSpec('true')))
    await sandbox.killAll()
    await short.close()
    expect([asked, second]).toEqual([[true, true, true], 'sandbox_busy'])
  })

  test('a checkpoint that was taken over outlives its VM, and its own newest stays what a new VM is filled with', async () => {
    const [{ sandbox, ref }, { sandbox: other }] = [await aSandbox(provider), await aSandbox(provider)]
    await sandbox.write([{ path: 'a', data: 'own\n' }])
    const base = await sandbox.checkpoint()
    await other.write([{ path: 'a', data: 'theirs\n' }])
    const theirs = await other.checkpoint()
    await sandbox.adoptTree(other.storedTrees, theirs, base)
    await e2b.fake.lose(ref.id)
    const next = await provider.ensure({ projectId: ref.projectId, generation: 2 })
    const again = await provider.open(next)
    await again.restore(theirs)
    const newest = (await e2b.ledger.trees(ref.projectId)).at(-1)
    expect([newest, await textOf(again, 'a')]).toEqual([base, 'theirs\n'])
  })

  test('an answer without an end is cut off, in every operation, and is never held in memory', async () => {
    const { sandbox } = await aSandbox(provider)
    const spec = aSpec('echo up; sleep 60')
    await sandbox.start(spec)
    const tree = await sandbox.checkpoint()
    const operations = {
      poll: () => sandbox.poll(spec.execId, { cursor: 0, maxBytes: 256 * 1024, waitMs: 0 }),
      read: () => sandbox.read('f', { maxBytes: 1_000 }),
      list: () => sandbox.list('', { depth: 3, limit: 10 }),
      checkpoint: () => sandbox.checkpoint(),
      treeFiles: async () => {
        for await (const file of sandbox.treeFiles?.(tree) ?? []) expect(file).toBeUndefined()
      },
    }
    const floods = {
      reply: 'echo @@keelson; yes | head -c 500000000',
      errors: 'yes | head -c 500000000 >&2; echo @@keelson',
      file: `truncate -s 500M ~/flood; echo @@keelson; case $1 in
        checkpoint) echo "tree ${'a'.repeat(40)}"; echo base -; echo "pack 1000 $HOME/flood" ;;
        *) echo "content $HOME/flood"; printf '100644 blob ${'a'.repeat(40)}\\tf' | base64 -w0 ;;
      esac`,
    }
    const asked: [keyof typeof floods, keyof typeof operations][] = [
      ...(['poll', 'read', 'list', 'checkpoint'] as const).map((name) => ['reply', name] as ['reply', typeof name]),
      ['errors', 'poll'],
      ['file', 'checkpoint'],
      ['file', 'treeFiles'],
    ]
    const own = readdirSync(path.join(e2b.fake.homeOf(sandbox.ref.id), '.keelson')).find((name) => name.endsWith('.sh'))
    const script = path.join(e2b.fake.homeOf(sandbox.ref.id), '.keelson', own ?? '')
    const before = process.memoryUsage().rss
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().rss - before)
    }, 10)
    const codes: string[] = []
    for (const [flood, operation] of asked) {
      writeFileSync(script, floods[flood])
      codes.push(await codeOf(operations[operation]()))
    }
    clearInterval(watch)
    expect([codes, most < 200 * 1024 * 1024]).toEqual([asked.map(() => 'sandbox_unreachable'), true])
  })

  test('what E2B answers becomes one of our codes', async () => {
    const answers: [number | 'cut', string][] = [
      [401, 'sandbox_auth_failed'],
      [429, 'sandbox_rate_limited'],
      [503, 'sandbox_busy'],
      [500, 'sandbox_unreachable'],
      ['cut', 'sandbox_unreachable'],
      [400, 'sandbox_unavailable'],
    ]
    const { ref } = await aSandbox(provider)
    const codes: string[] = []
    for (const [trouble] of answers) {
      e2b.fake.trouble.api = trouble
      codes.push(await codeOf(e2b.provider().open(ref)))
    }
    e2b.fake.trouble.api = null
    expect(codes).toEqual(answers.map(([, code]) => code))
  })

  test('every create and connect says how long, and the routes are those of SDK 2.51', async () => {
    const apiLines = new Set(
      e2b.fake.requests
        .filter(({ plane, line }) => plane === 'api' && !line.endsWith('/timeout'))
        .map(({ line }) => line.replace(/i[0-9a-f]{20}|\.\.%2F\.\.%2Fetc/, 'ID')),
    )
    const own = e2b.fake.created.filter((each) => each.metadata['deployment'] === 'test')
    expect({
      lives: [...new Set(own.map((each) => `${each.timeout} ${each.autoPause}`))],
      routes: [...apiLines].sort(),
    }).toEqual({
      lives: ['900 true'],
      routes: [
        'DELETE /sandboxes/ID',
        'GET /sandboxes/ID',
        'GET /v2/sandboxes',
        'POST /sandboxes/ID/pause',
        'POST /v2/sandboxes',
        'POST /v2/sandboxes/ID/connect',
      ],
    })
  })
})
