import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { getPriority } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { identify } from '../../../src/sandbox/local-bwrap/identity.ts'
import { createJob } from '../../../src/sandbox/local-bwrap/job-files.ts'
import { runnerSocketPath } from '../../../src/sandbox/local-bwrap/layout.ts'
import { livingRunners } from '../../../src/sandbox/local-bwrap/runner-identity.ts'
import { aSandbox, aSpec, readToEnd, run, waitForOutput } from '../../contract/sandbox/harness.ts'
import { aHost } from './support.ts'

const host = aHost()
const provider = host.provider()
const report = await provider.probe()
afterAll(async () => await host.close())

/** Sends text to the runner and returns what it answers until it has answered `lines` times or hung up. */
function tell(dir: string, identity: string, text: string | Buffer, lines: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const socket = connect(runnerSocketPath(dir, identity), () => socket.write(text))
    let answer = ''
    const done = () => resolve(answer.split('\n').filter((line) => line !== ''))
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString()
      if (answer.split('\n').length > lines) socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') reject(error)
    })
    socket.on('close', done)
  })
}

function identityOf(dir: string): string {
  return livingRunners(dir)[0]?.identity ?? ''
}

describe.skipIf(!report.ok)(`the runner's socket (${report.detail})`, { timeout: 60_000 }, () => {
  test('a hostile client is refused or hung up on, and nobody else notices', async () => {
    const { ref, sandbox } = await aSandbox(provider)
    const spec = aSpec('echo up; while [ ! -e go ]; do sleep 0.02; done; echo whole')
    await sandbox.start(spec)
    await waitForOutput(sandbox, spec.execId, 'up')
    const identity = identityOf(host.dir)
    const start = {
      execId: 'evil',
      taskId: 't',
      argv: ['true'],
      cwd: '',
      env: {},
      stdin: null,
      stdinOpen: false,
      timeoutMs: 1000,
      idleTimeoutMs: 0,
      network: false,
    }
    const ask = (change: object, spec: object = {}) =>
      `${JSON.stringify({ id: 1, identity, op: 'start', sandbox: ref.id, spec: { ...start, ...spec }, ...change })}\n`
    const answers = await Promise.all([
      tell(host.dir, identity, ask({}, { env: { A: 'x\0--bind\0/tmp\0/run' } }), 1),
      tell(host.dir, identity, ask({}, { cwd: '../../..' }), 1),
      tell(host.dir, identity, ask({ bwrapPath: null }), 1),
      tell(host.dir, identity, ask({ identity: 'another' }), 1),
      tell(host.dir, identity, 'GET / HTTP/1.1\r\n\r\n', 1),
      tell(host.dir, identity, '{"id":1,"op":\n', 1),
      tell(host.dir, identity, Buffer.alloc(17 * 1024 * 1024, 0x61), 1),
    ])
    await sandbox.write([{ path: 'go', data: '' }])
    const { state, output } = await readToEnd(sandbox, spec.execId)
    expect({
      answers: answers.map(([first]) =>
        first === undefined ? 'hung up' : (JSON.parse(first) as { code: string }).code,
      ),
      started: (await sandbox.execs()).map((exec) => exec.execId),
      end: [state.status, output],
    }).toEqual({
      answers: [
        'sandbox_bad_request',
        'sandbox_bad_request',
        'sandbox_bad_request',
        'sandbox_unavailable',
        'hung up',
        'hung up',
        'hung up',
      ],
      started: [spec.execId],
      end: ['exited', 'up\nwhole\n'],
    })
  })

  test('a runner without isolation never serves a worker that wants it; each finishes its own, once', async () => {
    const shared = aHost()
    writeFileSync(path.join(shared.dir, 'secret'), 'of the host')
    const { sandbox: open } = await aSandbox(shared.provider({ kind: 'unsafe-host' }))
    const left = aSpec('echo effect >> effects; echo up; while [ ! -e go ]; do sleep 0.02; done; cat effects')
    await open.start(left)
    await waitForOutput(open, left.execId, 'up')
    const { sandbox } = await aSandbox(shared.provider())
    const { output } = await run(
      sandbox,
      `grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t '; cat ${shared.dir}/secret 2>&1 | grep -c host`,
    )
    await open.write([{ path: 'go', data: '' }])
    const rest = await readToEnd(open, left.execId)
    const runners = livingRunners(shared.dir).length
    // Root's runner is ended when commands are to be nobody's whom root is; any other finishes what it runs.
    const isRoot = process.getuid?.() === 0
    const effects = Buffer.from((await open.read('effects')).data).toString()
    await shared.close()
    expect([output, rest.output, effects, rest.state.status, runners]).toEqual([
      'NoNewPrivs:1\nSeccomp:2\n0\n',
      isRoot ? 'up\n' : 'up\neffect\n',
      'effect\n',
      isRoot ? 'killed' : 'exited',
      isRoot ? 1 : 2,
    ])
  })

  test('other limits are another runner, from the first command on', async () => {
    const shared = aHost()
    const { ref, sandbox } = await aSandbox(shared.provider())
    const wide = await run(sandbox, 'ulimit -n')
    const narrow = await run(await shared.provider({ limits: { openFiles: 64 } }).open(ref), 'ulimit -n')
    await shared.close()
    expect([wide.output, narrow.output]).toEqual(['4096\n', '64\n'])
  })

  test('a command of a runner of other settings is watched, attached to and killed by its files', async () => {
    const shared = aHost()
    const { ref, sandbox } = await aSandbox(shared.provider())
    const spec = aSpec('echo up; sleep 60')
    await sandbox.start(spec)
    await waitForOutput(sandbox, spec.execId, 'up')
    const other = await shared.provider({ limits: { openFiles: 64 } }).open(ref)
    await run(other, 'true')
    const attached = await other.start(spec)
    const waited = await other.poll(spec.execId, { cursor: 3, maxBytes: 10, waitMs: 200 })
    const ended = await other.killAll(spec.taskId)
    await shared.close()
    expect([attached.status, waited.state.status, ended.map(({ execId, status }) => [execId, status])]).toEqual([
      'running',
      'running',
      [[spec.execId, 'killed']],
    ])
  })

  test('what a runner of the version before still runs is left to it, and what it left behind is lost', async () => {
    const shared = aHost()
    const { ref, sandbox } = await aSandbox(shared.provider())
    const jobs = path.join(shared.dir, 'projects', ref.id, 'jobs')
    const self = identify(process.pid)
    if (self === null) throw new Error('/proc does not show this process')
    const record = { taskId: 'tsk_old', argv: ['true'], cwd: '', timeoutMs: 1000, idleTimeoutMs: 0, startedAt: 1 }
    createJob(path.join(jobs, 'alive'), { ...record, execId: 'alive', runner: self }, null)
    const dead = { ...self, startTicks: '1' }
    createJob(path.join(jobs, 'dead'), { ...record, execId: 'dead', runner: dead }, null)
    await run(sandbox, 'true')
    const states = [
      await sandbox.start(aSpec('touch ran', { execId: 'alive' })),
      await sandbox.start(aSpec('touch ran', { execId: 'dead' })),
    ]
    const ran = existsSync(path.join(host.workspaceOf(ref), 'ran'))
    await shared.close()
    expect([states.map((state) => state.status), ran]).toEqual([['running', 'lost'], false])
  })

  test('files that a command makes have ordinary modes; it yields to others and is the first to be killed', async () => {
    const { sandbox } = await aSandbox(provider)
    const { output } = await run(
      sandbox,
      `umask; touch f; mkdir d; node -e "fs.writeFileSync('g','')"; printf '#!/bin/sh\\n' > x; chmod +x x; stat -c %a f d g x
       cat /proc/self/oom_score_adj; nice`,
    )
    expect(output.trim().split('\n')).toEqual([
      '0022',
      '644',
      '755',
      '644',
      '755',
      '1000',
      String(Math.min(19, getPriority() + 5)),
    ])
  })
})
