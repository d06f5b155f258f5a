import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { requestCancel } from '../../../src/db/task/lifecycle.ts'
import { deferOutbox, finishOutbox, type OutboxEntry, pruneOutbox, takeOutbox } from '../../../src/db/task/outbox.ts'
import { raiseBudget, requestContext } from '../../../src/db/task/requests.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aProject, post } from '../../support/tasks.ts'
import { waitFor } from '../../support/wait-for.ts'

let db: TestDb
beforeAll(async () => {
  db = await aDb()
})
afterAll(() => db.close())
beforeEach(async () => {
  await db.pool.query('DELETE FROM outbox')
})

const take = (overrides: Partial<Parameters<typeof takeOutbox>[1]> = {}) =>
  takeOutbox(db, { limit: 10, holdMs: 60_000, ...overrides })
const kinds = (entries: readonly OutboxEntry[]) => entries.map((entry) => entry.kind)

async function finishAll(entries: readonly OutboxEntry[]): Promise<void> {
  for (const entry of entries) await finishOutbox(db, entry.id)
}

describe('takeOutbox', () => {
  test('gives a task’s start before its signals, which wait until the start is done', async () => {
    const { projectId, taskId } = await post(db, { projectId: await aProject(db) })
    await post(db, { projectId })
    await requestCancel(db, taskId, { by: 'user', reason: 'stop' })
    const first = await take()
    expect([kinds(first), kinds(await take())]).toEqual([['start'], []])
    await finishAll(first)
    const rest: OutboxEntry[] = []
    for (let i = 0; i < 3; i++) {
      const some = await take()
      rest.push(...some)
      await finishAll(some)
    }
    expect(rest.map(({ kind, payload }) => [kind, payload])).toEqual([
      ['wake', {}],
      ['cancel', { by: 'user', reason: 'stop' }],
    ])
  })

  test.each([
    ['the same time', '0 ms'],
    ['an earlier time, since its transaction began first and waited for the lock', '-5 ms'],
  ])('gives the start first also when a signal carries %s', async (_, shift) => {
    const { projectId, taskId } = await post(db, { projectId: await aProject(db) })
    await post(db, { projectId })
    await db.pool.query(
      `UPDATE outbox SET created_at = (SELECT created_at FROM outbox WHERE task_id = $1 AND kind = 'start') + $2::interval
       WHERE task_id = $1 AND kind = 'wake'`,
      [taskId, shift],
    )
    const first = await take()
    await finishAll(first)
    const second = await take()
    await finishAll(second)
    expect([kinds(first), kinds(second), await take()]).toEqual([['start'], ['wake'], []])
  })

  test('two takers at once never get the same entry', async () => {
    const tasks = await Promise.all(Array.from({ length: 40 }, async () => post(db, { projectId: await aProject(db) })))
    const taken: OutboxEntry[] = []
    const taker = async () => {
      for (;;) {
        const some = await take({ limit: 3 })
        if (some.length === 0) return
        taken.push(...some)
        await finishAll(some)
      }
    }
    await Promise.all([taker(), taker(), taker(), taker()])
    // Skipped rows may be locked by a taker that gave up meanwhile: what is left, one more gets.
    await taker()
    expect(taken.map((entry) => entry.taskId).sort()).toEqual(tasks.map((task) => task.taskId).sort())
    expect(taken.every((entry) => entry.attempts === 1)).toBe(true)
  })

  test('gives what a killed taker held to the next one, once the hold has ended', async () => {
    const { taskId } = await post(db, { projectId: await aProject(db) })
    expect(await take({ holdMs: 150 })).toMatchObject([{ taskId, attempts: 1 }])
    expect(await take()).toEqual([])
    const again = await waitFor(async () => {
      const entries = await take()
      return entries.length > 0 && entries
    }, 'the hold has ended')
    expect(again).toMatchObject([{ taskId, kind: 'start', attempts: 2 }])
    await finishAll(again)
    expect(await take()).toEqual([])
  })

  test('leaves a deferred entry until its time, and its task’s later ones with it', async () => {
    const { projectId } = await post(db, { projectId: await aProject(db) })
    await post(db, { projectId })
    const [start] = await take()
    await deferOutbox(db, start?.id ?? '', { delayMs: 120, lastError: 'x'.repeat(2_000) })
    expect(await take()).toEqual([])
    const again = await waitFor(async () => {
      const entries = await take()
      return entries.length > 0 && entries
    }, 'the delay has passed')
    expect(again).toMatchObject([{ kind: 'start', attempts: 2 }])
    const { rows } = await db.pool.query('SELECT length(last_error) AS length FROM outbox WHERE id = $1', [start?.id])
    expect(rows).toEqual([{ length: 500 }])
  })

  test('one task that cannot be sent does not hold up another', async () => {
    const stuck = await post(db, { projectId: await aProject(db) })
    expect(await take()).toHaveLength(1)
    const other = await post(db, { projectId: await aProject(db) })
    expect((await take()).map((entry) => entry.taskId)).toEqual([other.taskId])
    expect(stuck.taskId).not.toBe(other.taskId)
  })

  test('can be narrowed to one task, and is capped', async () => {
    const tasks = await Promise.all(Array.from({ length: 4 }, async () => post(db, { projectId: await aProject(db) })))
    const taskId = tasks[2]?.taskId
    expect((await take({ taskId })).map((entry) => entry.taskId)).toEqual([taskId])
    expect(await take({ limit: 2 })).toHaveLength(2)
  })
})

test('a context is asked of the running task, or made alone when none runs', async () => {
  const projectId = await aProject(db)
  expect(await requestContext(db, projectId, 'user')).toMatchObject({ taskId: null })
  expect(await take()).toMatchObject([{ kind: 'refresh', projectId, taskId: null }])
  const { taskId } = await post(db, { projectId })
  await finishAll(await take())
  expect(await requestContext(db, projectId, 'user')).toMatchObject({ taskId })
  expect(await take()).toMatchObject([{ kind: 'regenerate', taskId, payload: { by: 'user' } }])
})

test('a larger budget wakes the task that runs, and only that', async () => {
  const projectId = await aProject(db)
  const running = await post(db, { projectId, budget: { maxUsd: 1, maxTurns: 10 } })
  const waiting = await post(db, { projectId, newConversation: true })
  await finishAll(await take())
  expect(await raiseBudget(db, running.taskId, { maxUsd: 2 })).toMatchObject({ maxUsd: 2, maxTurns: 10 })
  expect(await raiseBudget(db, waiting.taskId, { maxTurns: 5 })).toMatchObject({ maxUsd: null, maxTurns: 5 })
  expect(await take()).toMatchObject([{ kind: 'wake', taskId: running.taskId }])
})

test('what was done is forgotten after a day, what was not is kept', async () => {
  await post(db, { projectId: await aProject(db) })
  const [entry] = await take()
  await finishOutbox(db, entry?.id ?? '')
  await finishOutbox(db, entry?.id ?? '')
  await post(db, { projectId: await aProject(db) })
  await db.pool.query(`UPDATE outbox SET created_at = now() - interval '3 days'`)
  await pruneOutbox(db)
  const left = async () => (await db.pool.query('SELECT 1 FROM outbox')).rowCount
  expect(await left()).toBe(2)
  await db.pool.query(`UPDATE outbox SET done_at = now() - interval '25 hours' WHERE done_at IS NOT NULL`)
  await pruneOutbox(db)
  expect(await left()).toBe(1)
})
