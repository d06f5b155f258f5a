import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { saveContext } from '../../../src/db/project/contexts.ts'
import { promptTokens } from '../../../src/model/profiles.ts'
import type { WireRequest } from '../../../src/standin/wire.ts'
import { type AgentHost, type AgentTask, anAgentHost, anAgentTask } from '../../support/agent-lane.ts'

let host: AgentHost
beforeAll(async () => {
  host = await anAgentHost({ keepBodies: 400 })
})
afterAll(() => host.close())
beforeEach(() => host.reset())

const RULES = 'A line about the project, its scripts and its rules.\n'.repeat(60)
const CONTENT = 'const answer = 42 // and a word about why\n'.repeat(40)

/** A task that thinks, writes files and thinks again, in a project whose context has just been made. */
async function play(
  number: number,
  at: { readonly model?: string; readonly projectId?: string; readonly words?: string; readonly calls?: number },
): Promise<AgentTask> {
  const tools = [{ name: 'write', input: { file_path: `part-${number}-{{n}}.js`, content: CONTENT } }]
  const turns = [
    { thinking: 'First this.', text: 'Part {{n}}.', tools, repeat: at.calls ?? 3 },
    { thinking: 'Now that.', text: `Task ${number} is done.` },
  ]
  const script = `${at.words ?? ''}Task ${number}.\nscript: ${JSON.stringify({ turns })}`
  const task = await anAgentTask(host, script, {
    ...(at.model === undefined ? {} : { model: at.model }),
    ...(at.projectId === undefined ? {} : { projectId: at.projectId }),
  })
  const markdown = `${RULES}- part-${number - 1} is a new file in the root\n`
  const context = { projectId: task.projectId, hash: `h${number}`, markdown, tokens: 1_500, sources: [] }
  await saveContext(host.db, context)
  await host.db.pool.query('UPDATE tasks SET context_hash = $2 WHERE id = $1', [task.taskId, `h${number}`])
  expect(await task.run()).toBe('idle')
  await task.end()
  return task
}

function bodiesOf(task: AgentTask): WireRequest[] {
  return (host.server.bodies() as WireRequest[]).filter((body) => body.metadata?.user_id === task.taskId)
}

const statusOf = (task: AgentTask) => task.asked().map((entry) => [entry.status, entry.error])
const isThinking = (message: WireRequest['messages'][number]) => JSON.stringify(message).includes('"type":"thinking"')

describe.each(['claude-haiku-4-5', 'claude-haiku-5-5', 'claude-sonnet-5-5', 'claude-opus-5-5', 'claude-fable-5-1'])(
  'three tasks of %s whose context changes from one to the next',
  (model) => {
    test('are never refused, send one static prefix, and think on within a task', async () => {
      const first = await play(1, { model })
      const { projectId } = first
      const second = await play(2, { model, projectId })
      const third = await play(3, { model, projectId, words: 'remember: we use tabs.\n' })
      const tasks = [first, second, third]
      expect(tasks.map(statusOf)).toEqual(tasks.map(() => Array.from({ length: 4 }, () => [200, null])))
      expect(new Set(tasks.flatMap(bodiesOf).map(({ system, tools }) => JSON.stringify([system, tools]))).size).toBe(1)

      const [last] = bodiesOf(third).slice(-1)
      const texts = JSON.stringify(last?.messages)
      expect([1, 2, 3].map((number) => texts.includes(`part-${number - 1} is a new file`))).toEqual([true, true, true])
      expect(texts).toContain('- we use tabs.')
      const own = last?.messages.findIndex((message) => JSON.stringify(message).includes('Task 3.')) ?? -1
      const thinks = model === 'claude-haiku-4-5' ? 0 : 3
      expect([
        last?.messages.slice(0, own).filter(isThinking).length,
        last?.messages.slice(own).filter(isThinking).length,
      ]).toEqual([0, thinks])
    })
  },
)

describe('the prompt cache', () => {
  test.each([
    ['claude-haiku-4-5', 3],
    ['claude-haiku-4-5', 30],
  ])(
    'of %s holds over a changed context: all that the task before was told is read, after %i calls too',
    async (model, calls) => {
      const first = await play(1, { model, calls })
      const second = await play(2, { model, calls, projectId: first.projectId })
      const before = first.asked().at(-1)?.usage
      const [begins] = second.asked()
      expect(begins?.usage?.cacheReadTokens).toBeGreaterThanOrEqual(before ? promptTokens(before) : Infinity)
    },
  )

  test('of a model that thinks holds up to the first words of the task before, whose thinking is not told again', async () => {
    const model = 'claude-sonnet-5-5'
    const first = await play(1, { model, calls: 30 })
    const { projectId } = first
    const second = await play(2, { model, calls: 30, projectId })
    const third = await play(3, { model, projectId })
    const [one, two, three] = [first, second, third].map((task) => task.asked()[0]?.usage)
    expect([two?.cacheReadTokens, three?.cacheReadTokens]).toEqual(
      [one, two].map((usage) => usage && promptTokens(usage)),
    )
  })
})

test('a task that began with an earlier version goes on with the static prefix that it had', async () => {
  const tools = [{ name: 'bash', input: { command: 'true # {{n}}' } }]
  const task = await anAgentTask(host, { turns: [{ text: 'On it.', tools, repeat: 2 }, { text: 'Done.' }] })
  const context = { projectId: task.projectId, hash: 'h', markdown: RULES, tokens: 1_500, sources: [] }
  await saveContext(host.db, context)
  await host.db.pool.query(`UPDATE tasks SET context_hash = 'h' WHERE id = $1`, [task.taskId])
  expect(await task.run({ isTimeUp: () => true })).toBe('continue')
  // As the earlier version had stored it at the first turn.
  const sql = `UPDATE task_memories SET opening = NULL, blocks = '["# Facts of then"]' WHERE task_id = $1`
  await host.db.pool.query(sql, [task.taskId])
  expect(await task.run()).toBe('idle')
  const [, ...since] = bodiesOf(task).map(({ system, messages }) => ({
    system: JSON.stringify(system),
    holdsContext: JSON.stringify(messages).includes('its rules'),
  }))
  expect(since).toEqual([1, 2].map(() => ({ system: since[0]?.system, holdsContext: false })))
  expect(since[0]?.system).toMatch(/# The project.*its rules.*# Facts of then/)
})
