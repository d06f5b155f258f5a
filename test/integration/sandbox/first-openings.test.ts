/** Many new projects at once, over a small pool: nobody waits for a connection while files are brought in. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Db } from '../../../src/db/client.ts'
import { createProject, listProjects } from '../../../src/db/project/projects.ts'
import { listSandboxes } from '../../../src/db/workspace/sandboxes.ts'
import { createWorkspaceStore } from '../../../src/db/workspace/workspace-store.ts'
import { createSandboxProvider } from '../../../src/sandbox/create.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import type { FillControl } from '../../../src/sandbox/workspaces.ts'
import { createWorkspaces } from '../../../src/sandbox/workspaces.ts'
import { AppError } from '../../../src/shared/errors.ts'
import { aDb } from '../../support/database.ts'
import { waitFor } from '../../support/wait-for.ts'

const silent = { info: () => undefined, warn: () => undefined }
let db: Db
let dir: string
beforeAll(async () => {
  db = await aDb({ poolSize: 2 })
  dir = await mkdtemp(join(tmpdir(), 'keelson-openings-'))
})
afterAll(async () => {
  await db?.close()
  await rm(dir, { recursive: true, force: true })
})

type Fill = (projectId: string, sandbox: Sandbox, control: FillControl) => Promise<void>

/** What one process builds. */
function aProcess(fill: Fill, patienceMs = 60_000) {
  const provider = createSandboxProvider({ kind: 'local-bwrap', dir, logger: silent, runnerIdleMs: 5_000 })
  return createWorkspaces({ provider, store: createWorkspaceStore(db), fill, patienceMs })
}
const aProject = async () =>
  (await createProject(db, { name: 'new', source: { kind: 'empty' }, sandboxProvider: 'local-bwrap' })).id
const rowOf = async (projectId: string) =>
  (await listSandboxes(db)).records
    .filter((row) => row.projectId === projectId)
    .map(({ generation, filled }) => ({ generation, filled }))[0]
/** A gate that work waits at. */
function aGate() {
  let open = () => {}
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { passed, open: () => open() }
}

test('fifty new projects opened in two processes at once over two connections each: all filled once, at most four at a time', async () => {
  const now = { filling: 0, most: 0, fills: 0 }
  const fill: Fill = (_, sandbox, control) =>
    control.inTurn(async () => {
      now.fills += 1
      now.filling += 1
      now.most = Math.max(now.most, now.filling)
      for (let i = 0; i < 3; i++) {
        control.check()
        await sandbox.write([{ path: `${i}.txt`, data: String(i) }])
      }
      await listProjects(db, { limit: 1 })
      now.filling -= 1
    })
  const one = aProcess(fill)
  const two = aProcess(() => Promise.reject(new Error('filled by another process')))
  const projects = await Promise.all(Array.from({ length: 50 }, aProject))
  const opened = await Promise.all(projects.flatMap((id) => [one.open(id), one.open(id)]))
  const again = await Promise.all(projects.map((id) => two.open(id)))
  expect({
    sandboxes: new Set([...opened, ...again].map(({ ref }) => ref.id)).size,
    fills: now.fills,
    atOnce: now.most <= 4,
  }).toEqual({ sandboxes: 50, fills: 50, atOnce: true })
})

test('a slow source keeps neither connections nor other requests, and whoever waits is told a true sentence', async () => {
  const gate = aGate()
  let isFilling = false
  const filling = aProcess(() => {
    isFilling = true
    return gate.passed
  }, 150)
  const other = aProcess(() => Promise.reject(new Error('filled twice')), 150)
  const projectId = await aProject()
  const first = filling.open(projectId)
  first.catch(() => undefined) // looked at below
  await waitFor(() => isFilling, 'the first one fills')
  const told = await Promise.allSettled([first, other.open(projectId)])
  const projects = await listProjects(db, { limit: 1 })
  gate.open()
  const sandbox = await waitFor(() => filling.open(projectId).catch(() => undefined), 'the work went on')
  const sentence = 'The project’s files are still being brought in. Try again in a moment.'
  expect({ told, answered: projects.items.length, sandbox: sandbox.ref.generation }).toMatchObject({
    told: [0, 1].map(() => ({ reason: { code: 'sandbox_busy', message: sentence, retryAfterMs: 2_000 } })),
    answered: 1,
    sandbox: 1,
  })
})

test('a source that cannot be brought in leaves no half-made files to the next attempt', async () => {
  const projectId = await aProject()
  const failing = aProcess(async (_, sandbox) => {
    await sandbox.write([{ path: 'half.txt', data: 'x' }])
    throw new AppError('project_source_failed', 'It is too large.')
  })
  await expect(failing.open(projectId)).rejects.toMatchObject({ code: 'project_source_failed' })
  const existing = await failing.openExisting(projectId)
  const sandbox = await aProcess((_, each) => each.write([{ path: 'whole.txt', data: 'y' }])).open(projectId)
  const { entries } = await sandbox.list('', { depth: 1, limit: 10 })
  expect({ existing, files: entries.map(({ name }) => name), row: await rowOf(projectId) }).toEqual({
    existing: null,
    files: ['whole.txt'],
    row: { generation: 2, filled: true },
  })
})

test('a process that slept while another took over writes into nothing that anybody sees, and records nothing', async () => {
  const projectId = await aProject()
  const gate = aGate()
  let writing = false
  let late: unknown
  const sleeper = aProcess(async (_, sandbox, control) => {
    await sandbox.write([{ path: 'early.txt', data: 'x' }])
    writing = true
    await gate.passed
    // Woken between its question and its write: worst case.
    late = await sandbox.write([{ path: 'whole.txt', data: 'from the sleeper' }]).catch((error: unknown) => error)
    control.check()
  })
  const sleeping = sleeper.open(projectId)
  await waitFor(() => writing, 'the first one writes')
  // What its sleep does: the lease runs out and is taken.
  await db.pool.query('DELETE FROM project_locks WHERE project_id = $1', [projectId])
  const awake = await aProcess((_, each) => each.write([{ path: 'whole.txt', data: 'mine' }])).open(projectId)
  gate.open()
  await expect(sleeping).rejects.toMatchObject({ retryable: true })
  const { entries } = await awake.list('', { depth: 1, limit: 10 })
  const { data } = await awake.read('whole.txt')
  expect({
    files: entries.map(({ name }) => name),
    text: Buffer.from(data).toString(),
    lateFailed: late instanceof Error,
    row: await rowOf(projectId),
  }).toEqual({ files: ['whole.txt'], text: 'mine', lateFailed: true, row: { generation: 2, filled: true } })
})
