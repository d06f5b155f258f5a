import { readdir, readFile } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { pinContext } from '../../../src/db/project/contexts.ts'
import {
  endLoan,
  finishRound,
  lendWorkspace,
  openRound,
  saveBaseline,
  saveChecks,
  saveReviewState,
} from '../../../src/db/review/reviews.ts'
import { openApproval, setNeedsAnswer, tellHeldChange } from '../../../src/db/task/approvals.ts'
import type { Attempt } from '../../../src/db/task/attempt.ts'
import { setBudgetReached } from '../../../src/db/task/budgets.ts'
import { closeTask, requestCancel } from '../../../src/db/task/lifecycle.ts'
import { getTask } from '../../../src/db/task/tasks.ts'
import { beginTurn } from '../../../src/db/turn/begin-turn.ts'
import { storeCompaction } from '../../../src/db/turn/compactions.ts'
import { saveTaskMemory } from '../../../src/db/turn/memory.ts'
import { beginModelCall, interruptTurn, recordSpent, storeReply } from '../../../src/db/turn/model-calls.ts'
import { noteReading, noteRepair, noteSubstitute, noteWaiting } from '../../../src/db/turn/model-notes.ts'
import { addNotice, warnBudget } from '../../../src/db/turn/notices.ts'
import { shortenTurn } from '../../../src/db/turn/shorten-turn.ts'
import { finishTools, startTool } from '../../../src/db/turn/tool-calls.ts'
import { endAndBeginTurn, endTurn } from '../../../src/db/turn/turn-end.ts'
import type { JournalTurn } from '../../../src/db/turn/turns.ts'
import { recordCheckpoint, recordLeftOut } from '../../../src/db/workspace/checkpoints.ts'
import { tellLoss } from '../../../src/db/workspace/sandbox-losses.ts'
import { newId } from '../../../src/shared/ids.ts'
import { NO_DIFF, NO_USAGE } from '../../../src/shared/task.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aStoredReply } from '../../support/replies.ts'
import { aProject, aRunningTask, framesOf, post, type RunningTask, takeOver } from '../../support/tasks.ts'
import { aCall } from '../../support/turns.ts'

let db: TestDb
let task: RunningTask
let turn: JournalTurn
beforeAll(async () => {
  db = await aDb()
})
afterAll(() => db.close())

const begin = { lane: 'coder', messageId: 'msg_x', toolResults: [], notes: [], idle: true } as const
const REACHED = { scope: 'task', kind: 'usd', used: 2, limit: 2 } as const
const bash = { type: 'tool_use', id: 'toolu_1', name: 'bash', input: { command: 'true' } } as const

const aCheckpoint = () => ({ id: newId('ckp'), turn: 1, treeHash: 'tree_2', label: 'x', stat: NO_DIFF })
const aFinished = () => ({ call: aCall(), result: 'x', isError: false, durationMs: 1, events: [] })

/** Every way in which an attempt writes for its task, by the name of the function. */
const WRITES: Readonly<Record<string, (attempt: Attempt) => Promise<unknown>>> = {
  beginTurn: (held) => beginTurn(held, { ...begin, toolResults: [{ type: 'text', text: 'more' }] }),
  beginModelCall: (held) => beginModelCall(held, turn.turn),
  storeReply: (held) => storeReply(held, aStoredReply(turn, [bash])),
  startTool: (held) => startTool(held, aCall({ status: 'requested' }), { kind: 'command', command: 'x', cwd: '/' }),
  finishTools: (held) =>
    finishTools(held, 'coder', [{ call: aCall(), result: 'x', isError: false, durationMs: 1, events: [] }]),
  recordSpent: (held) => recordSpent(held, { usage: { ...NO_USAGE, inputTokens: 7 }, costUsd: 1 }),
  noteWaiting: (held) =>
    noteWaiting(held, { turn: 1, attempt: 1 }, { code: 'model_overloaded', delayMs: 1_000, message: 'x' }),
  noteReading: (held) =>
    noteReading(
      held,
      { turn: 1, attempt: 1 },
      { waitedMs: 10_000, limitMs: 600_000, waitsFor: 'prompt', message: 'x' },
    ),
  noteSubstitute: (held) => noteSubstitute(held, { turn: 1, attempt: 1 }, { asked: 'a', answered: 'b', message: 'x' }),
  noteRepair: (held) => noteRepair(held, { turn: 1, attempt: 1, repair: 1 }, 'x'),
  shortenTurn: (held) => shortenTurn(held, turn.turn, [{ type: 'text', text: 'short' }]),
  endTurn: (held) => endTurn(held, { turn, finished: [aFinished()], checkpoint: aCheckpoint(), events: [] }),
  endAndBeginTurn: (held) =>
    endAndBeginTurn(
      held,
      { turn, finished: [aFinished()], checkpoint: aCheckpoint(), events: [] },
      { begin: { ...begin, messageId: 'msg_y' }, budgets: { project: {}, day: {} }, mayBegin: () => true },
    ),
  interruptTurn: (held) => interruptTurn(held, turn, [{ partId: 'p', type: 'text', text: 'half' }]),
  addNotice: (held) => addNotice(held, { id: 'req_1', lane: 'coder', key: 'k', text: 'x' }),
  warnBudget: (held) => warnBudget(held, [{ scope: 'task', kind: 'usd', used: 1, limit: 2, note: 'x' }]),
  recordCheckpoint: (held) =>
    recordCheckpoint(held, { id: 'ckp_1', turn: 1, treeHash: 'tree', label: 'x', stat: NO_DIFF }, []),
  recordLeftOut: (held) => recordLeftOut(held, [], []),
  pinContext: (held) => pinContext(held, 'hash', []),
  openRound: (held) => openRound(held, { round: 1, treeHash: 'tree' }, []),
  saveChecks: async (held) => saveChecks(held, 1, { checks: [], review: await review('reviewing') }, []),
  finishRound: async (held) =>
    finishRound(
      held,
      {
        round: 1,
        verdict: 'approved',
        summary: 'x',
        review: await review('approved'),
        findings: [],
        settled: [],
        fixNotice: { id: 'req_2', text: 'x' },
      },
      () => [],
    ),
  saveReviewState: async (held) => saveReviewState(held, await review('skipped'), []),
  emit: (held) =>
    held.emit({ type: 'sandbox.starting', key: 'k', scope: held.scope, payload: { provider: 'local-bwrap' } }),
  saveBaseline: (held) => saveBaseline(held, []),
  lendWorkspace: (held) => lendWorkspace(held, 'tree'),
  endLoan: (held) => endLoan(held),
  saveTaskMemory: (held) => saveTaskMemory(held, { whole: [], blocks: ['x'], opening: null, factsVersion: 1 }),
  storeCompaction: (held) =>
    storeCompaction(held, 'coder', { turn: 2, throughTurn: 1, text: 'x', beforeTokens: 9, afterTokens: 1 }),
  tellLoss: (held) =>
    tellLoss(held, {
      generation: 1,
      notice: 'x',
      event: { type: 'sandbox.lost', key: 'k', scope: held.scope, payload: { provider: 'e2b', detail: 'x' } },
    }),
  openApproval: (held) =>
    openApproval(held, {
      ...{ key: 'k', kind: 'question', title: 'Which?', turn: 1, expiresMs: 60_000 },
      detail: { question: 'Which?' },
    }),
  setNeedsAnswer: (held) => setNeedsAnswer(held),
  tellHeldChange: (held) => tellHeldChange(held, { id: 'req_3', approvalId: 'apr_1', text: 'x' }),
  setBudgetReached: (held) => setBudgetReached(held, [REACHED]),
  closeTask: (held) => closeTask(held, { kind: 'cancelled', killed: [] }),
}

async function review(status: 'reviewing' | 'approved' | 'skipped') {
  return { ...(await getTask(db, task.taskId)).review, status }
}

beforeEach(async () => {
  task = await aRunningTask(db, { budget: { maxTurns: 1 } })
  const begun = await beginTurn(task.attempt, { ...begin, messageId: `msg_${task.taskId}` })
  if (!begun) throw new Error('no turn')
  turn = begun
})

const TABLES = [
  'projects',
  'conversations',
  'messages',
  'tasks',
  'turns',
  'tool_calls',
  'notices',
  'events',
  'outbox',
  'review_rounds',
  'findings',
  'checkpoints',
  'compactions',
  'task_memories',
  'approvals',
]

/** Everything that is stored for the project. */
async function snapshot(): Promise<unknown> {
  const rows = await Promise.all(
    TABLES.map(async (table) => {
      const { rows: found } = await db.pool.query<object>(
        `SELECT * FROM ${table} t WHERE to_jsonb(t) ->> 'project_id' = $1 OR to_jsonb(t) ->> 'task_id' = $2
           OR to_jsonb(t) ->> 'id' IN ($1, $2)`,
        [task.projectId, task.taskId],
      )
      return found.map((row) => JSON.stringify(row)).sort()
    }),
  )
  return rows
}

describe('an attempt whose lease was taken over', () => {
  test.each(Object.keys(WRITES))('can do nothing any more: %s', async (name) => {
    await takeOver(db, task, { attempt: 2 })
    const before = await snapshot()
    db.published.length = 0
    await expect(WRITES[name]?.(task.attempt)).rejects.toMatchObject({ code: 'lease_lost', retryable: false })
    expect([await snapshot(), db.published]).toEqual([before, []])
  })

  test('the table above names every function of the database that an attempt writes with, and its own', async () => {
    const directory = new URL('../../../src/db/', import.meta.url)
    const names = ['emit']
    for (const file of await readdir(directory, { recursive: true })) {
      if (!file.endsWith('.ts') || file === 'transaction.ts' || file.startsWith('generated')) continue
      const source = await readFile(new URL(file, directory), 'utf8')
      for (const found of source.matchAll(/export async function (\w+)\(\s*attempt: Attempt\b/g)) {
        names.push(found[1] ?? '')
      }
    }
    expect(names.sort()).toEqual(Object.keys(WRITES).sort())
  })

  test.each(Object.keys(WRITES))('the newest one is let through: %s', async (name) => {
    const newest = await takeOver(db, task, { attempt: 2 })
    await expect(WRITES[name]?.(newest)).resolves.not.toThrow()
  })
})

describe('acquireLease', () => {
  test('raises the token each time, starts the task once and says when it is resumed', async () => {
    const accepted = await post(db, { projectId: await aProject(db) })
    db.published.length = 0
    const leases = [
      await takeOver(db, accepted),
      await takeOver(db, accepted),
      await takeOver(db, accepted, { attempt: 2 }),
    ]
    expect(leases.map((it) => it.lease)).toEqual([1, 2, 3])
    expect(framesOf(db.published).map(({ type, attempt }) => [type, attempt])).toEqual([
      ['task.started', undefined],
      ['task.resumed', 2],
    ])
    expect(await getTask(db, accepted.taskId)).toMatchObject({ status: 'running', phase: 'working' })
  })

  test('does not say resumed when the attempt before had said that it would try again', async () => {
    const { projectId, conversationId, taskId } = task
    await task.attempt.emit({
      type: 'model.retrying',
      key: 'retry',
      scope: { projectId, conversationId, taskId },
      payload: { code: 'model_overloaded', message: 'Busy.', attempt: 1, delayMs: 1_000 },
    })
    db.published.length = 0
    await takeOver(db, task, { attempt: 2 })
    expect(db.published).toEqual([])
  })

  test('an attempt that died while it waited for the model does not count as one that said it would be back', async () => {
    const call = { turn: 1, attempt: 1 }
    await noteWaiting(task.attempt, call, { code: 'model_overloaded', delayMs: 900, message: 'x' })
    db.published.length = 0
    await takeOver(db, task, { attempt: 2 })
    expect(framesOf(db.published)).toMatchObject([{ type: 'task.resumed', attempt: 2 }])
  })

  test('takes a task that waited for a budget up again, but leaves one that is being cancelled as it is', async () => {
    await setBudgetReached(task.attempt, [REACHED])
    expect((await getTask(db, task.taskId)).status).toBe('needs_budget')
    await takeOver(db, task)
    expect((await getTask(db, task.taskId)).status).toBe('running')
    await requestCancel(db, task.taskId, { by: 'user' })
    await takeOver(db, task, { phase: 'finishing' })
    expect(await getTask(db, task.taskId)).toMatchObject({ status: 'cancelling', phase: 'finishing' })
  })

  test('a task that was cancelled before anybody took it up never runs: its status only goes forward', async () => {
    const accepted = await post(db, { projectId: await aProject(db) })
    await requestCancel(db, accepted.taskId, { by: 'user' })
    const asked = (await getTask(db, accepted.taskId)).status
    const taken = await takeOver(db, accepted)
    const running = (await getTask(db, accepted.taskId)).status
    await closeTask(taken, { kind: 'cancelled', killed: [] })
    expect([asked, running, (await getTask(db, accepted.taskId)).status]).toEqual([
      'cancelling',
      'cancelling',
      'cancelled',
    ])
  })

  test('is refused for good once the task is over', async () => {
    await closeTask(task.attempt, { kind: 'cancelled', killed: [] })
    await expect(takeOver(db, task)).rejects.toMatchObject({ code: 'task_over', retryable: false })
  })

  test('of several attempts at once exactly one can still write', async () => {
    const leases = await Promise.all(Array.from({ length: 8 }, () => takeOver(db, task)))
    const written = await Promise.allSettled(leases.map((it) => beginModelCall(it, turn.turn)))
    expect(written.filter((it) => it.status === 'fulfilled')).toHaveLength(1)
  })
})
