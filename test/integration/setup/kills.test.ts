/** Set-ups whose worker or runner dies: one installation, its output whole, its lock files as they were. */

import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { setUp } from '../../../src/activities/set-up.ts'
import { readSetup, requestSetup } from '../../../src/db/workspace/environments.ts'
import { CRASH_POINTS } from '../../../src/shared/crash-points.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { waitFor } from '../../support/wait-for.ts'
import { type Parts, partsOf } from '../restore/support.ts'
import { aHost } from '../sandbox/support.ts'
import { anAttempt, aTaskToSetUp, dieAt, INSTALL, LOCK, type SetupTask } from './world.ts'

const POINTS = CRASH_POINTS.filter((point) => point.startsWith('setup.'))
const PRINTED = [20_000, 3].map((last) => Array.from({ length: last }, (_, n) => `${n + 1}\n`).join('')).join('')
let db: TestDb
let dir: string
let parts: Parts
beforeAll(async () => {
  db = await aDb()
  dir = await realpath(await mkdtemp(path.join(tmpdir(), 'keelson-setup-')))
  parts = partsOf(db, dir)
}, 60_000)
afterAll(async () => {
  await parts.close()
  await db.close()
  await rm(dir, { recursive: true, force: true, maxRetries: 5 })
})

async function seen(task: SetupTask) {
  const sandbox = await parts.workspaces.open(task.projectId)
  const text = async (file: string) => Buffer.from((await sandbox.read(file)).data).toString()
  const { rows } = await db.pool.query<{ type: string; data: string }>(
    `SELECT type, data FROM events WHERE project_id = $1 AND (type LIKE 'setup.%' OR type LIKE 'command.%') ORDER BY seq`,
    [task.projectId],
  )
  const events = rows.map(({ type, data }): Record<string, unknown> => ({ type, ...JSON.parse(data) }))
  const command = events.find((event) => event['type'] === 'command.finished')
  const finished = events.find((event) => event['type'] === 'setup.finished')
  return {
    begun: await text('begun.log'),
    lock: await text('package-lock.json'),
    events: events.map((event) => event['type']),
    isOutputWhole: Buffer.from(String(command?.['output']), 'base64').toString() === PRINTED,
    state: finished?.['state'],
    restored: finished?.['restored'],
    row: (await readSetup(db, task.projectId)).state,
  }
}

const ONCE = {
  begun: 'begun\n',
  lock: LOCK,
  events: ['setup.started', 'command.started', 'command.finished', 'setup.finished'],
  isOutputWhole: true,
  state: 'ready',
  restored: ['package-lock.json'],
  row: 'ready',
}

test('a worker killed at every instant of a set-up leaves one installation, its output whole, its lock file as it was', {
  timeout: 180_000,
}, async () => {
  const found: Record<string, unknown> = {}
  await Promise.all(
    POINTS.map(async (point) => {
      const task = await aTaskToSetUp(db, parts, INSTALL)
      const signal = await dieAt({ url: db.url, dir }, point, task)
      const { deps, ask } = await anAttempt(db, parts, task, { attempt: 2 })
      await setUp(deps, ask)
      found[point] = { signal, ...(await seen(task)) }
    }),
  )
  const expected = POINTS.map((point) => [point, { signal: 'SIGKILL', ...ONCE }] as const)
  // What was put back before the death is as it was already: nobody tells of it any more.
  const untold = { 'setup.before_finish': { signal: 'SIGKILL', ...ONCE, restored: [] } }
  expect(found).toEqual({ ...Object.fromEntries(expected), ...untold })
})

test('one that failed is not begun again by the same activity, but by the next one and whenever a person asks', async () => {
  const task = await aTaskToSetUp(db, parts, 'echo begun >> begun.log; exit 3')
  const begun: string[] = []
  for (const [attempt, id] of [
    [1, 'set-up/1'],
    [2, 'set-up/1'],
    [1, 'set-up/2'],
  ] as const) {
    const { deps, ask } = await anAttempt(db, parts, task, { attempt, id })
    await setUp(deps, ask)
    begun.push((await seen(task)).begun)
  }
  await requestSetup(db, task.projectId)
  const { deps, ask } = await anAttempt(db, parts, task, { id: 'set-up/2', attempt: 2 })
  await setUp(deps, ask)
  begun.push((await seen(task)).begun)
  expect(begun).toEqual([1, 1, 2, 3].map((times) => 'begun\n'.repeat(times)))
})

test('an installation that died with its runner is run again', { timeout: 60_000 }, async () => {
  const host = aHost()
  const own = partsOf(db, host.dir)
  try {
    const task = await aTaskToSetUp(
      db,
      own,
      'echo begun >> begun.log; [ -e once ] || { touch once; sleep 60; }; echo whole',
    )
    const { deps, ask, sandbox } = await anAttempt(db, own, task)
    const running = setUp(deps, ask)
    const execs = async () => (await sandbox.execs(task.taskId)).filter(({ execId }) => execId.startsWith('setup-'))
    await waitFor(async () => (await sandbox.stat('once')) !== null, 'the installation has begun')
    const [first] = await execs()
    process.kill(host.runnerPid(sandbox.ref, first?.execId ?? ''), 'SIGKILL')
    await running
    const states = (await execs()).map(({ status, exitCode }) => [status, exitCode])
    const { state } = await readSetup(db, task.projectId)
    const begun = Buffer.from((await sandbox.read('begun.log')).data).toString()
    expect({ states, state, begun }).toEqual({
      states: [
        ['lost', null],
        ['exited', 0],
      ],
      state: 'ready',
      begun: 'begun\nbegun\n',
    })
  } finally {
    await own.close()
    await host.close()
  }
})
