import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDb } from '../../../src/db/client.ts'
import { listProjects } from '../../../src/db/project/projects.ts'
import { appendEvents, readEvents } from '../../../src/db/stream/events.ts'
import { inProject, type Tx } from '../../../src/db/transaction.ts'
import type { NewEvent } from '../../../src/events/topics.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aProject } from '../../support/tasks.ts'
import { waitFor } from '../../support/wait-for.ts'

let db: TestDb
let other: TestDb
beforeAll(async () => {
  db = await aDb()
  other = await aDb()
})
afterAll(async () => {
  await db.close()
  await other.close()
})

function anEvent(projectId: string, key: string): NewEvent {
  const scope = { projectId, conversationId: null, taskId: null }
  return { type: 'message.created', key, scope, payload: { messageId: key, role: 'note', text: '' } }
}

async function pidOf(tx: Tx): Promise<number> {
  const [row] = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid', [])
  return row?.pid ?? 0
}

/** As Postgres does it to everybody when it restarts. */
async function terminate(pid: number): Promise<void> {
  await other.pool.query('SELECT pg_terminate_backend($1, 5000)', [pid])
}

describe('a connection that is lost', () => {
  test.each([
    ['between two queries', 'quiet'],
    ['in a query', 'asking'],
  ])('%s rolls everything back, is retryable, and publishes nothing', async (_, when) => {
    const projectId = await aProject(db)
    db.published.length = 0
    const broken = inProject(db, projectId, async (tx) => {
      tx.emit(anEvent(projectId, 'a'))
      await tx.flush()
      await tx.query('UPDATE projects SET name = $2 WHERE id = $1', [projectId, 'half done'])
      const pid = await pidOf(tx)
      const asking = when === 'asking' ? tx.query('SELECT pg_sleep(8)', []) : Promise.resolve([])
      await Promise.all([asking, terminate(pid)])
      await tx.query('SELECT 1', [])
    })
    await expect(broken).rejects.toMatchObject({ code: 'store_unavailable', retryable: true })
    expect(await readEvents(db, { projectId, after: 0, limit: 10 })).toEqual([])
    expect(db.published).toEqual([])
    const { rows } = await db.pool.query('SELECT name FROM projects WHERE id = $1', [projectId])
    expect(rows).toEqual([{ name: 'test' }])
    // The next transaction gets another connection and the number that was not used.
    expect((await appendEvents(db, projectId, [anEvent(projectId, 'b')])).map((event) => event.seq)).toEqual([1])
  })

  test('while idle is replaced, and told to whoever logs it; the process goes on', async () => {
    await Promise.all(Array.from({ length: 5 }, () => db.pool.query('SELECT pg_sleep(0.02)')))
    db.lost.length = 0
    await other.pool.query('SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1', [
      new URL(db.url).pathname.slice(1),
    ])
    await waitFor(() => db.lost.length >= 5, 'the pool noticed')
    expect((await listProjects(db, { limit: 100 })).items.length).toBeGreaterThan(0)
    expect((await db.pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  })
})

test('a store that cannot be reached is store_unavailable for every way of asking', async () => {
  const url = new URL(db.url)
  url.port = '1'
  const onEvents = () => undefined
  const away = createDb({
    url: url.href,
    applicationName: 'keelson-test',
    poolSize: 2,
    onEvents,
    onConnectionError: () => undefined,
  })
  const asked = await Promise.allSettled([
    inProject(away, 'prj_1', () => Promise.resolve()),
    readEvents(away, { projectId: 'prj_1', after: 0, limit: 1 }),
    listProjects(away, { limit: 1 }),
  ])
  await away.close()
  expect(asked).toMatchObject(
    asked.map(() => ({ status: 'rejected', reason: { code: 'store_unavailable', retryAfterMs: 2_000 } })),
  )
})

test('work on one project waits its turn; on another it does not', async () => {
  const [first, second] = [await aProject(db), await aProject(db)]
  const order: string[] = []
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  let isIn = false
  const slow = inProject(db, first, async () => {
    isIn = true
    await held
    order.push('slow')
  })
  await waitFor(() => isIn, 'the first one holds the lock')
  const waiting = inProject(db, first, () => Promise.resolve(order.push('waiting')))
  await inProject(db, second, () => Promise.resolve(order.push('elsewhere')))
  release()
  await Promise.all([slow, waiting])
  expect(order).toEqual(['elsewhere', 'slow', 'waiting'])
})

test('a process that freezes in a transaction does not keep the project for ever', async () => {
  const { rows } = await db.pool.query<{ idle: string; lock: string; statement: string }>(
    `SELECT current_setting('idle_in_transaction_session_timeout') AS idle, current_setting('lock_timeout') AS lock,
       current_setting('statement_timeout') AS statement`,
  )
  expect(rows).toEqual([{ idle: '5s', lock: '8s', statement: '10s' }])
})
