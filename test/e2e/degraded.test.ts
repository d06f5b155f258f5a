/**
 * A host that lacks what commands are protected by, as the whole product shows it. The host is changed in a mount namespace of
 * the product's own: bubblewrap is one that can be told to refuse, as it does where user namespaces are not allowed; there are
 * no cgroups, no perl and no setpriv.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readState } from '../../scripts/lib/state.mjs'
import { ApiClient } from '../support/api.ts'
import { running, scriptOf } from '../support/model-admin.ts'
import { waitFor } from '../support/wait-for.ts'
import { contentOf } from './homes/read-facts.ts'

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url))
const SUPERVISE = path.join(CHECKOUT, 'test/unit/scripts/stand-ins/supervise.mjs')
const STORES = [process.env['KEELSON_TEST_REDIS_BINARY'] ?? '', process.env['KEELSON_TEST_TEMPORAL_BINARY'] ?? '']
const START_MS = 120_000
/** "$1" is a directory with what takes the place of the host's own. */
const CHANGED = `set -e
mount --bind "$1/bwrap" /usr/bin/bwrap
mount --bind "$1/nothing" /sys/fs/cgroup
for program in perl setpriv; do [ ! -e /usr/bin/$program ] || mount --bind /dev/null /usr/bin/$program; done
shift
exec "$@"`
const mayMount =
  process.getuid?.() === 0 && spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0

let place: string
let home: string
let supervisor: ChildProcess | undefined
let told: string

beforeEach(() => {
  place = mkdtempSync(path.join(tmpdir(), 'keelson-degraded-'))
  // Whoever commands are runs what lies here.
  chmodSync(place, 0o755)
  home = path.join(place, 'home')
  mkdirSync(path.join(place, 'nothing'))
  copyFileSync('/usr/bin/bwrap', path.join(place, 'real-bwrap'))
  const refuse = `echo 'bwrap: No permissions to create new namespace' >&2; exit 1`
  const script = `#!/bin/sh\n[ ! -e ${place}/refuses ] || { ${refuse}; }\nexec ${place}/real-bwrap "$@"\n`
  writeFileSync(path.join(place, 'bwrap'), script, { mode: 0o755 })
})

afterEach(async () => {
  if (supervisor !== undefined && supervisor.exitCode === null) {
    const ended = once(supervisor, 'exit')
    supervisor.kill('SIGTERM')
    await ended
  }
  supervisor = undefined
  rmSync(place, { recursive: true, force: true })
})

const setRefusing = (refuses: boolean) => {
  const flag = path.join(place, 'refuses')
  if (refuses) writeFileSync(flag, '', { mode: 0o644 })
  else rmSync(flag)
}

function start(): ChildProcess {
  const program = [process.execPath, SUPERVISE, home, ...STORES, 'built']
  const isolated = ['--mount', '--propagation', 'private', '/bin/sh', '-c', CHANGED, 'sh', place, ...program]
  supervisor = spawn('unshare', isolated, { cwd: CHECKOUT, stdio: ['ignore', 'ignore', 'pipe'] })
  told = ''
  supervisor.stderr?.on('data', (chunk: Buffer) => {
    told += chunk.toString()
  })
  return supervisor
}

describe.skipIf(!mayMount)('a host without protections (needs root that may mount)', { timeout: 240_000 }, () => {
  test('a task stops with what to set when sandboxes cannot be made any more, /readyz and status say it, and it goes on later', async () => {
    start()
    const state = await waitFor(() => readState(home), 'it is up', START_MS)
    const api = new ApiClient(() => readState(home) ?? state)
    const projectId = await api.newProject()
    const play = async (words: string) => {
      const script = scriptOf([running(`echo ${words} >> log.txt`), { text: 'Done.' }])
      return await api.ended((await api.chat(projectId, { message: script })).taskId)
    }
    const ready = async () => (await api.call<Ready>('GET', '/readyz')).body.sandbox
    const first = await play('first')
    const limits = await waitFor(async () => (await ready())?.protections, 'the server has looked')

    setRefusing(true)
    const refused = await play('refused')
    // What the server found is five minutes old at most; a new one looks at once.
    process.kill(state.processes.server ?? 0, 'SIGKILL')
    await waitFor(() => readState(home)?.processes.server !== state.processes.server, 'the server is back', START_MS)
    const sandbox = await waitFor(ready, 'the new server has looked')
    const status = spawnSync(process.execPath, ['scripts/status.mjs'], {
      cwd: CHECKOUT,
      env: { PATH: process.env['PATH'], KEELSON_HOME: home },
      encoding: 'utf8',
    })

    setRefusing(false)
    const later = await play('later')
    api.close()
    const why =
      'bubblewrap cannot make a sandbox here (bwrap: No permissions to create new namespace). Linux must allow user namespaces'
    expect({
      outcomes: [first.outcome, refused.status, refused.reason?.code, later.outcome],
      log: await contentOf(api, projectId, 'log.txt'),
      limits: limits.filter(({ name }) => ['memory', 'processes'].includes(name)).map(({ holds, by }) => [holds, by]),
      reason: refused.reason?.message.includes(why),
      ready: [sandbox.ok, sandbox.detail?.includes(why)],
      status: [status.status, status.stdout.includes(`REFUSES TASKS: ${why}`)],
    }).toEqual({
      outcomes: ['approved', 'failed', 'sandbox_unavailable', 'approved'],
      log: 'first\nlater\n',
      limits: Array(2).fill([true, 'kernel limits for each process and a watchdog, since no cgroup can be had']),
      reason: true,
      ready: [false, true],
      status: [1, true],
    })
  })

  test('a start where no sandbox can be made ends with what to set', async () => {
    setRefusing(true)
    const [code] = (await once(start(), 'exit')) as [number]
    expect([code, told.includes('Linux must allow user namespaces')]).toEqual([1, true])
  })
})

interface Ready {
  readonly sandbox: {
    readonly ok: boolean
    readonly detail?: string
    readonly protections: readonly { readonly name: string; readonly holds: boolean; readonly by?: string }[]
  } | null
}
