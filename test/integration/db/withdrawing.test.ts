import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listMessages } from '../../../src/db/project/conversations.ts'
import { readEvents } from '../../../src/db/stream/events.ts'
import { closeTask, requestsOf } from '../../../src/db/task/lifecycle.ts'
import { takeOutbox } from '../../../src/db/task/outbox.ts'
import { getTask } from '../../../src/db/task/tasks.ts'
import { withdrawMessage } from '../../../src/db/task/withdraw-message.ts'
import { beginTurn, hasWaiting } from '../../../src/db/turn/begin-turn.ts'
import { storeReply } from '../../../src/db/turn/model-calls.ts'
import type { AppError } from '../../../src/shared/errors.ts'
import { newId } from '../../../src/shared/ids.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aStoredReply } from '../../support/replies.ts'
import { aRunningTask, framesOf, post, type RunningTask } from '../../support/tasks.ts'

const TRIES = 200
const AT_ONCE = 5

let db: TestDb
beforeAll(async () => {
  db = await aDb()
})
afterAll(() => db.close())

const begin = () => ({ lane: 'coder', messageId: newId('msg'), toolResults: [], notes: [], idle: true }) as const

/** A task whose agent has answered its first message and would be idle. */
async function anIdleTask(): Promise<RunningTask> {
  const task = await aRunningTask(db)
  const turn = await beginTurn(task.attempt, begin())
  if (!turn) throw new Error('nothing to say')
  await storeReply(task.attempt, aStoredReply(turn, [{ type: 'text', text: 'Done.' }]))
  return task
}

const queue = (task: RunningTask, text = 'and this') =>
  post(db, { projectId: task.projectId, conversationId: task.conversationId, text, delivery: 'queue' })

async function told(task: RunningTask, type: string): Promise<string[]> {
  const events = await readEvents(db, { projectId: task.projectId, after: 0, limit: 500 })
  return framesOf(events).flatMap((frame) => (frame.type === type ? [String(frame['messageId'])] : []))
}

async function statusesOf({ conversationId }: RunningTask): Promise<Record<string, string>> {
  const { items } = await listMessages(db, conversationId, { limit: 50 })
  return Object.fromEntries(items.map(({ id, status }) => [id, status]))
}

describe('taking a queued message back', () => {
  test('cancels it, tells every reader once, and the agent is never given it', async () => {
    const task = await anIdleTask()
    const { messageId } = await queue(task)
    const kept = await queue(task, 'but this')
    await withdrawMessage(db, { ...task, messageId })
    await withdrawMessage(db, { ...task, messageId })
    const turn = await beginTurn(task.attempt, begin())
    expect({
      status: (await statusesOf(task))[messageId],
      withdrawn: await told(task, 'message.withdrawn'),
      claimed: await told(task, 'message.claimed'),
      given: turn?.userContent,
      requests: await requestsOf(db, task.taskId),
    }).toEqual({
      status: 'cancelled',
      withdrawn: [messageId],
      claimed: [task.messageId, kept.messageId],
      given: [{ type: 'text', text: 'but this' }],
      requests: ['Please do it', 'but this'],
    })
  })

  test('lets a task end that only this message held open, and wakes one that waits to answer it', async () => {
    const task = await anIdleTask()
    const { review } = await getTask(db, task.taskId)
    const ending = { kind: 'completed', outcome: 'no_changes', review } as const
    const { messageId } = await queue(task)
    const before = await closeTask(task.attempt, ending)
    await db.pool.query('DELETE FROM outbox WHERE task_id = $1', [task.taskId])
    await withdrawMessage(db, { ...task, messageId })
    const woken = await takeOutbox(db, { limit: 10, holdMs: 60_000, taskId: task.taskId })
    expect({
      before,
      woken: woken.map(({ kind }) => kind),
      waits: await hasWaiting(db, task.taskId, 'coder'),
      after: await closeTask(task.attempt, ending),
      status: (await getTask(db, task.taskId)).status,
    }).toEqual({ before: false, woken: ['wake'], waits: false, after: true, status: 'completed' })
  })

  test('leaves nothing behind for a successor when the task fails afterwards', async () => {
    const task = await anIdleTask()
    const { messageId } = await queue(task)
    await withdrawMessage(db, { ...task, messageId })
    await closeTask(task.attempt, { kind: 'failed', reason: { code: 'internal', message: 'Broken.' } })
    const { rows } = await db.pool.query('SELECT id FROM tasks WHERE project_id = $1', [task.projectId])
    expect([rows, (await statusesOf(task))[messageId]]).toEqual([[{ id: task.taskId }], 'cancelled'])
  })

  test('is refused for what the agent has read, for what began a task, and for what is not there', async () => {
    const task = await anIdleTask()
    const other = await anIdleTask()
    const waiting = await post(db, { projectId: task.projectId, newConversation: true })
    const queued = await queue(task)
    const { items } = await listMessages(db, task.conversationId, { limit: 10 })
    const answer = items.find(({ role }) => role === 'assistant')
    const refusals = [
      { conversationId: task.conversationId, messageId: task.messageId },
      { conversationId: waiting.conversationId, messageId: waiting.messageId },
      { conversationId: task.conversationId, messageId: answer?.id ?? '' },
      { conversationId: other.conversationId, messageId: queued.messageId },
      { conversationId: task.conversationId, messageId: 'msg_none' },
      { conversationId: 'cnv_none', messageId: queued.messageId },
    ].map((at) =>
      withdrawMessage(db, at).then(
        () => 'taken back',
        (error: AppError) => [error.code, error.details?.['taskId']],
      ),
    )
    expect(await Promise.all(refusals)).toEqual([
      ['message_claimed', task.taskId],
      ['message_claimed', waiting.taskId],
      ...Array.from({ length: 4 }, () => ['not_found', undefined]),
    ])
    expect(await told(task, 'message.withdrawn')).toEqual([])
  })

  test(`while the agent claims it: exactly one of both wins: ${TRIES} tries`, async () => {
    const tally = { claimed: 0, withdrawn: 0 }
    const pause = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 4))
    const tryOnce = async (): Promise<void> => {
      const task = await anIdleTask()
      const { messageId } = await queue(task)
      const [turn, withdrawal] = await Promise.all([
        pause().then(() => beginTurn(task.attempt, begin())),
        pause()
          .then(() => withdrawMessage(db, { ...task, messageId }))
          .then(
            () => 'withdrawn',
            (error: AppError) => error.code,
          ),
      ])
      const winner = turn === null ? 'withdrawn' : 'claimed'
      tally[winner]++
      const isWithdrawn = winner === 'withdrawn'
      expect({
        withdrawal,
        status: (await statusesOf(task))[messageId],
        withdrawn: await told(task, 'message.withdrawn'),
        claimed: await told(task, 'message.claimed'),
      }).toEqual({
        withdrawal: isWithdrawn ? 'withdrawn' : 'message_claimed',
        status: isWithdrawn ? 'cancelled' : 'claimed',
        withdrawn: isWithdrawn ? [messageId] : [],
        claimed: isWithdrawn ? [task.messageId] : [task.messageId, messageId],
      })
    }
    for (let i = 0; i < TRIES / AT_ONCE; i++) await Promise.all(Array.from({ length: AT_ONCE }, tryOnce))
    // Both ways must have been seen, or the tries prove nothing.
    expect(Math.min(tally.claimed, tally.withdrawn)).toBeGreaterThan(0)
  })
})

describe('messages, newest first', () => {
  test('are paged without a gap or a repeat while further ones come in; oldest first stays the rule', async () => {
    const task = await anIdleTask()
    for (let i = 0; i < 4; i++) await queue(task, `${i}`)
    const { items: all } = await listMessages(db, task.conversationId, { limit: 50 })
    const newest = (after?: string) => listMessages(db, task.conversationId, { after, limit: 4, order: 'newest' })
    const first = await newest()
    await queue(task, 'meanwhile')
    const second = await newest(first.nextAfter ?? '')
    expect(all.map(({ text }) => text)).toEqual(['Please do it', 'Done.', '0', '1', '2', '3'])
    expect([...first.items, ...second.items]).toEqual(all.toReversed())
    expect([first.items.length, second.nextAfter]).toEqual([4, null])
  })
})
