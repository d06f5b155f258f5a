import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readEvents } from '../../../src/db/stream/events.ts'
import { armCrashPoint } from '../../../src/shared/crash-points.ts'
import { type AgentHost, type AgentTask, anAgentHost, anAgentTask, Crash } from '../../support/agent-lane.ts'
import { framesOf } from '../../support/tasks.ts'
import { waitFor } from '../../support/wait-for.ts'

let host: AgentHost
beforeAll(async () => {
  host = await anAgentHost()
})
afterAll(() => host.close())
beforeEach(() => host.reset())

/** Three turns with effects that can be counted, then an answer: four model calls. */
const SCRIPT = {
  turns: [
    { text: 'First.', tools: [{ name: 'bash', input: { command: 'echo one >> log' } }] },
    {
      tools: [
        { name: 'bash', input: { command: 'echo two >> log; sleep 0.1; echo two-b >> log' } },
        { name: 'write', input: { file_path: 'made.txt', content: 'made once\n' } },
        { name: 'bash', input: { command: 'echo three >> log' } },
      ],
    },
    {
      tools: [{ name: 'edit', input: { file_path: 'made.txt', old_string: 'once', new_string: 'once, edited once' } }],
    },
    { text: 'All done.' },
  ],
}
const CALLS = 4

/** What holds whatever died: each effect once, one stored reply a turn, one event a fact, no hole in the numbers. */
async function expectWhole(task: AgentTask): Promise<void> {
  expect(await task.contentOf('log')).toBe('one\ntwo\ntwo-b\nthree\n')
  expect(await task.contentOf('made.txt')).toBe('made once, edited once\n')
  const turns = await task.turns()
  expect(turns.map((turn) => turn.toolCalls.map((call) => [call.status, call.isError]))).toEqual([
    [['finished', false]],
    [
      ['finished', false],
      ['finished', false],
      ['finished', false],
    ],
    [['finished', false]],
    [],
  ])
  const { projectId } = task
  const frames = framesOf(await readEvents(host.db, { projectId, after: 0, limit: 500 }))
  expect(frames.map((frame) => frame.seq)).toEqual(frames.map((_, index) => index + 1))
  const facts = frames.filter((frame) => /^(tool|command|turn\.finished|file)/.test(frame.type))
  const names = facts.map((frame) => `${frame.type} ${String(frame['toolUseId'] ?? frame['path'] ?? frame['turn'])}`)
  const repeatable = names.filter((name) => !name.startsWith('file.changed'))
  expect(new Set(repeatable).size).toBe(repeatable.length)
  expect(names.filter((name) => name === 'file.changed made.txt')).toHaveLength(2)
  expect(task.asked().every((entry) => entry.status === 200)).toBe(true)
}

describe('a worker that dies', () => {
  test.each([
    ['turn.begun', 0],
    ['turn.begun@3', 0],
    ['model.streaming', 1],
    ['model.streaming@4', 1],
    ['reply.before_store', 1],
    ['reply.before_store@2', 1],
    ['reply.stored', 0],
    ['reply.stored@2', 0],
    ['reply.stored@4', 0],
    ['tool.started.before_effect', 0],
    ['tool.started.before_effect@2', 0],
    ['tool.started.before_effect@3', 0],
    ['tool.started.before_effect@5', 0],
    ['tool.effect.before_record', 0],
    ['tool.effect.before_record@2', 0],
    ['tool.effect.before_record@3', 0],
    ['tool.effect.before_record@5', 0],
    ['tools.recorded', 0],
    ['tools.recorded@3', 0],
  ])('at %s is replaced: every effect once, %i model calls repeated', async (spec, repeated) => {
    const task = await anAgentTask(host, SCRIPT)
    expect(await task.runThroughCrash(spec)).toEqual({ status: 'idle', crashes: 1 })
    await expectWhole(task)
    expect(task.asked()).toHaveLength(CALLS + repeated)
  })

  test('again and again, at every point in turn, still does everything once', async () => {
    const task = await anAgentTask(host, SCRIPT)
    const points = [
      'turn.begun',
      'model.streaming',
      'reply.stored',
      'tool.started.before_effect',
      'tool.effect.before_record',
    ]
    let crashes = 0
    for (const point of [...points, ...points, ...points]) crashes += await crashOnce(task, point)
    expect(await task.run()).toBe('idle')
    expect(crashes).toBeGreaterThan(5)
    await expectWhole(task)
    // Only a call that was streaming when the worker died is made again.
    expect(task.asked().length - CALLS).toBeLessThanOrEqual(3)
  })

  test('while a command runs leaves it running; the next one waits for its end and gets its output', async () => {
    const task = await anAgentTask(host, {
      turns: [
        { tools: [{ name: 'bash', input: { command: 'echo begun >> log; sleep 1; echo ended >> log; echo said' } }] },
        { text: 'Done.' },
      ],
    })
    const abort = new AbortController()
    const running = task.run({ signal: abort.signal }).catch((error: unknown) => error)
    await waitFor(async () => (await task.sandbox.execs(task.taskId)).length > 0, 'the command runs')
    abort.abort(new Error('WORKER_SHUTDOWN'))
    await running
    expect(await task.run()).toBe('idle')
    expect(await task.contentOf('log')).toBe('begun\nended\n')
    expect((await task.turns())[0]?.toolCalls).toMatchObject([{ result: 'exit code: 0\nsaid', isError: false }])
  })
})

/** 1 when the attempt died at the point, 0 when it never came there. */
async function crashOnce(task: AgentTask, point: string): Promise<number> {
  armCrashPoint(point, () => {
    throw new Crash(point)
  })
  try {
    await task.run({ isTimeUp: () => true })
    return 0
  } catch (error) {
    if (!Crash.isIn(error)) throw error
    return 1
  }
}
