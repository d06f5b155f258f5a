/** What a set-up installed, kept and brought back: by the next sandbox of the project, by its forks, and never by others. */

import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { setUp } from '../../../src/activities/set-up.ts'
import { readSetup, requestSetup, saveEnvironment } from '../../../src/db/workspace/environments.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import type { EnvironmentBody } from '../../../src/shared/environment.ts'
import { runExec } from '../../../src/tools/exec.ts'
import { aProject, post } from '../../support/tasks.ts'
import { aFilledSandbox, aSetupBench, endTask, setUpAsTask } from './set-up-bench.ts'
import { anAttempt, dieAt, type SetupTask } from './world.ts'

const bench = aSetupBench()

/** A workspace of two packages, whose installation needs no registry. */
const FILES: Readonly<Record<string, string>> = {
  'package.json':
    '{"name":"root","private":true,"workspaces":["packages/*"],"scripts":{"postinstall":"echo x >> ran"}}',
  'package-lock.json': JSON.stringify({
    name: 'root',
    lockfileVersion: 3,
    requires: true,
    packages: {
      '': { name: 'root', workspaces: ['packages/*'] },
      'node_modules/a': { resolved: 'packages/a', link: true },
      'packages/a': { version: '1.0.0' },
    },
  }),
  'packages/a/package.json':
    '{"name":"a","version":"1.0.0","scripts":{"postinstall":"mkdir -p node_modules && echo built > node_modules/built"}}',
}

const OPEN: EnvironmentBody = {
  network: { policy: 'none', hosts: [] },
  setup: { enabled: true, commands: [] },
  variables: [],
  services: [],
}

interface Place {
  readonly projectId: string
  readonly sandbox: Sandbox
}

/** A sandbox of a project that holds these files, of the generation that is named. */
async function aPlace(projectId: string, generation = 1, files = FILES): Promise<Place> {
  const sandbox = await aFilledSandbox(bench, { projectId, generation }, files)
  return { projectId, sandbox }
}

async function aNewProject(body: Partial<EnvironmentBody> = {}): Promise<string> {
  const projectId = await aProject(bench.db)
  await saveEnvironment(bench.db, projectId, 0, { ...OPEN, ...body })
  return projectId
}

/** Sets the place up as a task of its own and says what happened. */
async function setUpIn({ projectId, sandbox }: Place) {
  return await whatHappened(await setUpAsTask(bench, projectId, sandbox))
}

/** Ends the task, too. */
async function whatHappened({ projectId, taskId }: SetupTask) {
  const { rows } = await bench.db.pool.query<{ type: string; data: string }>(
    `SELECT type, data FROM events WHERE task_id = $1 AND (type LIKE 'setup.%' OR type = 'command.started') ORDER BY seq`,
    [taskId],
  )
  await endTask(bench.db, { projectId, taskId })
  const last: Record<string, unknown> = JSON.parse(rows.at(-1)?.data ?? '{}')
  const { state, fromCache } = await readSetup(bench.db, projectId)
  return {
    types: rows.map(({ type }) => type),
    state,
    fromCache,
    told: last['fromCache'] ?? false,
    output: last['output'],
  }
}

const RAN = {
  types: ['setup.started', 'command.started', 'setup.finished'],
  state: 'ready',
  fromCache: false,
  told: false,
  output: '',
}
const RESTORED = {
  types: ['setup.started', 'setup.finished'],
  state: 'ready',
  fromCache: true,
  told: true,
  output: expect.stringMatching(
    /^restored from cache: node_modules packages\/a\/node_modules \(\d+ files and directories\)$/,
  ),
}

let runs = 0
async function out(sandbox: Sandbox, sh: string): Promise<string> {
  const { head } = await runExec(
    sandbox,
    { execId: `out-${++runs}`, taskId: 'test', argv: { sh }, timeoutMs: 20_000, network: true },
    { signal: new AbortController().signal, shouldKill: () => true, headBytes: 64_000, tailBytes: 0 },
  )
  return Buffer.from(head).toString()
}

const INSTALLED = 'find . -name .git -prune -o -path "*node_modules*" -printf "%p %y %m %l\\n" | LC_ALL=C sort'
const keptOf = (projectId: string): string[] => {
  const dir = path.join(bench.host.dir, 'kept', projectId)
  return existsSync(dir) ? readdirSync(dir) : []
}

describe('what a detected set-up installed', () => {
  test('comes back whole in a new sandbox of the project and in a fork of a fork, without the installer', async () => {
    const projectId = await aNewProject()
    const first = await aPlace(projectId)
    const ran = await setUpIn(first)
    const installed = await out(first.sandbox, INSTALLED)
    const second = await aPlace(projectId, 2)
    const again = await setUpIn(second)
    const fork = await aProject(bench.db, { kind: 'fork', checkpointId: 'ckp_1', projectId })
    const forkOfFork = await aProject(bench.db, { kind: 'fork', checkpointId: 'ckp_2', projectId: fork })
    await saveEnvironment(bench.db, forkOfFork, 0, OPEN)
    const third = await aPlace(forkOfFork)
    const forked = await setUpIn(third)
    expect({ ran, again, forked }).toEqual({ ran: RAN, again: RESTORED, forked: RESTORED })
    expect(installed).toContain('node_modules/built f')
    expect(await out(second.sandbox, INSTALLED)).toBe(installed)
    expect(await out(third.sandbox, INSTALLED)).toBe(installed)
    expect(await out(third.sandbox, 'ls -A; node -p "require.resolve(\'a/package.json\')"')).toBe(
      'node_modules\npackage-lock.json\npackage.json\npackages\n/workspace/packages/a/package.json\n',
    )
  })

  test('is no project’s that was not forked from it, and none when a lock file, a manifest or a variable differs', async () => {
    const projectId = await aNewProject()
    await setUpIn(await aPlace(projectId))
    const stranger = await setUpIn(await aPlace(await aNewProject()))
    const lock = { ...FILES, 'package-lock.json': `${FILES['package-lock.json']}\n` }
    const otherLock = await setUpIn(await aPlace(projectId, 2, lock))
    const back = await setUpIn(await aPlace(projectId, 3))
    await saveEnvironment(bench.db, projectId, 1, { ...OPEN, variables: [{ name: 'MODE', value: 'x' }] })
    const otherVariable = await setUpIn(await aPlace(projectId, 4))
    expect({ stranger, otherLock, back, otherVariable }).toEqual({
      stranger: RAN,
      otherLock: RAN,
      back: RESTORED,
      otherVariable: RAN,
    })
  })

  test('takes the place of what lies there, and of nothing else', async () => {
    const projectId = await aNewProject()
    const place = await aPlace(projectId)
    await setUpIn(place)
    const installed = await out(place.sandbox, INSTALLED)
    const lock = FILES['package-lock.json'] ?? ''
    await place.sandbox.write([{ path: 'package-lock.json', data: `${lock}\n` }])
    await setUpIn(place)
    await out(place.sandbox, 'mkdir -p lib other/node_modules; echo mine > lib/a; echo spoiled > node_modules/spoiled')
    await place.sandbox.write([{ path: 'package-lock.json', data: lock }])
    expect(await setUpIn(place)).toEqual(RESTORED)
    expect(await out(place.sandbox, `${INSTALLED}; cat lib/a`)).toBe(`${installed}mine\n`)
  })
})

test('a worker killed while it comes back leaves it whole, told once, and no installer ran', {
  timeout: 120_000,
}, async () => {
  const projectId = await aNewProject()
  const place = await aPlace(projectId)
  const lock = FILES['package-lock.json'] ?? ''
  await setUpIn(place)
  const installed = await out(place.sandbox, INSTALLED)
  const found: unknown[] = []
  for (const point of ['setup.told', 'setup.before_finish', 'setup.finished']) {
    await place.sandbox.write([{ path: 'package-lock.json', data: `${lock}\n` }])
    await setUpIn(place)
    await place.sandbox.write([{ path: 'package-lock.json', data: lock }])
    const task = { projectId, taskId: (await post(bench.db, { projectId })).taskId }
    const signal = await dieAt({ url: bench.db.url, dir: bench.host.dir }, point, task)
    const { deps, ask } = await anAttempt(bench.db, bench.parts, task, { attempt: 2 })
    await setUp(deps, ask)
    found.push([signal, await whatHappened(task), (await out(place.sandbox, INSTALLED)) === installed])
  }
  expect(found).toEqual([1, 2, 3].map(() => ['SIGKILL', RESTORED, true]))
})

describe('nothing is taken in place of a run', () => {
  test('that a person asked for, of a person’s command, where git tracks what is installed, or a task’s commands installed before', async () => {
    const projectId = await aNewProject()
    const place = await aPlace(projectId)
    await setUpIn(place)
    await requestSetup(bench.db, projectId)
    const asked = await setUpIn(place)
    const own = await aNewProject({
      setup: { enabled: true, commands: [{ name: 'npm ci', command: 'mkdir -p node_modules' }] },
    })
    await setUpIn(await aPlace(own))
    const tracking = await aNewProject()
    const tracked = await aPlace(tracking)
    await out(
      tracked.sandbox,
      'mkdir node_modules; echo x > node_modules/x; git init -q .; git add -f . ; git commit -qm x',
    )
    await setUpIn(tracked)
    const spoiled = await aNewProject()
    const python = { 'requirements.txt': '# nothing\n' }
    const before = await aPlace(spoiled, 1, python)
    await out(before.sandbox, 'python3 -m venv .venv; echo x > .venv/x')
    await setUpIn(before)
    const fresh = await setUpIn(await aPlace(spoiled, 2, python))
    expect({ fresh, kept: keptOf(spoiled).length }).toEqual({ fresh: RAN, kept: 1 })
    expect({ asked, own: keptOf(own), tracked: keptOf(tracking), kept: keptOf(projectId).length }).toEqual({
      asked: RAN,
      own: [],
      tracked: [],
      kept: 1,
    })
  })

  test('when what was kept is not whole: the installer runs, nothing half stays, and it is kept anew', async () => {
    const projectId = await aNewProject()
    const first = await aPlace(projectId)
    await setUpIn(first)
    const installed = await out(first.sandbox, INSTALLED)
    const [key = ''] = keptOf(projectId)
    writeFileSync(path.join(bench.host.dir, 'kept', projectId, key, 'entries'), '1\n')
    const second = await aPlace(projectId, 2)
    const ran = await setUpIn(second)
    const seen = await out(second.sandbox, `${INSTALLED}; ls -A .cache 2>&1`)
    const third = await setUpIn(await aPlace(projectId, 3))
    expect({ ran, seen, third }).toEqual({
      ran: RAN,
      seen: `${installed}${await out(second.sandbox, 'ls -A .cache 2>&1')}`,
      third: RESTORED,
    })
    expect(await second.sandbox.stat('.cache/keelson-set-up')).toBe(null)
  })
})

describe('what is kept', () => {
  test('is seen by no command of the project, goes after 14 days, and with the project', async () => {
    const projectId = await aNewProject()
    const { sandbox } = await aPlace(projectId)
    await setUpIn({ projectId, sandbox })
    expect(await out(sandbox, 'ls /run/kept 2>&1; ls -A ~/.cache | grep -c kept')).toMatch(/No such file.*\n0\n$/)
    const [key = ''] = keptOf(projectId)
    const dir = path.join(bench.host.dir, 'kept', projectId)
    mkdirSync(path.join(dir, 'part-x'))
    const long = new Date(Date.now() - 15 * 24 * 3_600_000)
    for (const name of [key, 'part-x']) utimesSync(path.join(dir, name), long, long)
    await bench.parts.provider.prune(3_600_000, async () => new Set())
    const pruned = keptOf(projectId)
    await requestSetup(bench.db, projectId)
    await setUpIn({ projectId, sandbox })
    const again = keptOf(projectId)
    const next = await aPlace(projectId, 2)
    await bench.parts.provider.destroy(sandbox.ref)
    const afterFirst = keptOf(projectId)
    await bench.parts.provider.destroy(next.sandbox.ref)
    expect({ pruned, again, afterFirst, isThere: existsSync(dir) }).toEqual({
      ...{ pruned: [], again: [key], afterFirst: [key] },
      isThere: false,
    })
  })

  test('stays within what a project’s may come to: older ones go, larger ones are not kept', async () => {
    const small = bench.host.provider({ keptBytes: 1_500_000 })
    const projectId = await aNewProject()
    await bench.parts.workspaces.open(projectId)
    const ref = await small.ensure({ projectId, generation: 1 })
    const sandbox = await small.open(ref)
    const place = { projectId, sandbox }
    const write = async (nth: number, kib: number) => {
      const postinstall = `mkdir -p node_modules && head -c ${kib}k /dev/urandom > node_modules/big`
      const files = {
        ...FILES,
        'package.json': JSON.stringify({
          name: 'root',
          private: true,
          workspaces: ['packages/*'],
          version: `1.0.${nth}`,
          scripts: { postinstall },
        }),
      }
      await sandbox.write(Object.entries(files).map(([file, data]) => ({ path: file, data })))
      return await setUpIn(place)
    }
    const states: unknown[] = []
    for (const [nth, kib] of [
      [1, 600],
      [2, 600],
      [3, 600],
      [4, 4_000],
    ] as const) {
      const { state } = await write(nth, kib)
      states.push([state, keptOf(projectId).length])
    }
    expect(states).toEqual([
      ['ready', 1],
      ['ready', 2],
      ['ready', 2],
      ['ready', 2],
    ])
  })

  test('cannot be written by another project’s commands', async () => {
    const projectId = await aNewProject()
    const { sandbox } = await aPlace(projectId)
    await setUpIn({ projectId, sandbox })
    const other = await aPlace(await aNewProject())
    const refused = await other.sandbox.start({
      ...{ execId: 'w', taskId: 'test', argv: ['true'], timeoutMs: 5_000 },
      kept: { projectId, write: true },
    })
    const spec = { execId: 'r', taskId: 'test', argv: { sh: 'touch /run/kept/x' }, timeoutMs: 5_000 }
    await other.sandbox.start({ ...spec, kept: { projectId, write: false } })
    const read = await other.sandbox.poll('r', { cursor: Number.MAX_SAFE_INTEGER, maxBytes: 0, waitMs: 5_000 })
    expect([refused.exitCode, refused.reason, read.state.exitCode]).toEqual([
      127,
      'It could not be started: kept: what another project keeps can only be read',
      1,
    ])
  })
})
