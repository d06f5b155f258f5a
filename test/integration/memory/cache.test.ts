import { afterAll, beforeAll, expect, test } from 'vitest'
import { saveContext } from '../../../src/db/project/contexts.ts'
import { type AgentHost, anAgentHost, anAgentTask } from '../../support/agent-lane.ts'

let host: AgentHost
beforeAll(async () => {
  host = await anAgentHost()
})
afterAll(() => host.close())

/** A project context as large as it gets (a static prefix of about 4,800 tokens), and some 550 tokens a turn. */
const CONTEXT = 'A line about the project, its scripts and its rules.\n'.repeat(110)
const CONTENT = 'const answer = 42 // and a word about why\n'.repeat(40)

test.each([
  [15, 0.89],
  [30, 0.94],
  [60, 0.97],
])('a task of %i turns reads at least %f of its prompt tokens from the cache', async (turns, target) => {
  const tools = [{ name: 'write', input: { file_path: 'part-{{n}}.js', content: CONTENT } }]
  const script = { turns: [{ text: 'Part {{n}}.', tools, repeat: turns - 1 }, { text: 'Done.' }] }
  const task = await anAgentTask(host, script)
  const context = { projectId: task.projectId, hash: 'h', markdown: CONTEXT, tokens: 1_500, sources: [] }
  await saveContext(host.db, context)
  await host.db.pool.query(`UPDATE tasks SET context_hash = 'h' WHERE id = $1`, [task.taskId])
  expect(await task.run()).toBe('idle')

  const usage = task.asked().map((entry) => entry.usage)
  const sum = (key: 'inputTokens' | 'cacheReadTokens' | 'cacheWriteTokens') =>
    usage.reduce((total, one) => total + (one?.[key] ?? 0), 0)
  const read = sum('cacheReadTokens')
  const prompts = read + sum('inputTokens') + sum('cacheWriteTokens')
  expect(usage.length).toBe(turns)
  expect(read / prompts).toBeGreaterThanOrEqual(target)
  // Every prompt is marked to its end and begins with what the one before had: each token is written once, the static
  // prefix perhaps by the task before.
  const before = usage[0]?.cacheReadTokens ?? 0
  expect([sum('inputTokens'), before + sum('cacheWriteTokens')]).toEqual([
    0,
    (usage.at(-1)?.cacheReadTokens ?? 0) + (usage.at(-1)?.cacheWriteTokens ?? 0),
  ])
})
