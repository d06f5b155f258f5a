import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Lane } from '../../../src/agent/lane.ts'
import { type AgentHost, type AgentTask, anAgentHost, anAgentTask, Crash } from '../../support/agent-lane.ts'
import { framesOf, post } from '../../support/tasks.ts'

const WINDOW = 16_000
const MARK = 12_000

let host: AgentHost
beforeAll(async () => {
  host = await anAgentHost({
    profile: { contextTokens: WINDOW, compactAtTokens: MARK },
    contextTokens: WINDOW,
    keepBodies: 400,
  })
})
afterAll(() => host.close())
beforeEach(() => host.reset())

const FILLER = 'const answer = 42\n'.repeat(60)
const write = { name: 'write', input: { file_path: 'part-{{turn}}.js', content: FILLER } }
const END = { text: 'All parts are written.' }

function scripted(turns: number, words = 'Write the parts.'): string {
  return `${words}\nscript: ${JSON.stringify({ turns: [{ text: 'Part {{turn}}.', tools: [write], repeat: turns }, END] })}`
}

interface Body {
  readonly system: readonly { readonly text: string }[]
  readonly messages: readonly { readonly role: string; readonly content: readonly { readonly text?: string }[] }[]
}

/** The request bodies of one task, in order, as text without the marks that move. */
function bodiesOf(task: AgentTask): Body[] {
  return (host.server.bodies() as (Body & { readonly metadata?: { readonly user_id?: string } })[]).filter(
    (body) => body.metadata?.user_id === task.taskId,
  )
}

function textOf(body: Body): string {
  return [...body.system, ...body.messages.flatMap((message) => message.content)]
    .map((block) => block.text ?? '')
    .join('\n')
}

function compactedEvents(): { before: number; after: number }[] {
  return framesOf(host.db.published)
    .filter((frame) => frame.type === 'context.compacted')
    .map((frame) => ({ before: Number(frame['before']), after: Number(frame['after']) }))
}

async function storedCompactions(task: AgentTask): Promise<{ turn: number; text: string }[]> {
  const sql = 'SELECT turn, text FROM compactions WHERE task_id = $1 ORDER BY turn'
  return (await host.db.pool.query<{ turn: number; text: string }>(sql, [task.taskId])).rows
}

describe('a task of 200 turns in a window of a few', () => {
  test('is never refused, never beyond its mark, and keeps what the user said in every request', async () => {
    const request = scripted(200, 'Remember: prices are in cents\nWrite the parts.')
    const task = await anAgentTask(host, request)
    let boundaries = 0
    expect(await task.run({ isTimeUp: () => ++boundaries >= 60 })).toBe('continue')
    const steer = 'REMEMBER:   the port is 4000\nPlease keep the old exports.'
    await post(host.db, { projectId: task.projectId, text: steer })
    expect(await task.run()).toBe('idle')

    const asked = task.asked()
    const prompts = asked.map(({ usage }) =>
      usage ? usage.inputTokens + usage.cacheReadTokens + usage.cacheWriteTokens : 0,
    )
    expect(new Set(asked.map((entry) => entry.status))).toEqual(new Set([200]))
    expect(asked).toHaveLength(201)
    // A prompt passes the mark only by what the last round added.
    expect(Math.max(...prompts)).toBeLessThan(MARK + 1_000)

    const events = compactedEvents()
    const stored = await storedCompactions(task)
    expect(events.length).toBe(stored.length)
    expect(events.length).toBeGreaterThan(5)
    expect(events.filter(({ before, after }) => before < MARK || after >= MARK)).toEqual([])

    const bodies = bodiesOf(task).map(textOf)
    expect(bodies.filter((text) => !text.includes(request) || !text.includes('prices are in cents'))).toEqual([])
    const steered = bodies.findIndex((text) => text.includes(steer))
    expect([steered, bodies.slice(steered).every((text) => text.includes(steer))]).toEqual([60, true])

    const { rows } = await host.db.pool.query(
      `SELECT count(*)::int AS calls, count(DISTINCT input)::int AS files FROM tool_calls WHERE task_id = $1 AND NOT is_error`,
      [task.taskId],
    )
    expect(rows).toEqual([{ calls: 200, files: 200 }])
  }, 120_000)
})

/** Runs until the first compaction was stored and dies there. */
async function dieAtCompaction(task: AgentTask, when: 'before' | 'after'): Promise<void> {
  const onLane = (lane: Lane): void => {
    const store = lane.journal.storeCompaction.bind(lane.journal)
    lane.journal.storeCompaction = async (compaction) => {
      if (when === 'after') await store(compaction)
      throw new Crash('compaction')
    }
  }
  await expect(task.run({ onLane })).rejects.toThrow(Crash)
}

describe('a worker that dies around a compaction', () => {
  test('after it was stored: the next attempt sends the very same text, and people are told once', async () => {
    const task = await anAgentTask(host, scripted(30))
    await dieAtCompaction(task, 'after')
    const [first] = await storedCompactions(task)
    const asked = task.asked().length
    expect(await task.run()).toBe('idle')
    const next = bodiesOf(task)[asked]
    expect(next?.messages[0]?.content[0]?.text).toBe(first?.text)
    const stored = await storedCompactions(task)
    expect([stored[0], compactedEvents().length]).toEqual([first, stored.length])
    expect(task.asked().map((entry) => entry.status)).toEqual(Array.from({ length: 31 }, () => 200))
  })

  test('before it was stored: the next attempt decides it anew, once', async () => {
    const task = await anAgentTask(host, scripted(30))
    await dieAtCompaction(task, 'before')
    expect([await storedCompactions(task), compactedEvents()]).toEqual([[], []])
    expect(await task.run()).toBe('idle')
    const stored = await storedCompactions(task)
    expect([stored.length, new Set(stored.map((row) => row.turn)).size]).toEqual([
      compactedEvents().length,
      stored.length,
    ])
    expect(task.asked()).toHaveLength(31)
  })
})

describe('a model that says its window is exceeded', () => {
  const kinds = ['prompt_too_long', 'context_window'] as const
  test.each(kinds)('(%s) is asked again with a compacted history, once', async (kind) => {
    const task = await anAgentTask(host, scripted(6))
    host.server.arm({ kind, skip: 4 })
    expect(await task.run()).toBe('idle')
    expect([(await storedCompactions(task)).map((row) => row.turn), compactedEvents().length]).toEqual([[5], 1])
    expect(task.asked()).toHaveLength(8)
    expect(textOf(bodiesOf(task).at(-1) ?? { system: [], messages: [] })).toContain('Write the parts.')
  })

  test('twice in a row ends the task with the reason', async () => {
    const task = await anAgentTask(host, scripted(6))
    host.server.arm({ kind: 'prompt_too_long', skip: 4, times: 2 })
    await expect(task.run()).rejects.toMatchObject({ code: 'model_context_exceeded' })
    expect([task.asked().length, (await storedCompactions(task)).length]).toEqual([6, 1])
  })

  test('of one message that is larger than it ends the task: nothing can go', async () => {
    const task = await anAgentTask(host, 'word '.repeat(18_000))
    await expect(task.run()).rejects.toMatchObject({ code: 'model_context_exceeded' })
    expect([task.asked().length, await storedCompactions(task)]).toEqual([1, []])
  })
})
