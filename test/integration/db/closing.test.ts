import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { getProject } from '../../../src/db/project/projects.ts'
import { saveReviewState } from '../../../src/db/review/reviews.ts'
import { readEvents } from '../../../src/db/stream/events.ts'
import { closeTask, requestCancel } from '../../../src/db/task/lifecycle.ts'
import { takeOutbox } from '../../../src/db/task/outbox.ts'
import { getTask } from '../../../src/db/task/tasks.ts'
import { beginTurn } from '../../../src/db/turn/begin-turn.ts'
import { storeReply } from '../../../src/db/turn/model-calls.ts'
import { newId } from '../../../src/shared/ids.ts'
import type { Outcome } from '../../../src/shared/task.ts'
import type { TaskEnding } from '../../../src/shared/task-ending.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aStoredReply } from '../../support/replies.ts'
import { aProject, aRunningTask, type Frame, framesOf, post, type RunningTask, takeOver } from '../../support/tasks.ts'

const TRIES = 200
const AT_ONCE = 5

let db: TestDb
beforeAll(async () => {
  db = await aDb()
})
afterAll(() => db.close())

async function completed(task: { readonly taskId: string }, outcome: Outcome = 'no_changes'): Promise<TaskEnding> {
  return { kind: 'completed', outcome, review: (await getTask(db, task.taskId)).review }
}

/** One turn of the coder that claims what waits and answers. */
async function answer(task: RunningTask, text = 'Done.'): Promise<void> {
  const base = { lane: 'coder', messageId: newId('msg'), toolResults: [], notes: [], idle: true } as const
  const turn = await beginTurn(task.attempt, base)
  if (!turn) throw new Error('nothing to say')
  await storeReply(task.attempt, aStoredReply(turn, [{ type: 'text', text }]))
}

async function framesOfTask(task: { readonly projectId: string; readonly taskId: string }): Promise<Frame[]> {
  return framesOf(await readEvents(db, { projectId: task.projectId, taskId: task.taskId, after: 0, limit: 500 }))
}

interface MessageRow {
  id: string
  task_id: string
  status: string
}

async function messagesOf(projectId: string, role = 'user'): Promise<MessageRow[]> {
  const { rows } = await db.pool.query<MessageRow>(
    'SELECT id, task_id, status FROM messages WHERE project_id = $1 AND role = $2 ORDER BY position',
    [projectId, role],
  )
  return rows
}

describe('what is noted with the end', () => {
  const skipped = ({ scope }: RunningTask['attempt']) => ({
    type: 'review.skipped' as const,
    key: `review.skipped:${scope.taskId}:1`,
    scope,
    payload: { reason: 'no_changes' as const },
  })

  test('stands before it, once, and not at all when a message keeps the task open', async () => {
    const task = await aRunningTask(db)
    await answer(task)
    await post(db, { projectId: task.projectId, text: 'and this' })
    const isClosed = await closeTask(task.attempt, await completed(task), [skipped(task.attempt)])
    const before = (await framesOfTask(task)).map(({ type }) => type)
    await answer(task)
    for (let times = 0; times < 2; times++) {
      await closeTask(task.attempt, await completed(task), [skipped(task.attempt)])
    }
    const types = (await framesOfTask(task)).map(({ type }) => type)
    expect({ isClosed, skips: before.filter((type) => type === 'review.skipped').length }).toEqual({
      ...{ isClosed: false, skips: 0 },
    })
    expect(types.slice(-3)).toEqual(['review.skipped', 'message.completed', 'task.completed'])
    expect(types.filter((type) => type === 'review.skipped')).toHaveLength(1)
  })
})

describe('a message in the closing instant', () => {
  test(`either keeps the task open or starts the next one, never neither, never both: ${TRIES} tries`, async () => {
    const tally = { joined: 0, started: 0 }
    const tryOnce = async (): Promise<void> => {
      const task = await aRunningTask(db)
      await answer(task)
      const ending = await completed(task)
      const pause = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 4))
      const [closed, accepted] = await Promise.all([
        pause().then(() => closeTask(task.attempt, ending)),
        pause().then(() => post(db, { projectId: task.projectId, text: 'and this' })),
      ])
      const { status } = await getTask(db, task.taskId)
      const messages = await messagesOf(task.projectId)
      const seen = { closed, joined: accepted.joined, status, waitsIn: messages.at(-1)?.task_id }
      if (accepted.joined) {
        tally.joined++
        expect(seen).toEqual({ closed: false, joined: true, status: 'running', waitsIn: task.taskId })
      } else {
        tally.started++
        expect(seen).toEqual({ closed: true, joined: false, status: 'completed', waitsIn: accepted.taskId })
        expect((await getProject(db, task.projectId)).activeTaskId).toBe(accepted.taskId)
        expect(await takeOutbox(db, { limit: 10, holdMs: 60_000, taskId: accepted.taskId })).toMatchObject([
          { kind: 'start' },
        ])
      }
    }
    for (let i = 0; i < TRIES / AT_ONCE; i++) await Promise.all(Array.from({ length: AT_ONCE }, tryOnce))
    // Both ways must have been seen, or the tries prove nothing.
    expect(Math.min(tally.joined, tally.started)).toBeGreaterThan(0)
  })

  test('several at once, with a cancellation among them: each is answered by exactly one task or cancelled with it', async () => {
    for (let i = 0; i < 30; i++) {
      const task = await aRunningTask(db)
      await answer(task)
      const ending = await completed(task)
      const pause = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 4))
      const posts = Array.from({ length: 4 }, (_, n) =>
        pause().then(() => post(db, { projectId: task.projectId, text: `${n}`, newConversation: n === 3 })),
      )
      const [closed] = await Promise.all([
        pause().then(() => closeTask(task.attempt, ending)),
        pause().then(() => requestCancel(db, task.taskId, { by: 'user' }).catch(() => null)),
        ...posts,
      ])
      if (!closed) await closeTask(task.attempt, { kind: 'cancelled', killed: [] })
      const messages = await messagesOf(task.projectId)
      expect(messages).toHaveLength(5)
      for (const message of messages) {
        const isOwn = message.task_id === task.taskId
        expect(message.status, JSON.stringify(messages)).toMatch(isOwn ? /claimed|cancelled/ : /queued/)
      }
      const frames = await framesOfTask(task)
      expect(frames.filter((frame) => /^task\.(completed|cancelled|failed)$/.test(frame.type))).toHaveLength(1)
    }
  })
})

describe('a cancellation that was told to the workflow itself', () => {
  const TOLD: TaskEnding = { kind: 'cancelled', killed: [] }

  test('takes the messages with it that came before it was asked for; later ones start the next task', async () => {
    const task = await aRunningTask(db)
    await answer(task)
    const before = await post(db, { projectId: task.projectId, text: 'before' })
    const { rows } = await db.pool.query<{ now: Date }>('SELECT clock_timestamp() AS now')
    await new Promise((resolve) => setTimeout(resolve, 5))
    const after = await post(db, { projectId: task.projectId, text: 'after' })
    expect([before.joined, after.joined]).toEqual([true, true])
    await closeTask(task.attempt, { ...TOLD, requestedAt: rows[0]?.now ?? new Date() })
    const messages = await messagesOf(task.projectId)
    const successor = messages.at(-1)?.task_id ?? ''
    expect(messages.slice(1)).toEqual([
      { id: before.messageId, task_id: task.taskId, status: 'cancelled' },
      { id: after.messageId, task_id: successor, status: 'queued' },
    ])
    expect(successor).not.toBe(task.taskId)
    expect((await getProject(db, task.projectId)).activeTaskId).toBe(successor)
    expect(await takeOutbox(db, { limit: 10, holdMs: 60_000, taskId: successor })).toMatchObject([{ kind: 'start' }])
    expect(await framesOfTask({ projectId: task.projectId, taskId: successor })).toMatchObject([
      { type: 'task.accepted', messageId: after.messageId, joined: false },
    ])
  })

  test('before the first turn cancels the message that began the task, whatever the clocks say', async () => {
    const task = await aRunningTask(db)
    await closeTask(task.attempt, { ...TOLD, requestedAt: new Date(0) })
    expect([await messagesOf(task.projectId), (await getProject(db, task.projectId)).activeTaskId]).toEqual([
      [{ id: task.messageId, task_id: task.taskId, status: 'cancelled' }],
      null,
    ])
  })

  test('a clock ahead of the database’s does not reach messages that come after the close', async () => {
    const task = await aRunningTask(db)
    await answer(task)
    await closeTask(task.attempt, { ...TOLD, requestedAt: new Date(Date.now() + 3_600_000) })
    const { cancelRequestedAt } = await getTask(db, task.taskId)
    expect((cancelRequestedAt?.getTime() ?? Infinity) <= Date.now() + 1_000).toBe(true)
    expect((await post(db, { projectId: task.projectId })).joined).toBe(false)
  })

  test(`in the closing instant each message is cancelled with it or starts the next, by the time it came: ${TRIES} tries`, async () => {
    const tally = { cancelled: 0, handedOn: 0, started: 0 }
    const tryOnce = async (): Promise<void> => {
      const task = await aRunningTask(db)
      await answer(task)
      const pause = () => new Promise((resolve) => setTimeout(resolve, Math.random() * 6))
      let requestedAt = new Date()
      const [, accepted] = await Promise.all([
        pause().then(async () => {
          const { rows } = await db.pool.query<{ now: Date }>('SELECT clock_timestamp() AS now')
          requestedAt = rows[0]?.now ?? requestedAt
          await pause()
          await closeTask(task.attempt, { ...TOLD, requestedAt })
        }),
        pause().then(() => post(db, { projectId: task.projectId, text: 'and this' })),
      ])
      const { rows } = await db.pool.query<{ created_at: Date }>('SELECT created_at FROM messages WHERE id = $1', [
        accepted.messageId,
      ])
      const isBefore = (rows[0]?.created_at.getTime() ?? 0) <= requestedAt.getTime()
      const message = (await messagesOf(task.projectId)).at(-1)
      const { activeTaskId } = await getProject(db, task.projectId)
      const isOwn = message?.task_id === task.taskId
      expect({ isOwn, status: message?.status, activeTaskId }).toEqual(
        isBefore && accepted.joined
          ? { isOwn: true, status: 'cancelled', activeTaskId: null }
          : { isOwn: false, status: 'queued', activeTaskId: message?.task_id },
      )
      if (isOwn) tally.cancelled++
      else if (accepted.joined) tally.handedOn++
      else tally.started++
    }
    for (let i = 0; i < TRIES / AT_ONCE; i++) await Promise.all(Array.from({ length: AT_ONCE }, tryOnce))
    // All three ways must have been seen, or the tries prove nothing.
    expect(Math.min(tally.cancelled, tally.handedOn, tally.started)).toBeGreaterThan(0)
  })
})

describe('closeTask', () => {
  test('says the last words, then the end, once, also when it is repeated', async () => {
    const task = await aRunningTask(db)
    await answer(task, 'All is well.')
    db.published.length = 0
    const ending = await completed(task, 'approved')
    expect([await closeTask(task.attempt, ending), await closeTask(task.attempt, ending)]).toEqual([true, true])
    expect(framesOf(db.published)).toMatchObject([
      {
        type: 'message.completed',
        role: 'assistant',
        complete: true,
        message: 'All is well.',
        timestamp: expect.any(Number) as number,
      },
      {
        type: 'task.completed',
        outcome: 'approved',
        costUsd: 0.5,
        usage: { inputTokens: 10, outputTokens: 20, cacheReadTokens: 30, cacheWriteTokens: 40 },
        diffStat: { files: 0, added: 0, removed: 0 },
        review: { status: 'not_started' },
      },
    ])
    expect(await getTask(db, task.taskId)).toMatchObject({ status: 'completed', outcome: 'approved', phase: 'done' })
    expect((await getProject(db, task.projectId)).activeTaskId).toBeNull()
  })

  test('does not complete a task while a message waits, whatever its delivery', async () => {
    for (const delivery of ['steer', 'queue'] as const) {
      const task = await aRunningTask(db)
      await answer(task)
      await post(db, { projectId: task.projectId, delivery })
      db.published.length = 0
      expect(await closeTask(task.attempt, await completed(task))).toBe(false)
      expect([db.published, (await getTask(db, task.taskId)).status]).toEqual([[], 'running'])
    }
  })

  test.each<[string, TaskEnding, string]>([
    ['failed', { kind: 'failed', reason: { code: 'model_auth_failed', message: 'Check the key.' } }, 'Check the key.'],
    ['cancelled', { kind: 'cancelled', killed: [] }, 'The task was cancelled; files changed so far are kept.'],
  ])('a %s task ends with a note that says so in a sentence', async (kind, ending, note) => {
    const task = await aRunningTask(db)
    await answer(task)
    await closeTask(task.attempt, ending)
    const frames = await framesOfTask(task)
    expect(frames.filter((frame) => frame['complete'] === true)).toMatchObject([
      { type: 'message.completed', role: 'note', message: note, parts: [{ type: 'text', text: note }] },
    ])
    expect(frames.at(-1)?.type).toBe(`task.${kind}`)
    expect(await messagesOf(task.projectId, 'note')).toMatchObject([{ status: 'completed' }])
  })

  test('a reply whose stream nobody finished is marked as cancelled', async () => {
    const task = await aRunningTask(db)
    await beginTurn(task.attempt, { lane: 'coder', messageId: newId('msg'), toolResults: [], notes: [], idle: true })
    await closeTask(task.attempt, { kind: 'cancelled', killed: [] })
    expect(await messagesOf(task.projectId, 'assistant')).toMatchObject([{ status: 'cancelled' }])
  })

  test.each<Outcome>(['stuck', 'refused', 'budget_reached'])(
    'a task that ends %s leaves a waiting message to a task of its own: its agent would not take it',
    async (outcome) => {
      const task = await aRunningTask(db)
      await answer(task)
      const late = await post(db, { projectId: task.projectId, text: 'try it differently' })
      expect(late.joined).toBe(true)
      expect(await closeTask(task.attempt, await completed(task, outcome))).toBe(true)
      const messages = await messagesOf(task.projectId)
      const successor = messages.at(-1)?.task_id ?? ''
      expect(messages.at(-1)).toEqual({ id: late.messageId, task_id: successor, status: 'queued' })
      expect(successor).not.toBe(task.taskId)
      expect(await getTask(db, task.taskId)).toMatchObject({ status: 'completed', outcome })
      expect(await getTask(db, successor)).toMatchObject({ status: 'accepted', outcome: null, turn: 0 })
      expect((await getProject(db, task.projectId)).activeTaskId).toBe(successor)
    },
  )
})

describe('a failed task', () => {
  const failed: TaskEnding = { kind: 'failed', reason: { code: 'internal', message: 'Broken.' } }

  test('hands the messages that it never took to a successor, which starts', async () => {
    const task = await aRunningTask(db, { budget: { maxUsd: 3 }, model: 'claude-haiku-5-5' })
    await answer(task)
    const late = [
      await post(db, { projectId: task.projectId, text: 'one', delivery: 'queue' }),
      await post(db, { projectId: task.projectId, text: 'two' }),
    ]
    const { review } = await getTask(db, task.taskId)
    const findings = { open: 2, resolved: 0 }
    const judged = {
      ...review,
      status: 'fixing',
      round: 1,
      verdict: 'issues_found',
      treeHash: 'tree',
      findings,
    } as const
    await saveReviewState(task.attempt, judged, [])
    await closeTask(task.attempt, failed)
    const messages = await messagesOf(task.projectId)
    const successor = messages[1]?.task_id ?? ''
    expect(messages).toEqual([
      { id: task.messageId, task_id: task.taskId, status: 'claimed' },
      ...late.map((it) => ({ id: it.messageId, task_id: successor, status: 'queued' })),
    ])
    expect(await getTask(db, successor)).toMatchObject({
      conversationId: task.conversationId,
      status: 'accepted',
      model: 'claude-haiku-5-5',
      maxUsd: 3,
      costUsd: 0,
      review,
    })
    expect((await getTask(db, successor)).review).toEqual(review)
    expect(await framesOfTask({ projectId: task.projectId, taskId: successor })).toMatchObject([
      { type: 'task.accepted', messageId: late[0]?.messageId, joined: false },
    ])
    expect(await takeOutbox(db, { limit: 10, holdMs: 1_000, taskId: successor })).toMatchObject([{ kind: 'start' }])
  })

  test('before its first turn answers its first message by the failure, and starts nothing', async () => {
    const task = await aRunningTask(db)
    await closeTask(task.attempt, failed)
    expect(await messagesOf(task.projectId)).toEqual([
      { id: task.messageId, task_id: task.taskId, status: 'completed' },
    ])
    expect((await getProject(db, task.projectId)).activeTaskId).toBeNull()
  })

  test('lets the tasks that wait run in order of arrival, its successor last, which says for whom it waits', async () => {
    const task = await aRunningTask(db)
    await answer(task)
    const waiting = await post(db, { projectId: task.projectId, newConversation: true })
    await post(db, { projectId: task.projectId, conversationId: task.conversationId, text: 'late' })
    await closeTask(task.attempt, failed)
    expect((await getProject(db, task.projectId)).activeTaskId).toBe(waiting.taskId)
    const successor = (await messagesOf(task.projectId)).at(-1)?.task_id ?? ''
    expect((await framesOfTask({ projectId: task.projectId, taskId: successor }))[0]).toMatchObject({
      type: 'task.accepted',
      waitingFor: waiting.taskId,
    })
    const held = await takeOver(db, waiting)
    await closeTask(held, failed)
    expect((await getProject(db, task.projectId)).activeTaskId).toBe(successor)
  })
})

describe('requestCancel', () => {
  test('of a task that waits for its turn closes it at once, and leaves the others alone', async () => {
    const projectId = await aProject(db)
    const running = await post(db, { projectId })
    const waiting = await post(db, { projectId, newConversation: true })
    const last = await post(db, { projectId, newConversation: true })
    db.published.length = 0
    expect(await requestCancel(db, waiting.taskId, { by: 'user', reason: 'changed my mind' })).toEqual({
      status: 'closed',
      projectId,
    })
    expect(framesOf(db.published).map((frame) => frame.type)).toEqual([
      'task.cancel_requested',
      'message.completed',
      'task.cancelled',
    ])
    expect(await getTask(db, waiting.taskId)).toMatchObject({
      status: 'cancelled',
      reason: { code: 'cancelled', message: 'changed my mind' },
    })
    expect((await getProject(db, projectId)).activeTaskId).toBe(running.taskId)
    const held = await takeOver(db, running)
    await closeTask(held, { kind: 'cancelled', killed: [] })
    expect((await getProject(db, projectId)).activeTaskId).toBe(last.taskId)
  })

  test('of a running task signals its workflow once, however often it is asked for', async () => {
    const task = await aRunningTask(db)
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => requestCancel(db, task.taskId, { by: 'user', reason: 'stop' })),
    )
    expect(new Set(answers.map((it) => it.status))).toEqual(new Set(['requested']))
    const { rows } = await db.pool.query(`SELECT kind, payload FROM outbox WHERE task_id = $1 AND kind <> 'start'`, [
      task.taskId,
    ])
    expect(rows).toEqual([{ kind: 'cancel', payload: '{"by":"user","reason":"stop"}' }])
    expect((await getTask(db, task.taskId)).status).toBe('cancelling')
    expect((await framesOfTask(task)).filter((frame) => frame.type === 'task.cancel_requested')).toHaveLength(1)
  })

  test('cancels the messages that wait in the task, which were posted before the stop', async () => {
    const task = await aRunningTask(db)
    await answer(task)
    const before = await post(db, { projectId: task.projectId, delivery: 'queue' })
    await requestCancel(db, task.taskId, { by: 'user' })
    const after = await post(db, { projectId: task.projectId })
    await closeTask(task.attempt, { kind: 'cancelled', killed: [] })
    expect((await messagesOf(task.projectId)).slice(1)).toEqual([
      { id: before.messageId, task_id: task.taskId, status: 'cancelled' },
      { id: after.messageId, task_id: after.taskId, status: 'queued' },
    ])
  })

  test('is task_over once the task has ended, and not_found for none', async () => {
    const task = await aRunningTask(db)
    await closeTask(task.attempt, { kind: 'cancelled', killed: [] })
    await expect(requestCancel(db, task.taskId, { by: 'user' })).rejects.toMatchObject({ code: 'task_over' })
    await expect(requestCancel(db, 'tsk_none', { by: 'user' })).rejects.toMatchObject({ code: 'not_found' })
  })
})
