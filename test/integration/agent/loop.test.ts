import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { STUCK_NOTE } from '../../../src/agent/stuck.ts'
import { listMessages } from '../../../src/db/project/conversations.ts'
import { raiseBudget } from '../../../src/db/task/requests.ts'
import { getTask } from '../../../src/db/task/tasks.ts'
import { profileFor } from '../../../src/model/profiles.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { type AgentHost, type AgentTask, anAgentHost, anAgentTask } from '../../support/agent-lane.ts'
import { framesOf, post } from '../../support/tasks.ts'
import { waitFor } from '../../support/wait-for.ts'

let host: AgentHost
beforeAll(async () => {
  host = await anAgentHost()
})
afterAll(() => host.close())
beforeEach(() => host.reset())

const bash = (command: string) => ({ name: 'bash', input: { command } })
const say = { text: 'All done.' }
const profile = profileFor('claude-haiku-4-5', { compat: false })
const room = profile.defaultMaxTokens

interface Body {
  readonly max_tokens: number
  readonly messages: readonly { readonly role: string; readonly content: unknown }[]
}

function bodies(): Body[] {
  return host.server.bodies() as Body[]
}

/** The request bodies of one task, in order. */
function bodiesOf(task: AgentTask): Body[] {
  return bodies().filter(
    (body) => (Reflect.get(body, 'metadata') as { user_id?: string } | undefined)?.user_id === task.taskId,
  )
}

function types(): string[] {
  return framesOf(host.db.published).map((frame) => frame.type)
}

describe('a task', () => {
  test('asks, runs, tells the results and asks again, each step journalled and told in its order', async () => {
    const task = await anAgentTask(host, {
      turns: [{ text: 'Let me see.', tools: [bash('echo hello > a.txt; cat a.txt')] }, say],
    })
    host.db.published.length = 0
    expect(await task.run()).toBe('idle')
    expect(types()).toEqual([
      ...['task.started', 'message.claimed', 'turn.started', 'message.created'],
      ...['message.completed', 'tool.requested', 'tool.started', 'command.started'],
      ...['command.finished', 'tool.finished', 'turn.finished'],
      ...['turn.started', 'message.created', 'message.completed', 'turn.finished'],
    ])
    const turns = await task.turns()
    expect(turns.map((turn) => [turn.stopReason, turn.toolCalls.map((call) => [call.status, call.result])])).toEqual([
      ['tool_use', [['finished', 'exit code: 0\nhello']]],
      ['end_turn', []],
    ])
    expect(task.asked().map((entry) => [entry.status, entry.sdkRetry, entry.messages])).toEqual([
      [200, 0, 1],
      [200, 0, 3],
    ])
    expect(await task.contentOf('a.txt')).toBe('hello\n')
  })

  test('streams text whose pieces join up to what is stored', async () => {
    const task = await anAgentTask(host, { turns: [{ text: 'Über 🙂 '.repeat(200) }] })
    await task.run()
    let have = ''
    for (const delta of host.deltas) {
      if (delta.type !== 'text.delta') continue
      expect(delta.payload.offset).toBe(have.length)
      have += delta.payload.delta
    }
    const [turn] = await task.turns()
    expect([{ type: 'text', text: have }]).toEqual(turn?.reply)
  })

  test('ends its slice at a turn boundary when the time is up, and goes on from there', async () => {
    const task = await anAgentTask(host, { turns: [{ tools: [bash('echo {{n}} >> log')], repeat: 3 }, say] })
    const statuses = []
    for (let i = 0; i < 4; i++) statuses.push(await task.run({ isTimeUp: () => true }))
    expect(statuses).toEqual(['continue', 'continue', 'continue', 'continue'])
    expect(await task.run({ isTimeUp: () => true })).toBe('idle')
    expect([await task.contentOf('log'), task.asked().length]).toEqual(['1\n2\n3\n', 4])
  })

  test('runs at most eight read-only calls of one reply at the same time', async () => {
    const reads = Array.from({ length: 20 }, () => ({ name: 'read', input: { file_path: 'a' } }))
    const task = await anAgentTask(host, { turns: [{ tools: [bash('echo a > a'), ...reads] }, say] })
    const now = { open: 0, most: 0 }
    const stat: Sandbox['stat'] = async (path) => {
      now.most = Math.max(now.most, ++now.open)
      try {
        return await task.sandbox.stat(path)
      } finally {
        now.open--
      }
    }
    const watched = new Proxy(task.sandbox, {
      get(sandbox, key) {
        if (key === 'stat') return stat
        const value: unknown = Reflect.get(sandbox, key)
        return typeof value === 'function' ? value.bind(sandbox) : value
      },
    })
    await task.run({ sandbox: watched })
    const results = (await task.turns())[0]?.toolCalls.slice(1).map((call) => call.result) ?? []
    expect([now.most, results]).toEqual([8, Array.from({ length: 20 }, () => '     1\ta')])
  })

  test('runs read-only calls that stand together at the same time, and the others in their order', async () => {
    const task = await anAgentTask(host, {
      turns: [
        {
          tools: [
            bash('echo a > a; echo b > b; echo c > c'),
            { name: 'read', input: { file_path: 'a' } },
            { name: 'read', input: { file_path: 'b' } },
            { name: 'read', input: { file_path: 'c' } },
            bash('echo changed > a'),
            { name: 'read', input: { file_path: 'a' } },
          ],
        },
        say,
      ],
    })
    const reads = { now: 0, most: 0 }
    const read: Sandbox['read'] = async (...args) => {
      reads.most = Math.max(reads.most, ++reads.now)
      try {
        return await task.sandbox.read(...args)
      } finally {
        reads.now--
      }
    }
    const watched = new Proxy(task.sandbox, {
      get(sandbox, key) {
        if (key === 'read') return read
        const value: unknown = Reflect.get(sandbox, key)
        return typeof value === 'function' ? value.bind(sandbox) : value
      },
    })
    await task.run({ sandbox: watched })
    const results = (await task.turns())[0]?.toolCalls.map((call) => call.result) ?? []
    expect(results.map((result) => /[a-c]$|changed/.exec(result ?? '')?.[0] ?? '')).toEqual([
      '',
      'a',
      'b',
      'c',
      '',
      'changed',
    ])
    expect(reads.most).toBe(3)
  })

  test('a call with an input of 200 KB and 200 calls in one reply are each run, stored and told', async () => {
    const content = `${'é'.repeat(99)}\n`.repeat(1_000)
    const many = Array.from({ length: 200 }, (_, at) => ({
      name: 'read',
      input: { file_path: 'big.txt', offset: at + 1, limit: 1 },
    }))
    const task = await anAgentTask(host, {
      turns: [{ tools: [{ name: 'write', input: { file_path: 'big.txt', content } }] }, { tools: many }, say],
    })
    expect(await task.run()).toBe('idle')
    const [write, reads] = (await task.turns()).map((turn) => turn.toolCalls)
    expect([
      (await task.contentOf('big.txt')) === content,
      write?.map((call) => [call.isError, call.input.length > content.length]),
      reads?.filter((call) => call.status === 'finished' && !call.isError && call.result?.includes('éé')).length,
      task.asked().every((entry) => entry.status === 200),
    ]).toEqual([true, [[false, true]], 200, true])
  })

  test('tells the model of a tool that does not exist, or of input that does not fit, and goes on', async () => {
    const task = await anAgentTask(host, {
      turns: [
        {
          tools: [
            { name: 'fly', input: {} },
            { name: 'bash', input: { commando: 'ls' } },
          ],
        },
        say,
      ],
    })
    expect(await task.run()).toBe('idle')
    const calls = (await task.turns())[0]?.toolCalls ?? []
    expect(calls.map((call) => call.isError)).toEqual([true, true])
    expect(calls[0]?.result).toContain('There is no tool fly; there are: bash')
  })
})

describe('messages while it works', () => {
  test('steering ones reach the model after the results, queued ones when it would be idle, all in one task', async () => {
    const task = await anAgentTask(host, { turns: [{ tools: [bash('true')] }, say] })
    const { projectId, conversationId } = task
    const steer = () => post(host.db, { projectId, conversationId, text: 'steered' })
    const queue = () => post(host.db, { projectId, conversationId, text: 'queued', delivery: 'queue' })
    let polled = false
    await task.run({
      onLane(lane) {
        const finishTools = lane.journal.finishTools.bind(lane.journal)
        Object.assign(lane.journal, {
          async finishTools(...args: Parameters<typeof finishTools>) {
            await finishTools(...args)
            if (!polled) await Promise.all([steer(), queue()])
            polled = true
          },
        })
      },
    })
    const contents = (await task.turns()).map((turn) =>
      turn.userContent.map((block) => (block.type === 'text' ? block.text.slice(0, 7) : 'result')),
    )
    expect(contents).toEqual([['script:'], ['result', 'steered'], ['queued']])
    expect(task.asked().every((entry) => entry.status === 200)).toBe(true)
  })
})

describe('a reply that was cut', () => {
  test.each([
    ['alone', { tools: [bash('echo ran >> log')] }],
    ['after words', { text: 'Let me run it.', tools: [bash('echo ran >> log')] }],
  ])('inside a tool call %s is asked for again with twice the room, paid for, and never run', async (_, turn) => {
    const task = await anAgentTask(host, { turns: [turn, say] })
    host.server.arm({ kind: 'half_tool', match: { turn: 1 } })
    host.db.published.length = 0
    expect(await task.run()).toBe('idle')
    expect(bodiesOf(task).map((body) => [body.max_tokens, body.messages.length])).toEqual([
      [room, 1],
      [room * 2, 1],
      [room, 3],
    ])
    expect(await task.contentOf('log')).toBe('ran\n')
    expect(types().filter((type) => type === 'turn.reset')).toHaveLength(1)
    const paid = task.asked().reduce((sum, entry) => sum + (entry.usage?.outputTokens ?? 0), 0)
    const { usage, costUsd } = await getTask(host.db, task.taskId)
    expect(usage.outputTokens).toBe(paid)
    expect(costUsd).toBeGreaterThan((await task.turns()).reduce((sum, it) => sum + (it.costUsd ?? 0), 0))
  })

  test('three times inside a tool call is given up with a code', async () => {
    const task = await anAgentTask(host, { turns: [{ tools: [bash('echo ran >> log')] }, say] })
    host.server.arm({ kind: 'half_tool', times: 10 })
    await expect(task.run()).rejects.toMatchObject({ code: 'model_output_exceeded' })
    expect(bodiesOf(task).map((body) => body.max_tokens)).toEqual(
      [room, room * 2, room * 4].map((it) => Math.min(it, profile.maxOutputTokens)),
    )
    expect((await task.turns())[0]?.toolCalls).toEqual([])
  })

  test('inside its text is kept, and the model is asked to go on', async () => {
    const task = await anAgentTask(host, { turns: [{ text: 'One long answer in many words.' }, say] })
    host.server.arm({ kind: 'half_text', match: { turn: 1 } })
    expect(await task.run()).toBe('idle')
    const turns = await task.turns()
    expect(turns.map((turn) => turn.stopReason)).toEqual(['max_tokens', 'end_turn'])
    expect(turns[1]?.userContent).toEqual([
      { type: 'text', text: 'Notice: your reply was cut off because it was too long. Continue where it stopped.' },
    ])
  })
})

describe('a reply that says nothing', () => {
  test('is nudged', async () => {
    const task = await anAgentTask(host, { turns: [say] })
    host.server.arm({ kind: 'empty_reply', match: { turn: 1 } })
    expect(await task.run()).toBe('idle')
    const turns = await task.turns()
    expect(turns.at(-1)?.reply).toEqual([{ type: 'text', text: 'All done.' }])
    expect(task.asked().map((entry) => entry.status)).toEqual([200, 200])
  })

  test('is nudged twice at most', async () => {
    const task = await anAgentTask(host, { turns: [say] })
    host.server.arm({ kind: 'empty_reply', times: 10 })
    expect(await task.run()).toBe('idle')
    expect(task.asked()).toHaveLength(3)
  })
})

test('a refusal ends the work, and what was said before it is neither shown again nor kept', async () => {
  const task = await anAgentTask(host, { turns: [say] })
  host.server.arm({ kind: 'refusal' })
  expect(await task.run()).toBe('refused')
  expect((await task.turns()).map((turn) => [turn.stopReason, turn.reply])).toEqual([['refusal', []]])
  await task.end({ kind: 'completed', outcome: 'refused', review: (await getTask(host.db, task.taskId)).review })
  const next = await anAgentTask(host, { turns: [{ text: 'Gladly.' }] }, { projectId: task.projectId })
  expect(await next.run()).toBe('idle')
  const [body] = bodiesOf(next)
  expect(body?.messages.map((message) => message.role)).toEqual(['user'])
})

test('five equal turns in a row are stuck; the model was told after the third', async () => {
  const task = await anAgentTask(host, { turns: [{ tools: [bash('echo same')], repeat: 20 }] })
  expect(await task.run()).toBe('stuck')
  const turns = await task.turns()
  const told = turns.map((turn) => turn.userContent.some((block) => block.type === 'text' && block.text === STUCK_NOTE))
  expect(told).toEqual([false, false, false, true, false])
  expect(await task.run()).toBe('stuck')
  expect(task.asked()).toHaveLength(5)
})

describe('a budget', () => {
  test('of turns is warned of at four fifths, stops the work when reached, and lets it go on when raised', async () => {
    const task = await anAgentTask(
      host,
      { turns: [{ tools: [bash('echo {{n}} >> log')], repeat: 6 }, say] },
      { budget: { maxTurns: 5 } },
    )
    host.db.published.length = 0
    expect(await task.run()).toBe('needs_budget')
    const turns = await task.turns()
    const told = turns.map((turn) => turn.userContent.flatMap((block) => (block.type === 'text' ? [block.text] : [])))
    expect([turns.length, told.slice(1).flat()]).toEqual([
      5,
      ["Notice: 4 of 5 turns of this task's budget are used. Bring the work to a good end soon."],
    ])
    expect(types().filter((type) => type === 'budget.warning')).toHaveLength(1)
    expect(await task.run()).toBe('needs_budget')
    expect(task.asked()).toHaveLength(5)
    await raiseBudget(host.db, task.taskId, { maxTurns: 20 })
    expect(await task.run()).toBe('idle')
    expect(await task.contentOf('log')).toBe('1\n2\n3\n4\n5\n6\n')
  })

  test('of dollars counts what the model said it cost', async () => {
    const script = { turns: [{ tools: [bash('echo {{n}}')], repeat: 20 }, say] }
    const task = await anAgentTask(host, script, { budget: { maxUsd: 0.09 } })
    expect(await task.run()).toBe('needs_budget')
    const { costUsd } = await getTask(host.db, task.taskId)
    const asked = task.asked().length
    // The next call would at most have cost its 16,000 tokens of reply besides its prompt.
    expect([asked > 0, (costUsd ?? 1) < 0.09, (costUsd ?? 0) + 0.08 + 0.005 > 0.09]).toEqual([true, true, true])
    await raiseBudget(host.db, task.taskId, { maxUsd: 5 })
    expect(await task.run()).toBe('idle')
    expect(task.asked()).toHaveLength(21)
  })

  test('that is smaller than the first call’s upper estimate asks the model nothing', async () => {
    const task = await anAgentTask(host, { turns: [say] }, { budget: { maxUsd: 0.05 } })
    expect([await task.run(), task.asked().length]).toEqual(['needs_budget', 0])
    await raiseBudget(host.db, task.taskId, { maxUsd: 1 })
    expect([await task.run(), task.asked().length]).toEqual(['idle', 1])
  })

  test('whose last turn ends the work is no reason to wait', async () => {
    const script = { turns: [{ tools: [bash('true')], repeat: 2 }, say] }
    const task = await anAgentTask(host, script, { budget: { maxTurns: 3 } })
    expect([await task.run(), task.asked().length]).toEqual(['idle', 3])
  })

  test('that is raised while the task runs holds from its next call on', async () => {
    const task = await anAgentTask(
      host,
      { turns: [{ tools: [bash('echo {{n}}')], repeat: 6 }, say] },
      { budget: { maxTurns: 2 } },
    )
    const status = await task.run({
      onLane({ journal }) {
        const finishTools = journal.finishTools.bind(journal)
        const raised = async (...finished: Parameters<typeof finishTools>): Promise<void> => {
          await raiseBudget(host.db, task.taskId, { maxTurns: 50 })
          await finishTools(...finished)
        }
        Object.assign(journal, { finishTools: raised })
      },
    })
    expect([status, types().includes('budget.reached')]).toEqual(['idle', false])
  })

  test('of minutes counts from the task’s start', async () => {
    const task = await anAgentTask(host, { turns: [say] }, { budget: { maxMinutes: 5 } })
    await host.db.pool.query(`UPDATE tasks SET started_at = now() - interval '6 minutes' WHERE id = $1`, [task.taskId])
    expect([await task.run(), task.asked().length]).toEqual(['needs_budget', 0])
  })
})

describe('an abort in the middle of a reply', () => {
  async function abortedWhileStreaming(reason: Error): Promise<{ task: AgentTask; failure: unknown }> {
    const task = await anAgentTask(host, { turns: [{ text: 'word '.repeat(400) }] })
    host.server.setPace({ tokensPerSecond: 200 })
    const abort = new AbortController()
    const running = task.run({ signal: abort.signal }).catch((error: unknown) => error)
    await waitFor(() => host.deltas.length > 3, 'text streams')
    abort.abort(reason)
    const failure = await running
    host.server.setPace({ tokensPerSecond: 0 })
    return { task, failure }
  }

  test('that ends the task keeps what had arrived, marked, and stores nothing for the model', async () => {
    const reason = new Error('CANCELLED')
    const { task, failure } = await abortedWhileStreaming(reason)
    expect(failure).toBe(reason)
    const { items } = await listMessages(host.db, task.conversationId, { limit: 10 })
    const shown = host.deltas.flatMap((delta) => (delta.type === 'text.delta' ? [delta.payload.delta] : [])).join('')
    expect(items.at(-1)).toMatchObject({ role: 'assistant', status: 'cancelled', text: shown })
    expect([shown.length > 0, (await task.turns())[0]?.reply]).toEqual([true, null])
    expect(framesOf(host.db.published).at(-1)).toMatchObject({ type: 'message.completed', interrupted: true })
    expect(task.asked()).toMatchObject([{ delivered: false }])
    await task.end({ kind: 'cancelled', killed: [] })
    const next = await anAgentTask(host, { turns: [say] }, { projectId: task.projectId })
    expect(await next.run()).toBe('idle')
    const texts = JSON.stringify(bodiesOf(next)[0]?.messages)
    expect([texts.includes('The user stopped'), texts.includes('word word'.repeat(2))]).toEqual([false, false])
    expect(texts).toContain('the user stopped the task before this one')
  })

  test('that only ends the attempt marks nothing; the next one tells readers to drop it and asks again', async () => {
    const { task, failure } = await abortedWhileStreaming(new Error('WORKER_SHUTDOWN'))
    expect(failure).toMatchObject({ message: 'WORKER_SHUTDOWN' })
    const status = async () => (await listMessages(host.db, task.conversationId, { limit: 10 })).items.at(-1)?.status
    expect([await status(), types().includes('message.completed')]).toEqual(['streaming', false])
    host.db.published.length = 0
    expect(await task.run()).toBe('idle')
    expect(types()).toEqual(['task.resumed', 'turn.reset', 'message.completed', 'turn.finished'])
    expect([await status(), task.asked().length, (await task.turns()).length]).toEqual(['completed', 2, 1])
  })
})

test('what the model said in an earlier task of the conversation is told to it again, unchanged', async () => {
  const first = await anAgentTask(host, { turns: [{ tools: [bash('echo one')] }, { text: 'First.' }] })
  await first.run()
  await first.end()
  const next = await anAgentTask(host, 'And now?', { projectId: first.projectId })
  expect(await next.run()).toBe('idle')
  const before = bodiesOf(first).at(-1)?.messages ?? []
  const after = bodiesOf(next)[0]?.messages ?? []
  const plain = (messages: readonly { role: string; content: unknown }[]) =>
    messages.map((message) => JSON.stringify(message).replaceAll(/,"cache_control":\{[^}]*\}/g, ''))
  expect(plain(after).slice(0, before.length)).toEqual(plain(before))
  expect(after.map((message) => message.role)).toEqual(['user', 'assistant', 'user', 'assistant', 'user'])
})
