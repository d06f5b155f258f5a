import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDb, type Db } from '../../../src/db/client.ts'
import { createProject } from '../../../src/db/project/projects.ts'
import { createSandboxLedger } from '../../../src/db/workspace/sandbox-ledger.ts'
import { listSandboxes } from '../../../src/db/workspace/sandboxes.ts'
import { createWorkspaceRecovery, createWorkspaceStore } from '../../../src/db/workspace/workspace-store.ts'
import { createE2bProvider } from '../../../src/sandbox/e2b/provider.ts'
import { createWorkspaces } from '../../../src/sandbox/workspaces.ts'
import { endStrangers } from '../../../src/worker/janitor.ts'
import { codeOf, run, textOf } from '../../contract/sandbox/harness.ts'
import { aDatabase, type TestDatabase } from '../../support/database.ts'
import { aFakeE2b, FAKE_KEY, fakeUnavailable } from './fake-e2b.ts'

const reason = fakeUnavailable()
const quiet = { info: () => undefined, warn: () => undefined }

describe.skipIf(reason !== null)(`E2B with Postgres as the authority${reason ? ` (${reason})` : ''}`, () => {
  let database: TestDatabase
  let db: Db
  let e2b: Awaited<ReturnType<typeof aFakeE2b>>
  beforeAll(async () => {
    database = await aDatabase()
    db = createDb({
      url: database.url,
      applicationName: 'test',
      poolSize: 8,
      onEvents: () => undefined,
      onConnectionError: () => undefined,
    })
    e2b = await aFakeE2b()
  })
  afterAll(async () => {
    await e2b?.close()
    await db?.close()
    await database?.drop()
  })

  const aProvider = (maxBytes?: number, settings: { giveUpAfterMs?: number } = {}) => {
    const ledger = createSandboxLedger(db, maxBytes)
    const { url } = e2b.fake
    return createE2bProvider({
      ...{ apiKey: FAKE_KEY, apiUrl: url, sandboxUrl: url, ...settings },
      ...{ ledger, store: ledger, logger: quiet },
    })
  }
  /** One process's view of all projects. */
  const aWorker = (maxBytes?: number, settings: { giveUpAfterMs?: number } = {}) => {
    const provider = aProvider(maxBytes, settings)
    const fills: string[] = []
    const workspaces = createWorkspaces({
      store: createWorkspaceStore(db),
      recovery: createWorkspaceRecovery(db),
      provider,
      async fill(projectId, sandbox) {
        fills.push(projectId)
        await sandbox.write([{ path: 'source.txt', data: 'source' }])
      },
    })
    return { provider, workspaces, fills }
  }
  const aProject = async () =>
    (await createProject(db, { name: 'e2b', source: { kind: 'empty' }, sandboxProvider: 'e2b' })).id
  const vmOf = (id: string) => id.split('/').at(-1) ?? ''

  test('three workers that need a project’s VM at once make one and fill it once', async () => {
    const projectId = await aProject()
    const before = e2b.fake.vmIds().length
    const workers = [aWorker(), aWorker(), aWorker()]
    const opened = await Promise.all(workers.map((worker) => worker.workspaces.open(projectId)))
    expect({
      refs: new Set(opened.map((sandbox) => sandbox.ref.id)).size,
      vms: e2b.fake.vmIds().length - before,
      fills: workers.flatMap((worker) => worker.fills),
    }).toEqual({ refs: 1, vms: 1, fills: [projectId] })
  })

  test('a VM whose maker died before recording it is adopted, and what no row knows is ended by the janitor', async () => {
    const projectId = await aProject()
    await createWorkspaceStore(db).touch(projectId)
    // Two processes made one each and died: nothing is recorded.
    const forgetful = () => ({ ...createSandboxLedger(db), claim: async <T>(ref: T) => ref })
    const made = []
    for (let i = 0; i < 2; i++) {
      const ledger = forgetful()
      const { url } = e2b.fake
      const own = createE2bProvider({
        apiKey: FAKE_KEY,
        apiUrl: url,
        sandboxUrl: url,
        ledger,
        store: ledger,
        logger: quiet,
      })
      made.push(await own.ensure({ projectId: i === 0 ? projectId : 'prj_unknown', generation: 1 }))
    }
    const worker = aWorker()
    const sandbox = await worker.workspaces.open(projectId)
    const ended = await endStrangers(db, worker.provider, pino({ level: 'silent' }), 0)
    const left = e2b.fake.vmIds()
    expect({
      adopted: sandbox.ref.id === made[0]?.id,
      ended,
      left: made.map((ref) => left.includes(vmOf(ref.id))),
    }).toEqual({ adopted: true, ended: 1, left: [true, false] })
  })

  test('a lost VM is made anew from the newest checkpoint with its links and modes, and older checkpoints are there too', async () => {
    const projectId = await aProject()
    const { workspaces, fills } = aWorker()
    const sandbox = await workspaces.open(projectId)
    const first = await sandbox.checkpoint()
    await run(sandbox, 'mkdir d; echo two > d/two; chmod +x d/two; ln -s d/two link; rm source.txt')
    const second = await sandbox.checkpoint()
    await run(sandbox, 'echo lost > lost.txt')
    await e2b.fake.lose(vmOf(sandbox.ref.id))
    const again = await aWorker().workspaces.open(projectId)
    const { output } = await run(again, 'ls; readlink link; test -x d/two && echo exec')
    const loss = await db.pool.query('SELECT generation, tree_hash FROM sandbox_losses WHERE project_id = $1', [
      projectId,
    ])
    expect({
      generations: [sandbox.ref.generation, again.ref.generation],
      output,
      tree: await again.checkpoint(),
      changes: (await again.changes(first, second)).map((change) => change.path),
      loss: loss.rows,
      fills,
      lost: await codeOf(sandbox.stat('x')),
    }).toEqual({
      generations: [1, 2],
      output: 'd\nlink\nd/two\nexec\n',
      tree: second,
      changes: ['d/two', 'link', 'source.txt'],
      loss: [{ generation: 1, tree_hash: second }],
      fills: [projectId],
      lost: 'sandbox_gone',
    })
  })

  test('packs stay below their cap: older checkpoints leave them, the newest can still be restored', async () => {
    const projectId = await aProject()
    const { workspaces } = aWorker(100_000)
    const sandbox = await workspaces.open(projectId)
    let tree = ''
    for (let i = 0; i < 4; i++) {
      await run(sandbox, 'head -c 40000 /dev/urandom > data.bin')
      tree = await sandbox.checkpoint()
    }
    const { rows } = await db.pool.query<{ bytes: number }>(
      'SELECT sum(size_bytes)::int AS bytes FROM sandbox_checkpoints WHERE project_id = $1',
      [projectId],
    )
    await e2b.fake.lose(vmOf(sandbox.ref.id))
    const again = await aWorker(100_000).workspaces.open(projectId)
    expect([(rows[0]?.bytes ?? 0) <= 100_000, await again.checkpoint()]).toEqual([true, tree])
  })

  test('a VM that cannot be reached is never replaced, and given up after a while', async () => {
    const projectId = await aProject()
    const { workspaces } = aWorker(undefined, { giveUpAfterMs: 0 })
    const sandbox = await workspaces.open(projectId)
    await sandbox.checkpoint()
    await sandbox.write([{ path: 'unsaved.txt', data: 'x' }])
    e2b.fake.trouble = { api: 'cut', vm: 'cut' }
    const first = await sandbox.stat('unsaved.txt').catch((error: unknown) => error)
    const second = await aWorker()
      .workspaces.open(projectId)
      .catch((error: unknown) => error)
    e2b.fake.trouble = { api: null, vm: null }
    expect([first, second, await textOf(await aWorker().workspaces.open(projectId), 'unsaved.txt')]).toEqual([
      expect.objectContaining({ code: 'sandbox_unreachable', details: { final: true } }),
      expect.objectContaining({ code: 'sandbox_unreachable', details: undefined }),
      'x',
    ])
  })

  test('the ledger names every sandbox with its owner', async () => {
    const { deployment, records } = await listSandboxes(db)
    expect([deployment.length, records.every((record) => record.provider === 'e2b' && record.ref !== null)]).toEqual([
      36,
      true,
    ])
  })
})
