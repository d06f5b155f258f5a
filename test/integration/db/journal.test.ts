import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { listMessages } from '../../../src/db/project/conversations.ts'
import { finishRound, openRound } from '../../../src/db/review/reviews.ts'
import { readEvents } from '../../../src/db/stream/events.ts'
import { getTask } from '../../../src/db/task/tasks.ts'
import { type BeginTurn, beginTurn } from '../../../src/db/turn/begin-turn.ts'
import { beginModelCall, interruptTurn, recordSpent, storeReply } from '../../../src/db/turn/model-calls.ts'
import { addNotice, warnBudget } from '../../../src/db/turn/notices.ts'
import { type FinishedCall, finishTools, startTool } from '../../../src/db/turn/tool-calls.ts'
import { type JournalTurn, readLane, readTurns, unfinishedCalls } from '../../../src/db/turn/turns.ts'
import type { AssistantBlock } from '../../../src/model/types.ts'
import { newId } from '../../../src/shared/ids.ts'
import { NO_USAGE } from '../../../src/shared/task.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aStoredReply } from '../../support/replies.ts'
import { aRunningTask, type Frame, framesOf, post, type RunningTask } from '../../support/tasks.ts'

let db: TestDb
let task: RunningTask
beforeAll(async () => {
  db = await aDb()
})
afterAll(() => db.close())
beforeEach(async () => {
  task = await aRunningTask(db, { text: 'first' })
  db.published.length = 0
})

async function begin(overrides: Partial<BeginTurn> = {}): Promise<JournalTurn | null> {
  const base = { lane: 'coder', messageId: newId('msg'), toolResults: [], notes: [], idle: true } as const
  return await beginTurn(task.attempt, { ...base, ...overrides })
}

async function begun(overrides: Partial<BeginTurn> = {}): Promise<JournalTurn> {
  const turn = await begin(overrides)
  if (!turn) throw new Error('nothing to say')
  return turn
}

const use = (id: string, input: unknown = { command: 'true' }): AssistantBlock => ({
  type: 'tool_use',
  id,
  name: 'bash',
  input,
})
const result = (id: string) => ({ type: 'tool_result', tool_use_id: id, content: 'ok' }) as const

async function store(turn: JournalTurn, content: readonly AssistantBlock[]): Promise<void> {
  await storeReply(task.attempt, aStoredReply(turn, content))
}

async function lane(): Promise<JournalTurn[]> {
  return await readLane(db, task.taskId, 'coder')
}

async function done(toolUseId: string, overrides: Partial<FinishedCall> = {}): Promise<FinishedCall> {
  const call = (await lane()).flatMap((turn) => turn.toolCalls).find((it) => it.toolUseId === toolUseId)
  if (!call) throw new Error(`no call ${toolUseId}`)
  return { call, result: 'ok', isError: false, durationMs: 5, events: [], ...overrides }
}

const typesOf = (frames: readonly Frame[]) => frames.map((frame) => frame.type)

describe('beginTurn claims what waits', () => {
  const say = (text: string, delivery: 'steer' | 'queue') =>
    post(db, { projectId: task.projectId, conversationId: task.conversationId, text, delivery })
  const texts = (turn: JournalTurn | null) =>
    turn?.userContent.map((block) => (block.type === 'text' ? block.text : block.tool_use_id))

  test('steering messages after the results, at once; queued ones only when the agent would be idle', async () => {
    await begun()
    await say('queued', 'queue')
    await say('steered', 'steer')
    const busy = await begun({ toolResults: [result('a')], idle: false, notes: ['a note'] })
    const idle = await begun()
    const nothing = await begin()
    expect([texts(busy), texts(idle), nothing]).toEqual([['a', 'steered', 'a note'], ['queued'], null])
  })

  test('each message once, in the order of arrival, and says so', async () => {
    const second = await say('second', 'queue')
    const third = await say('third', 'steer')
    db.published.length = 0
    const turn = await begun()
    expect(texts(turn)).toEqual(['first', 'second', 'third'])
    const { projectId, conversationId, taskId } = task
    const scope = { v: 1, projectId, conversationId, taskId, turn: 1, seq: expect.any(Number) as number }
    const at = { ...scope, at: expect.any(Number) as number }
    const { messageId } = turn
    expect(framesOf(db.published)).toEqual([
      ...[task, second, third].map((it) => ({ ...at, type: 'message.claimed', messageId: it.messageId })),
      { ...at, type: 'turn.started', role: 'coder' },
      { ...at, type: 'message.created', messageId, role: 'assistant', text: '' },
    ])
    expect(await begin()).toBeNull()
  })

  test('notices of its own lane, after the messages; a repeat of a key is one notice', async () => {
    const notice = (id: string, key: string, text: string, name: 'coder' | 'reviewer/1') =>
      addNotice(task.attempt, { id, lane: name, key, text })
    await notice('req_a', `a:${task.taskId}`, 'noticed', 'coder')
    await notice('req_b', `a:${task.taskId}`, 'noticed again', 'coder')
    await notice('req_c', `c:${task.taskId}`, 'for the reviewer', 'reviewer/1')
    expect(texts(await begin())).toEqual(['first', 'noticed'])
    expect(texts(await begin({ lane: 'reviewer/1' }))).toEqual(['for the reviewer'])
    expect(await begin({ lane: 'reviewer/1' })).toBeNull()
  })

  test('nothing, and changes nothing, when there is nothing to say', async () => {
    await begun()
    const before = await getTask(db, task.taskId)
    db.published.length = 0
    expect([await begin(), await begin({ notes: ['alone'] })]).toEqual([null, null])
    expect([await getTask(db, task.taskId), db.published]).toEqual([before, []])
  })

  test('a nudge is a reason to go on by itself', async () => {
    await begun()
    expect(texts(await begin({ notes: ['go on'], idle: false }))).toEqual(['go on'])
  })

  test('once, when two attempts try at the same time', async () => {
    const turns = await Promise.all(Array.from({ length: 5 }, () => begin()))
    expect(turns.filter((turn) => turn !== null)).toHaveLength(1)
  })
})

describe('a reply', () => {
  test('comes back from the journal as it was stored: order of keys, odd texts, order of calls', async () => {
    const turn = await begun()
    const content: AssistantBlock[] = [
      { type: 'thinking', thinking: 'hm', signature: 'sig' },
      { type: 'text', text: 'Unicode 🙂 \u2028 "quoted" \0 nul' },
      use('toolu_b', { z: 1, a: { y: [1, 'two', null], b: false }, '10': 'x', '2': 'y', text: 'a\0b' }),
      use('toolu_a', {}),
    ]
    await store(turn, content)
    const [stored] = await lane()
    expect(JSON.stringify(stored?.reply)).toBe(JSON.stringify(content))
    expect(stored).toMatchObject({
      stopReason: 'tool_use',
      costUsd: 0.5,
      usage: { inputTokens: 10, outputTokens: 20, cacheReadTokens: 30, cacheWriteTokens: 40 },
    })
    expect(stored?.toolCalls.map((call) => [call.toolUseId, call.status, call.input])).toEqual([
      ['toolu_b', 'requested', '{"2":"y","10":"x","z":1,"a":{"y":[1,"two",null],"b":false},"text":"a\\u0000b"}'],
      ['toolu_a', 'requested', '{}'],
    ])
  })

  test('is stored once: a second one is a conflict, changes nothing and is not paid twice', async () => {
    const turn = await begun()
    await store(turn, [{ type: 'text', text: 'the first' }])
    db.published.length = 0
    await expect(store(turn, [use('toolu_x')])).rejects.toMatchObject({ code: 'journal_conflict', retryable: false })
    await expect(beginModelCall(task.attempt, turn.turn)).rejects.toMatchObject({ code: 'journal_conflict' })
    const [stored] = await lane()
    expect([stored?.reply, stored?.toolCalls, db.published]).toEqual([[{ type: 'text', text: 'the first' }], [], []])
    expect(await getTask(db, task.taskId)).toMatchObject({ costUsd: 0.5, usage: { inputTokens: 10 } })
  })

  test('is told: its parts, its calls, and the end of the turn when it has none', async () => {
    const calling = await begun()
    db.published.length = 0
    await store(calling, [{ type: 'text', text: 'Let me see' }, use('toolu_1', { command: 'ls' })])
    const answering = await begun({ toolResults: [result('toolu_1')], idle: false })
    await store(answering, [{ type: 'text', text: 'Done' }])
    const { messageId } = calling
    const told = framesOf(db.published).filter((frame) => !['turn.started', 'message.created'].includes(frame.type))
    expect(told).toMatchObject([
      {
        type: 'message.completed',
        messageId,
        complete: false,
        parts: [{ partId: `${messageId}:0`, type: 'text', text: 'Let me see' }],
      },
      { type: 'tool.requested', toolUseId: 'toolu_1', partId: `${messageId}:1`, input: { command: 'ls' }, messageId },
      { type: 'message.completed', messageId: answering.messageId },
      { type: 'turn.finished', turn: 2, role: 'coder', stopReason: 'end_turn', costUsd: 0.5 },
    ])
  })

  test('without a known price counts as unpriced, and the sum is not known then', async () => {
    await storeReply(task.attempt, aStoredReply(await begun(), undefined, { costUsd: null }))
    expect((await getTask(db, task.taskId)).costUsd).toBeNull()
  })

  test('that uses one id twice in a task is refused, since results could not be told apart', async () => {
    const first = await begun()
    await store(first, [use('toolu_1')])
    const second = await begun({ toolResults: [result('toolu_1')], idle: false })
    await expect(store(second, [use('toolu_1')])).rejects.toMatchObject({ code: 'model_rejected' })
    expect((await lane()).map((turn) => [turn.reply !== null, turn.toolCalls.length])).toEqual([
      [true, 1],
      [false, 0],
    ])
  })

  test('asked for again tells readers to drop what the call before streamed', async () => {
    const turn = await begun()
    db.published.length = 0
    await beginModelCall(task.attempt, turn.turn)
    await beginModelCall(task.attempt, turn.turn)
    expect(framesOf(db.published).map(({ type, turn: of, attempt }) => [type, of, attempt])).toEqual([
      ['turn.reset', 1, 2],
      ['turn.reset', 1, 3],
    ])
  })
})

describe('a tool call', () => {
  beforeEach(async () => {
    await store(await begun(), [use('toolu_1'), use('toolu_2')])
    db.published.length = 0
  })

  test('goes requested, started with its effect, finished with its result; the last one ends the turn', async () => {
    const call = (await done('toolu_1')).call
    const effect = { kind: 'command', command: 'true', cwd: '/workspace' } as const
    await startTool(task.attempt, call, effect)
    await startTool(task.attempt, call, effect)
    expect((await done('toolu_1')).call).toMatchObject({ status: 'started', effect })
    await finishTools(task.attempt, 'coder', [await done('toolu_1')])
    await finishTools(task.attempt, 'coder', [await done('toolu_2', { result: 'no', isError: true })])
    expect(typesOf(framesOf(db.published))).toEqual([
      'tool.started',
      'command.started',
      'tool.finished',
      'tool.started',
      'tool.finished',
      'turn.finished',
    ])
    expect((await lane())[0]?.toolCalls).toMatchObject([
      { status: 'finished', result: 'ok', isError: false },
      { status: 'finished', result: 'no', isError: true },
    ])
    expect(await unfinishedCalls(db, task.taskId)).toEqual([])
  })

  test('keeps its first result: a repeat changes nothing and tells nothing', async () => {
    const finished = [await done('toolu_1'), await done('toolu_2')]
    await finishTools(task.attempt, 'coder', finished)
    const before = await lane()
    db.published.length = 0
    await finishTools(
      task.attempt,
      'coder',
      finished.map((entry) => ({ ...entry, result: 'another', isError: true })),
    )
    await startTool(task.attempt, finished[0]?.call ?? (await done('toolu_1')).call, {
      kind: 'command',
      command: 'other',
      cwd: '/',
    })
    expect((await lane())[0]?.toolCalls).toEqual(before[0]?.toolCalls)
    expect(typesOf(framesOf(db.published)).filter((type) => type !== 'command.started')).toEqual([])
  })

  test('keeps a result with NUL, lone surrogates and any bytes, with NUL shown as a replacement', async () => {
    const odd = 'a\0b\u{d800}c\u{1f642}\r\n\t\u001b[31m'
    await finishTools(task.attempt, 'coder', [await done('toolu_1', { result: odd })])
    expect((await done('toolu_1')).call.result).toBe('a\u{fffd}b\u{fffd}c\u{1f642}\r\n\t\u001b[31m')
    const [finished] = framesOf(db.published).filter((frame) => frame.type === 'tool.finished')
    expect(finished?.['result']).toBe(odd)
  })

  test('that never finished is found by whoever ends the task', async () => {
    await finishTools(task.attempt, 'coder', [await done('toolu_1')])
    expect((await unfinishedCalls(db, task.taskId)).map((call) => call.toolUseId)).toEqual(['toolu_2'])
  })
})

test('a reply that was cut off is kept for people and not for the model', async () => {
  const turn = await begun()
  db.published.length = 0
  const parts = [{ partId: `${turn.messageId}:0`, type: 'text', text: 'half a sen\0' }] as const
  await interruptTurn(task.attempt, turn, parts)
  await interruptTurn(task.attempt, turn, parts)
  expect((await lane())[0]?.reply).toBeNull()
  const { items } = await listMessages(db, task.conversationId, { limit: 10 })
  expect(items.at(-1)).toMatchObject({
    id: turn.messageId,
    status: 'cancelled',
    text: 'half a sen\u{fffd}',
    parts: [{ type: 'text', text: 'half a sen\u{fffd}' }],
  })
  expect(framesOf(db.published)).toMatchObject([
    { type: 'message.completed', interrupted: true, complete: false, parts },
  ])
})

test('what a broken call cost is added to the task', async () => {
  const spent = { ...NO_USAGE, inputTokens: 7, outputTokens: 3 }
  await recordSpent(task.attempt, { usage: spent, costUsd: 0.25 })
  await recordSpent(task.attempt, { usage: spent, costUsd: 0.25 })
  expect(await getTask(db, task.taskId)).toMatchObject({
    costUsd: 0.5,
    usage: { ...NO_USAGE, inputTokens: 14, outputTokens: 6 },
  })
})

test('a budget is warned of once a kind and limit: event, notice and mark', async () => {
  await begun()
  const mark = { scope: 'task', kind: 'usd', used: 4, limit: 5, note: 'nearly used' } as const
  db.published.length = 0
  await warnBudget(task.attempt, [mark])
  await warnBudget(task.attempt, [
    { ...mark, used: 4.5 },
    { scope: 'day', kind: 'turns', used: 8, limit: 10, note: 'turns too' },
  ])
  expect(framesOf(db.published).map(({ type, scope, kind, used }) => [type, scope, kind, used])).toEqual([
    ['budget.warning', 'task', 'usd', 4],
    ['budget.warning', 'day', 'turns', 8],
  ])
  expect((await getTask(db, task.taskId)).budgetWarned).toEqual(['usd', 'day:turns'])
  expect((await begin())?.userContent).toEqual(['nearly used', 'turns too'].map((text) => ({ type: 'text', text })))
})

test('turns of several tasks are read in the order of the tasks given', async () => {
  const first = await begun()
  const other = await aRunningTask(db)
  await beginTurn(other.attempt, { lane: 'coder', messageId: newId('msg'), toolResults: [], notes: [], idle: true })
  const turns = await readTurns(db, [other.taskId, task.taskId], 'coder')
  expect(turns.map((turn) => turn.taskId)).toEqual([other.taskId, first.taskId])
})

test('a finding and a fix prompt may hold anything that a reviewer can write, NUL included', async () => {
  const review = { ...(await getTask(db, task.taskId)).review, status: 'fixing' as const }
  await openRound(task.attempt, { round: 1, treeHash: 'tree' }, [])
  const odd = 'it prints \0 and \u{d800}'
  const finding = {
    id: newId('fnd'),
    severity: 'blocking',
    claim: odd,
    evidence: odd,
    scenario: odd,
    state: 'open',
  } as const
  await finishRound(
    task.attempt,
    {
      ...{ round: 1, verdict: 'issues_found', summary: odd, review },
      findings: [{ ...finding, file: odd, criterionId: odd }],
      settled: [],
      fixNotice: { id: newId('req'), text: odd },
    },
    () => [],
  )
  const turn = await begun()
  const shown = 'it prints \u{fffd} and \u{fffd}'
  expect(turn.userContent.at(-1)).toEqual({ type: 'text', text: shown })
  const { rows } = await db.pool.query('SELECT claim, evidence, scenario, file FROM findings WHERE id = $1', [
    finding.id,
  ])
  expect(rows).toEqual([{ claim: shown, evidence: shown, scenario: shown, file: shown }])
})

test('seq has no hole over a whole task’s journal', async () => {
  await store(await begun(), [use('toolu_1')])
  await finishTools(task.attempt, 'coder', [await done('toolu_1')])
  await store(await begun({ toolResults: [result('toolu_1')], idle: false }), [{ type: 'text', text: 'Done' }])
  const events = await readEvents(db, { projectId: task.projectId, after: 0, limit: 100 })
  expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1))
})
