import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { identify, isAlive } from '../../../src/sandbox/local-bwrap/identity.ts'
import { readPid } from '../../../src/sandbox/local-bwrap/job-files.ts'
import { ownSocketPath, runnerSocketPath } from '../../../src/sandbox/local-bwrap/layout.ts'
import { livingRunners } from '../../../src/sandbox/local-bwrap/runner-identity.ts'
import { listProcesses, sendTo } from '../../chaos/processes.ts'
import {
  anExecId,
  aSandbox,
  aSpec,
  readToEnd,
  run,
  textOf,
  waitFor,
  waitForOutput,
} from '../../contract/sandbox/harness.ts'
import { aHost } from './support.ts'

const host = aHost()
const provider = host.provider()
const report = await provider.probe()
afterAll(async () => await host.close())

const WORKER = fileURLToPath(new URL('./starting-worker.ts', import.meta.url))

/** Starts another worker process and waits until its command is started. */
async function aWorkerThatStarts(projectId: string, execId: string, sh: string): Promise<ChildProcess> {
  const args = ['--import', 'tsx', WORKER, host.dir, projectId, execId, sh]
  const worker = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await new Promise<void>((resolve, reject) => {
    worker.stdout?.on('data', () => resolve())
    worker.on('exit', (code) => reject(new Error(`the worker ended with ${code}`)))
  })
  return worker
}

async function waitUntilDead(pid: number): Promise<void> {
  const identity = identify(pid)
  await waitFor(() => (identity === null || !isAlive(identity) ? true : undefined))
}

describe.skipIf(!report.ok)(`crashes (${report.detail})`, { timeout: 60_000 }, () => {
  test('a probe whose process is killed while it asks is put again and tells the same', async () => {
    const asking = host.provider().probe()
    const killed = await waitFor(() => {
      const asker = listProcesses().find(({ command }) => command.includes('askIdentity') && command.includes(host.dir))
      return asker !== undefined && sendTo(asker.pid, 'SIGKILL') ? true : undefined
    })
    expect({ killed, ...(await asking) }).toEqual({ killed: true, ...report })
  })

  test('a worker killed with -9 neither stops nor repeats its command', async () => {
    const { ref, sandbox } = await aSandbox(provider)
    const execId = anExecId()
    const script = 'echo effect >> effects.txt; echo before; while [ ! -e go ]; do sleep 0.02; done; echo after; exit 5'
    const worker = await aWorkerThatStarts(ref.projectId, execId, script)
    await waitForOutput(sandbox, execId, 'before')
    worker.kill('SIGKILL')
    await waitUntilDead(worker.pid ?? 0)
    await sandbox.write([{ path: 'go', data: '' }])
    const again = await sandbox.start(aSpec(script, { execId }))
    const { state, output } = await readToEnd(sandbox, execId)
    expect({
      attached: again.startedAt === state.startedAt,
      status: state.status,
      exitCode: state.exitCode,
      output,
      effects: await textOf(sandbox, 'effects.txt'),
    }).toEqual({ attached: true, status: 'exited', exitCode: 5, output: 'before\nafter\n', effects: 'effect\n' })
  })

  test('a runner killed with -9 takes its commands along; they are lost for good, and the next start works', async () => {
    const { ref, sandbox } = await aSandbox(provider)
    const spec = aSpec('echo effect >> effects.txt; echo up; setsid sh -c "while :; do sleep 0.02; done"')
    await sandbox.start(spec)
    await waitForOutput(sandbox, spec.execId, 'up')
    const jobDir = path.join(host.dir, 'projects', ref.id, 'jobs', spec.execId)
    const command = readPid(jobDir)
    const runnerPid = host.runnerPid(ref, spec.execId)
    process.kill(runnerPid, 'SIGKILL')
    const { state, output } = await readToEnd(sandbox, spec.execId)
    const again = await sandbox.start(spec)
    const next = await run(sandbox, 'echo next; cat effects.txt')
    expect({
      status: state.status,
      output,
      again,
      isCommandAlive: command !== null && isAlive(command),
      next: next.output,
    }).toEqual({ status: 'lost', output: 'up\n', again: state, isCommandAlive: false, next: 'next\neffect\n' })
  })

  test('two workers that need a runner at once get one', async () => {
    const shared = aHost()
    const [one, two] = [shared.provider(), shared.provider()]
    const { ref, sandbox } = await aSandbox(one)
    const other = await two.open(ref)
    const [a, b] = [aSpec('echo a'), aSpec('echo b')]
    await Promise.all([sandbox.start(a), other.start(b)])
    const outputs = [(await readToEnd(sandbox, b.execId)).output, (await readToEnd(other, a.execId)).output]
    const runners = new Set([shared.runnerPid(ref, a.execId), shared.runnerPid(ref, b.execId)])
    await shared.close()
    expect([outputs, runners.size]).toEqual([['b\n', 'a\n'], 1])
  })

  test('a runner without commands and workers ends by itself, and one that is asked to end kills what it runs', async () => {
    const shared = aHost()
    const { ref, sandbox } = await aSandbox(shared.provider())
    const spec = aSpec('sleep 60')
    await sandbox.start(spec)
    process.kill(shared.runnerPid(ref, spec.execId), 'SIGTERM')
    const { state } = await readToEnd(sandbox, spec.execId)
    const idle = aSpec('true')
    await sandbox.start(idle)
    await readToEnd(sandbox, idle.execId)
    const pid = shared.runnerPid(ref, idle.execId)
    await shared.close()
    await waitUntilDead(pid)
    expect(state.status).toBe('killed')
  })

  test('a kill in the first instants of a command leaves nothing behind', async () => {
    const { ref, sandbox } = await aSandbox(provider)
    for (let i = 0; i < 20; i++) {
      const spec = aSpec('echo ran; while :; do sleep 0.05; done')
      await sandbox.start(spec)
      await new Promise((resolve) => setTimeout(resolve, i % 10))
      expect((await sandbox.kill(spec.execId)).status).toBe('killed')
    }
    const alive = readdirSync(path.join(host.dir, 'projects', ref.id, 'jobs')).filter((execId) => {
      const command = readPid(path.join(host.dir, 'projects', ref.id, 'jobs', execId))
      return command !== null && isAlive(command)
    })
    expect(alive).toEqual([])
  })

  test('a destroyed sandbox leaves nothing on the disk, even what a command had locked away', async () => {
    const { ref, sandbox } = await aSandbox(provider)
    await run(sandbox, 'mkdir -p locked/inner; touch locked/inner/f; chmod 000 locked/inner locked')
    await provider.destroy(ref)
    expect([existsSync(path.join(host.dir, 'projects', ref.id)), readdirSync(path.join(host.dir, 'trash'))]).toEqual([
      false,
      [],
    ])
  })

  test('a base directory with a path too long for a socket works, and only its owner can reach the runner', async () => {
    const deep = path.resolve(host.dir, 'directory/'.repeat(15))
    const { sandbox } = await aSandbox(host.provider({ dir: deep }))
    const { output } = await run(sandbox, 'echo deep')
    const [identity = ''] = livingRunners(deep).map((runner) => runner.identity)
    // The runner that root starts finds the directory at a shorter path.
    const pathOf = process.getuid?.() === 0 ? ownSocketPath : runnerSocketPath
    const socket = pathOf(deep, identity ?? '')
    const modes = [socket, path.dirname(socket)].map((file) => statSync(file).mode & 0o777)
    expect([output, modes]).toEqual(['deep\n', [0o600, 0o700]])
  })

  test('the directory of a closed host is gone', async () => {
    const shared = aHost()
    const { ref } = await aSandbox(shared.provider())
    await shared.provider().destroy(ref)
    await shared.close()
    expect(existsSync(shared.dir)).toBe(false)
  })
})
