/**
 * The disk that holds the commands' records is full for the runner. Caused by a limit on the size of its files
 * (RLIMIT_FSIZE), which every user may set on a process of his own while it runs: each write then fails with EFBIG.
 */

import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
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
import { aHost } from '../sandbox/support.ts'

const host = aHost()
const provider = host.provider()
const report = await provider.probe()
afterAll(() => host.close())

/** Only the soft limit, which may be raised again; asked for as the user that the process belongs to. */
function limitFiles(pid: number, bytes: number | 'unlimited'): void {
  const { uid, gid } = statSync(`/proc/${pid}`)
  const limit = ['--pid', String(pid), `--fsize=${bytes}:`]
  if (uid === process.getuid?.()) execFileSync('prlimit', limit)
  else execFileSync('setpriv', [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', 'prlimit', ...limit])
}

const UNTIL_GO = 'while [ ! -e go ]; do sleep 0.02; done'

describe.skipIf(!report.ok)(`a full disk (${report.detail})`, { timeout: 60_000 }, () => {
  test('ends the command whose output finds no room, says why, and hurts no later one', async () => {
    const { ref, sandbox } = await aSandbox(provider)
    const execId = anExecId()
    const script = `echo effect >> effects.txt; echo up; ${UNTIL_GO}; yes | head -c 300000; sleep 60`
    await sandbox.start(aSpec(script, { execId }))
    await waitForOutput(sandbox, execId, 'up')
    const runner = host.runnerPid(ref, execId)
    limitFiles(runner, 64 * 1024)
    try {
      await sandbox.write([{ path: 'go', data: '' }])
      const { state, output } = await readToEnd(sandbox, execId)
      const again = await sandbox.start(aSpec(script, { execId }))
      expect({
        status: state.status,
        saysWhy: /output cannot be stored/.test(state.reason ?? ''),
        output: output.startsWith('up\ny\ny\n'),
        startedAgain: again.status,
        effects: await textOf(sandbox, 'effects.txt'),
      }).toEqual({ status: 'killed', saysWhy: true, output: true, startedAgain: 'killed', effects: 'effect\n' })
    } finally {
      limitFiles(runner, 'unlimited')
    }
    expect(await run(sandbox, 'echo fine')).toMatchObject({
      state: { status: 'exited', exitCode: 0 },
      output: 'fine\n',
    })
  })

  test('does not lose the end of a command that ended meanwhile', async () => {
    const { ref, sandbox } = await aSandbox(provider)
    const execId = anExecId()
    await sandbox.start(aSpec(`echo up; ${UNTIL_GO}; echo over > over.txt; exit 3`, { execId }))
    await waitForOutput(sandbox, execId, 'up')
    const runner = host.runnerPid(ref, execId)
    limitFiles(runner, 0)
    try {
      await sandbox.write([{ path: 'go', data: '' }])
      await waitFor(async () => (await sandbox.stat('over.txt')) ?? undefined)
    } finally {
      limitFiles(runner, 'unlimited')
    }
    const { state } = await readToEnd(sandbox, execId)
    expect([state.status, state.exitCode]).toEqual(['exited', 3])
  })
})
