import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { getProject } from '../../../src/db/project/projects.ts'
import { readEvents } from '../../../src/db/stream/events.ts'
import { closeTask, requestCancel } from '../../../src/db/task/lifecycle.ts'
import { takeOutbox } from '../../../src/db/task/outbox.ts'
import { getTask } from '../../../src/db/task/tasks.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aProject, framesOf, post, takeOver } from '../../support/tasks.ts'

let db: TestDb
beforeAll(async () => {
  db = await aDb()
})
afterAll(() => db.close())

async function count(table: 'messages' | 'tasks' | 'outbox' | 'conversations', projectId: string): Promise<number> {
  const { rows } = await db.pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table} WHERE project_id = $1`, [
    projectId,
  ])
  return rows[0]?.n ?? -1
}

async function counts(projectId: string): Promise<Record<string, number>> {
  return {
    messages: await count('messages', projectId),
    tasks: await count('tasks', projectId),
    outbox: await count('outbox', projectId),
    conversations: await count('conversations', projectId),
  }
}

describe('a first message', () => {
  test('makes conversation, message, task and outbox row at once, and is told from its cursor on', async () => {
    const projectId = await aProject(db)
    const accepted = await post(db, { projectId, text: 'Fix the test\nplease', clientMessageId: 'c1' })
    expect(await counts(projectId)).toEqual({ messages: 1, tasks: 1, outbox: 1, conversations: 1 })
    const { conversationId, taskId, messageId } = accepted
    expect(accepted).toMatchObject({ projectId, joined: false, duplicate: false, cursor: 0 })
    const events = await readEvents(db, { projectId, after: accepted.cursor, limit: 100 })
    expect(accepted.events).toEqual(events)
    const scope = { v: 1, projectId, conversationId, taskId, at: expect.any(Number) as number }
    expect(framesOf(events)).toEqual([
      { ...scope, type: 'task.accepted', seq: 1, messageId, joined: false },
      {
        ...scope,
        type: 'message.created',
        seq: 2,
        messageId,
        role: 'user',
        text: 'Fix the test\nplease',
        clientMessageId: 'c1',
      },
    ])
    expect((await getProject(db, projectId)).activeTaskId).toBe(taskId)
    expect(await takeOutbox(db, { limit: 10, holdMs: 1_000, taskId })).toMatchObject([{ kind: 'start', taskId }])
  })

  test('is published after its commit, as it was stored', async () => {
    const projectId = await aProject(db)
    db.published.length = 0
    const { events } = await post(db, { projectId })
    expect(db.published).toEqual(events)
  })

  test('names no limit: the server gives its own, and those that the message names win', async () => {
    const defaultBudget = { maxUsd: 5, maxTurns: 200 }
    const projectId = await aProject(db)
    const { taskId } = await post(db, { projectId, defaultBudget, budget: { maxTurns: 3, maxMinutes: 1.5 } })
    expect(await getTask(db, taskId)).toMatchObject({ maxUsd: 5, maxTurns: 3, maxMinutes: 1.5 })
  })

  test('to a project that does not exist, or was deleted, is not_found and stores nothing', async () => {
    await expect(post(db, { projectId: 'prj_none' })).rejects.toMatchObject({ code: 'not_found' })
    const projectId = await aProject(db)
    await db.pool.query('UPDATE projects SET deleted_at = now() WHERE id = $1', [projectId])
    await expect(post(db, { projectId })).rejects.toMatchObject({ code: 'not_found' })
    expect(await counts(projectId)).toEqual({ messages: 0, tasks: 0, outbox: 0, conversations: 0 })
  })
})

describe('clientMessageId', () => {
  test('50 parallel posts with one id are one message, one task, the same ids', async () => {
    const projectId = await aProject(db)
    const posts = await Promise.all(Array.from({ length: 50 }, () => post(db, { projectId, clientMessageId: 'same' })))
    expect(await counts(projectId)).toEqual({ messages: 1, tasks: 1, outbox: 1, conversations: 1 })
    const ids = posts.map(({ messageId, taskId, conversationId, cursor }) =>
      JSON.stringify({ messageId, taskId, conversationId, cursor }),
    )
    expect([new Set(ids).size, posts.filter((it) => !it.duplicate).length]).toEqual([1, 1])
    expect((await readEvents(db, { projectId, after: 0, limit: 100 })).length).toBe(2)
  })

  test('the same id with another text or another conversation is a mismatch', async () => {
    const projectId = await aProject(db)
    const first = await post(db, { projectId, clientMessageId: 'c1', text: 'one' })
    const other = await post(db, { projectId, newConversation: true })
    const { conversationId } = other
    await expect(post(db, { projectId, clientMessageId: 'c1', text: 'two' })).rejects.toMatchObject({
      code: 'idempotency_mismatch',
    })
    await expect(post(db, { projectId, clientMessageId: 'c1', text: 'one', conversationId })).rejects.toMatchObject({
      code: 'idempotency_mismatch',
    })
    // The newest conversation is another one meanwhile, and still it is the same message.
    expect(await post(db, { projectId, clientMessageId: 'c1', text: 'one' })).toMatchObject({
      messageId: first.messageId,
      duplicate: true,
    })
  })

  test('is unique per project, not beyond', async () => {
    const [a, b] = [await aProject(db), await aProject(db)]
    const first = await post(db, { projectId: a, clientMessageId: 'c1', text: 'one' })
    const second = await post(db, { projectId: b, clientMessageId: 'c1', text: 'two' })
    expect(second.duplicate).toBe(false)
    expect(second.messageId).not.toBe(first.messageId)
  })
})

describe('conversations', () => {
  test('one of another project is not_found, and nothing is stored', async () => {
    const [a, b] = [await aProject(db), await aProject(db)]
    const { conversationId } = await post(db, { projectId: a })
    await expect(post(db, { projectId: b, conversationId })).rejects.toMatchObject({ code: 'not_found' })
    expect(await counts(b)).toEqual({ messages: 0, tasks: 0, outbox: 0, conversations: 0 })
  })

  test('left out, the newest one is meant', async () => {
    const projectId = await aProject(db)
    await post(db, { projectId })
    const { conversationId } = await post(db, { projectId, newConversation: true })
    expect((await post(db, { projectId })).conversationId).toBe(conversationId)
  })
})

describe('a message while a task is there', () => {
  test.each(['accepted', 'running', 'needs_budget'])('joins one that is %s and wakes it', async (status) => {
    const projectId = await aProject(db)
    const first = await post(db, { projectId })
    await db.pool.query('UPDATE tasks SET status = $2 WHERE id = $1', [first.taskId, status])
    const second = await post(db, { projectId, delivery: 'queue' })
    expect(second).toMatchObject({ taskId: first.taskId, joined: true, cursor: 2 })
    const { messageId } = second
    expect(framesOf(second.events)).toMatchObject([
      { type: 'task.accepted', messageId, joined: true },
      { type: 'message.created', messageId },
      { type: 'message.queued', messageId, delivery: 'queue' },
    ])
    const { rows } = await db.pool.query('SELECT kind FROM outbox WHERE project_id = $1 ORDER BY id', [projectId])
    expect(rows).toEqual([{ kind: 'start' }, { kind: 'wake' }])
  })

  test('of another conversation waits for it, visibly, and for the last one that waits', async () => {
    const projectId = await aProject(db)
    const first = await post(db, { projectId })
    const second = await post(db, { projectId, newConversation: true })
    const third = await post(db, { projectId, newConversation: true })
    expect(framesOf([...second.events, ...third.events])).toMatchObject([
      { type: 'task.accepted', joined: false, waitingFor: first.taskId },
      { type: 'message.created' },
      { type: 'message.queued', waitingFor: first.taskId },
      { type: 'task.accepted', joined: false, waitingFor: second.taskId },
      { type: 'message.created' },
      { type: 'message.queued', waitingFor: second.taskId },
    ])
    expect(await counts(projectId)).toMatchObject({ tasks: 3, outbox: 1 })
    expect((await getProject(db, projectId)).activeTaskId).toBe(first.taskId)
  })

  test('does not join one that is being cancelled: it starts the next', async () => {
    const projectId = await aProject(db)
    const first = await post(db, { projectId })
    const held = await takeOver(db, first)
    await requestCancel(db, first.taskId, { by: 'user' })
    const second = await post(db, { projectId })
    expect(second).toMatchObject({ joined: false, conversationId: first.conversationId })
    expect(framesOf(second.events)[0]).toMatchObject({ waitingFor: first.taskId })
    expect(await closeTask(held, { kind: 'cancelled', killed: [] })).toBe(true)
    expect(await getTask(db, second.taskId)).toMatchObject({ status: 'accepted' })
    expect((await getProject(db, projectId)).activeTaskId).toBe(second.taskId)
  })

  test('after it has ended starts a new one that need not wait', async () => {
    const projectId = await aProject(db)
    const first = await post(db, { projectId })
    const held = await takeOver(db, first)
    await closeTask(held, { kind: 'failed', reason: { code: 'internal', message: 'x' } })
    const second = await post(db, { projectId })
    expect(second).toMatchObject({ joined: false })
    expect(framesOf(second.events)).toHaveLength(2)
    expect((await getProject(db, projectId)).activeTaskId).toBe(second.taskId)
  })
})

test('200 messages to one project from ten connections leave one running task and events without a hole', async () => {
  const projectId = await aProject(db)
  await Promise.all(Array.from({ length: 200 }, (_, i) => post(db, { projectId, newConversation: i % 20 === 0 })))
  const events = await readEvents(db, { projectId, after: 0, limit: 2_000 })
  expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1))
  const { rows } = await db.pool.query(
    `SELECT count(*)::int AS n FROM outbox WHERE project_id = $1 AND kind = 'start'`,
    [projectId],
  )
  expect([await count('messages', projectId), rows]).toEqual([200, [{ n: 1 }]])
})
