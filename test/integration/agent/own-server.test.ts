/** A task on a server of one's own: a window that nobody told us, calls written as text, replies that cannot be run. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Lane } from '../../../src/agent/lane.ts'
import { WRITTEN_CALL_NOTE } from '../../../src/agent/written-calls.ts'
import { createKnownLimits } from '../../../src/model/known-limits.ts'
import type { Model } from '../../../src/model/types.ts'
import { AppError } from '../../../src/shared/errors.ts'
import { type AgentHost, type AgentTask, anAgentHost, anAgentTask } from '../../support/agent-lane.ts'
import { framesOf } from '../../support/tasks.ts'

const WINDOW = 16_384

let host: AgentHost
beforeAll(async () => {
  host = await anAgentHost({ contextTokens: WINDOW, keepBodies: 400 })
  const limits = createKnownLimits({ compat: true, set: {} })
  Object.assign(host.deps, { profileOf: limits.profileOf, learnLimits: limits.learn })
})
afterEach(() => host.reset())
afterAll(() => host.close())

async function failureOf(task: AgentTask): Promise<AppError> {
  try {
    await task.run()
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('the task did not fail')
}

/** The texts of a task's requests. */
function promptsOf(task: AgentTask): string[] {
  const bodies = host.server.bodies() as { readonly metadata?: { readonly user_id?: string } }[]
  return bodies.filter((body) => body.metadata?.user_id === task.taskId).map((body) => JSON.stringify(body))
}

describe('a window that is learnt from the refusal', () => {
  test('a message that does not fit fails with the server’s sentence; the next message of the conversation works', async () => {
    const task = await anAgentTask(host, `Explain this. ${'a very long line of a log\n'.repeat(4_000)}`)
    const { code, message } = await failureOf(task)
    expect([code, message]).toEqual([
      'model_context_exceeded',
      expect.stringMatching(
        /^The conversation does not fit .* The server said: prompt is too long: \d+ tokens > 16384 maximum$/,
      ),
    ])
    await task.end({ kind: 'failed', reason: { code, message } })

    const next = await anAgentTask(host, { turns: [{ text: 'Hello.' }] }, { projectId: task.projectId })
    expect(await next.run()).toBe('idle')
    // Of the message a summary's few lines are left.
    const lines = promptsOf(next).map((prompt) => prompt.split('a very long line').length - 1 < 40)
    expect([next.asked().map((entry) => entry.status), lines]).toEqual([[200], [true]])
  })

  test('results are cut to what the window holds, those that were there before it was known too', async () => {
    const known = createKnownLimits({ compat: true, set: {} })
    Object.assign(host.deps, { profileOf: known.profileOf, learnLimits: known.learn })
    const reading = (n: number) => ({ name: 'bash', input: { command: `seq ${n}00000 ${n}09999` } })
    const task = await anAgentTask(host, {
      turns: [
        { text: 'I look.', tools: [1, 2, 3, 4].map(reading) },
        { text: 'Again.', tools: [5, 6, 7, 8].map(reading) },
        { text: 'Seen.' },
      ],
    })
    expect(await task.run()).toBe('idle')
    const statuses = task.asked().map((entry) => entry.status)
    expect([statuses[0], statuses.filter((status) => status !== 200).length, statuses.at(-1)]).toEqual([200, 1, 200])
    const { rows } = await host.db.pool.query<{ length: number }>(
      'SELECT length(result) AS length FROM tool_calls WHERE task_id = $1 ORDER BY turn, ordinal',
      [task.taskId],
    )
    const [first = 0, second = 0] = [rows.slice(0, 4), rows.slice(4)].map((part) =>
      part.reduce((sum, { length }) => sum + length, 0),
    )
    expect([first > 40_000, second < 14_000]).toEqual([true, true])
  })
})

describe('a call that is written as text', () => {
  const text = 'I will look.\n\n```json\n{"name": "bash", "arguments": {"command": "ls"}}\n```'

  test('is pointed out once; done rightly after that, the task goes on', async () => {
    const tools = [{ name: 'bash', input: { command: 'echo ran >> log' } }]
    const task = await anAgentTask(host, { turns: [{ text }, { text: 'Now.', tools }, { text: 'Done.' }] })
    expect([await task.run(), await task.contentOf('log')]).toEqual(['idle', 'ran\n'])
  })

  test('the second time the task ends and names the server', async () => {
    const task = await anAgentTask(host, { turns: [{ text, repeat: 5 }] })
    expect(await failureOf(task)).toMatchObject({
      code: 'model_calls_as_text',
      message: expect.stringContaining('does not parse tool calls'),
    })
    const told = promptsOf(task).map((prompt) => prompt.includes(WRITTEN_CALL_NOTE.slice(0, 40)))
    expect(told).toEqual([false, true])
  })
})

test('replies of nothing but calls that cannot be run are paid for twelve times', async () => {
  const tools = [{ name: 'write', input: { nonsense: '{{turn}}' } }]
  const task = await anAgentTask(host, { turns: [{ text: 'I write.', tools, repeat: 40 }] })
  expect([(await failureOf(task)).code, task.asked().length]).toEqual(['model_invalid_calls', 12])
})

test('a block that the server refuses by name is left out of this request and later ones, and people are told', async () => {
  const inner = host.deps.model
  let refusals = 0
  const strict: Model = {
    kind: inner.kind,
    async stream(request, options) {
      // The user's own words hold the script, and with it the word.
      const at = request.messages.findIndex(
        ({ content }, index) => index > 0 && JSON.stringify(content).includes('poison'),
      )
      const block = request.messages[at]?.content.findIndex((one) => JSON.stringify(one).includes('poison'))
      if (block === undefined) return await inner.stream(request, options)
      refusals += 1
      throw new AppError('model_rejected', `The server said: messages.${at}.content.${block}: is not taken`)
    },
  }
  const tools = (word: string) => [{ name: 'bash', input: { command: `echo ${word}` } }]
  const turns = [
    { text: 'One.', tools: tools('$((1)) poison') },
    { text: 'Two.', tools: tools('two') },
    { text: 'Done.' },
  ]
  const task = await anAgentTask(host, { turns })
  const said: object[] = []
  Object.assign(host.deps, { logRepair: (fields: object) => said.push(fields) })
  expect(await task.run({ onLane: (lane) => void Object.assign(lane, { model: strict }) })).toBe('idle')
  const retried = framesOf(host.db.published).filter((frame) => frame.type === 'model.retrying')
  expect([refusals, retried.length, said.length]).toEqual([1, 1, 1])
  expect(retried[0]?.['message']).toMatch(/messages\.1\.content\.1: .*made again without what it names \(1 block/)
  expect((await task.turns()).map((turn) => turn.reply !== null)).toEqual([true, true, true])
})

test('a wait for the first event and a pause within the reply are told, and another model’s reply is not priced as the one that was asked for', async () => {
  const inner = host.deps.model
  const slow: Model = {
    kind: inner.kind,
    async stream(request, options) {
      options.onReading?.({ waitedMs: 10_000, limitMs: 600_000, waitsFor: 'prompt' })
      options.onReading?.({ waitedMs: 20_000, limitMs: 600_000, waitsFor: 'prompt' })
      options.onReading?.({ waitedMs: 30_000, limitMs: 300_000, waitsFor: 'reply' })
      const reply = await inner.stream(request, options)
      return { ...reply, model: 'qwen2.5-coder', costUsd: null }
    },
  }
  const task = await anAgentTask(host, { turns: [{ text: 'Done.' }] })
  const onLane = (lane: Lane) => void Object.assign(lane, { model: slow })
  expect(await task.run({ onLane })).toBe('idle')
  const told = framesOf(host.db.published).flatMap((frame) =>
    ['model.reading', 'model.substituted'].includes(frame.type) ? [frame['message']] : [],
  )
  expect([told, (await task.turns())[0]?.costUsd]).toEqual([
    [
      'The model is still reading the prompt (10 s).',
      'The model is still reading the prompt (20 s).',
      'The model pauses within its reply (30 s); its server has sent nothing since.',
      'The server answered with the model "qwen2.5-coder" in place of "claude-haiku-4-5"; what that costs is not known.',
    ],
    null,
  ])
})
