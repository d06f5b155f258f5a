import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { appendEvents, latestSeq, latestSeqs, readEvents } from '../../../src/db/stream/events.ts'
import { pruneEvents } from '../../../src/db/stream/retention.ts'
import { inProject } from '../../../src/db/transaction.ts'
import type { NewEvent } from '../../../src/events/topics.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aProject, aRunningTask, framesOf } from '../../support/tasks.ts'

let db: TestDb
beforeAll(async () => {
  db = await aDb({ poolSize: 20 })
})
afterAll(() => db.close())

function anEvent(projectId: string, key: string, text = 'x'): NewEvent {
  const scope = { projectId, conversationId: null, taskId: null }
  return { type: 'message.created', key, scope, payload: { messageId: key, role: 'note', text } }
}

test('twenty writers at once number their events 1 to n, each once, in the order of their commits', async () => {
  const projectId = await aProject(db)
  const written = await Promise.all(
    Array.from({ length: 20 }, async (_, writer) => {
      const own: number[] = []
      for (let i = 0; i < 10; i++) {
        const keys = [`${writer}.${i}.a`, `${writer}.${i}.b`]
        const stored = await appendEvents(
          db,
          projectId,
          keys.map((key) => anEvent(projectId, key)),
        )
        own.push(...stored.map((event) => event.seq))
      }
      return own
    }),
  )
  const stored = await readEvents(db, { projectId, after: 0, limit: 2_000 })
  expect(stored.map((event) => event.seq)).toEqual(Array.from({ length: 400 }, (_, index) => index + 1))
  expect(written.flat().sort((a, b) => a - b)).toEqual(stored.map((event) => event.seq))
  expect(written.every((own) => own.every((seq, i) => i === 0 || seq > (own[i - 1] ?? 0)))).toBe(true)
  expect(framesOf(stored).map((frame) => frame.seq)).toEqual(stored.map((event) => event.seq))
  expect(await latestSeq(db, projectId)).toBe(400)
})

test('a repeat of a key is ignored and takes no number, within one call and beyond', async () => {
  const projectId = await aProject(db)
  const [a, b, c] = ['a', 'b', 'c'].map((key) => anEvent(projectId, key))
  if (!a || !b || !c) throw new Error('no events')
  const seqs = async (...events: NewEvent[]) => (await appendEvents(db, projectId, events)).map((it) => it.seq)
  expect([await seqs(a, a, b), await seqs(b, a), await seqs(b, c)]).toEqual([[1, 2], [], [3]])
  expect(await latestSeq(db, projectId)).toBe(3)
})

test('a key stands for one event in each project', async () => {
  const [first, second] = [await aProject(db), await aProject(db)]
  await appendEvents(db, first, [anEvent(first, 'a')])
  expect(await appendEvents(db, second, [anEvent(second, 'a')])).toHaveLength(1)
})

test('a transaction that fails leaves no event, no number used and nothing published', async () => {
  const projectId = await aProject(db)
  db.published.length = 0
  const failing = inProject(db, projectId, async (tx) => {
    tx.emit(anEvent(projectId, 'a'))
    await tx.flush()
    tx.emit(anEvent(projectId, 'b'))
    throw new Error('on purpose')
  })
  await expect(failing).rejects.toThrow('on purpose')
  expect([await readEvents(db, { projectId, after: 0, limit: 10 }), db.published]).toEqual([[], []])
  expect((await appendEvents(db, projectId, [anEvent(projectId, 'c')])).map((event) => event.seq)).toEqual([1])
})

test('any text comes back as it was, NUL and lone surrogates as escapes included', async () => {
  const projectId = await aProject(db)
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 40 }), fc.uuid(), async (text, key) => {
      const odd = `${text}\0\u{d800}"\\`
      const [stored] = await appendEvents(db, projectId, [anEvent(projectId, key, odd)])
      expect(stored && framesOf([stored])[0]).toMatchObject({ seq: stored?.seq, text: odd })
    }),
    { numRuns: 50 },
  )
})

test('reading goes on after a seq, by task and by topic, in order and no further than asked', async () => {
  const task = await aRunningTask(db)
  const { projectId, taskId } = task
  await appendEvents(db, projectId, [anEvent(projectId, 'outside')])
  const read = async (options: Partial<Parameters<typeof readEvents>[1]>) =>
    (await readEvents(db, { projectId, after: 0, limit: 100, ...options })).map((event) => event.type)
  expect({
    all: await read({}),
    after: await read({ after: 2 }),
    ofTask: await read({ taskId }),
    ofTopic: await read({ topics: ['status'] }),
    two: await read({ limit: 2 }),
    beyond: await read({ after: 99 }),
  }).toEqual({
    all: ['task.accepted', 'message.created', 'task.started', 'message.created'],
    after: ['task.started', 'message.created'],
    ofTask: ['task.accepted', 'message.created', 'task.started'],
    ofTopic: ['task.accepted', 'task.started'],
    two: ['task.accepted', 'message.created'],
    beyond: [],
  })
})

test('the last numbers of many projects are read at once; unknown ones are left out', async () => {
  const [first, second] = [await aProject(db), await aProject(db)]
  await appendEvents(db, first, [anEvent(first, 'a'), anEvent(first, 'b')])
  expect(await latestSeqs(db, [first, second, 'prj_none'])).toEqual(
    new Map([
      [first, 2],
      [second, 0],
    ]),
  )
  expect(await latestSeq(db, 'prj_none')).toBe(0)
})

test('retention removes the events of tasks that ended long ago, and no number is given twice', async () => {
  const old = await aRunningTask(db)
  await db.pool.query(`UPDATE tasks SET finished_at = now() - interval '10 days' WHERE id = $1`, [old.taskId])
  const young = await aRunningTask(db)
  // In batches of two: one call goes on until nothing old is left.
  expect(await pruneEvents(db, 7, 2)).toBe(3)
  const left = async (projectId: string) => (await readEvents(db, { projectId, after: 0, limit: 10 })).length
  expect([await left(old.projectId), await left(young.projectId)]).toEqual([0, 3])
  const [next] = await appendEvents(db, old.projectId, [anEvent(old.projectId, 'later')])
  expect(next?.seq).toBe(4)
})
