import { afterAll, beforeAll, expect, test } from 'vitest'
import { assembleLane } from '../../../src/activities/open-lane.ts'
import { runLane } from '../../../src/agent/loop.ts'
import { getTask } from '../../../src/db/task/tasks.ts'
import { addNotice } from '../../../src/db/turn/notices.ts'
import { reviewerTools } from '../../../src/tools/registry.ts'
import { type AgentHost, anAgentHost, anAgentTask } from '../../support/agent-lane.ts'
import { framesOf } from '../../support/tasks.ts'

let host: AgentHost
beforeAll(async () => {
  host = await anAgentHost({ profile: { contextTokens: 12_000, compactAtTokens: 8_000 }, contextTokens: 12_000 })
})
afterAll(() => host.close())

test('a reviewer that reads much is compacted too, and keeps its prompt word for word', async () => {
  const files = Array.from({ length: 8 }, (_, n) => ({ path: `f${n}.js`, data: `const f${n} = 1\n`.repeat(40) }))
  const tools = files.map(({ path }) => ({ name: 'read', input: { file_path: path } }))
  const task = await anAgentTask(host, { turns: [{ text: 'Written.' }] })
  await task.sandbox.write(files)
  expect(await task.run()).toBe('idle')

  const attempt = task.attempt()
  const prompt = `Review round 1. Judge the change.\nscript: ${JSON.stringify({ turns: [], reviews: [{ verdict: 'APPROVED', tools }] })}`
  await addNotice(attempt, { id: 'req_review', lane: 'reviewer/1', key: 'review:1', text: prompt })
  const run = {
    id: 'review/1',
    activity: 'reviewChanges',
    attempt: 1,
    onProgress: () => undefined,
    signal: new AbortController().signal,
  }
  const ask = {
    name: 'reviewer/1',
    task: await getTask(host.db, task.taskId),
    attempt,
    sandbox: task.sandbox,
    run,
  } as const
  const lane = assembleLane(host.deps, ask, {
    system: ['You review.'],
    tools: reviewerTools,
    earlier: [],
    turns: [],
    firstNotes: [],
    maxTurns: 10,
    isAnswered: () => false,
  })
  const before = task.asked().length
  host.server.arm({ kind: 'prompt_too_long', match: { lane: 'reviewer', turn: 3 } })
  await runLane(lane, () => false)

  const asked = task.asked().slice(before)
  const bodies = host.server
    .bodies()
    .slice(-asked.length)
    .map((body) => JSON.stringify(body))
  expect(bodies.filter((body) => !body.includes('Judge the change.'))).toEqual([])
  const compacted = framesOf(host.db.published).filter((frame) => frame.type === 'context.compacted')
  const { rows } = await host.db.pool.query('SELECT lane FROM compactions WHERE task_id = $1', [task.taskId])
  expect([compacted.length, rows]).toEqual([1, [{ lane: 'reviewer/1' }]])
})
