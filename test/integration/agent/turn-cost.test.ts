/** What a turn costs in statements and transactions: counted, with checkpoints, as a slice of a worker makes them. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { countStatements } from '../../../bench/count-statements.ts'
import { createCheckpointer } from '../../../src/activities/checkpoints.ts'
import { readEvents } from '../../../src/db/stream/events.ts'
import { Attempt } from '../../../src/db/task/attempt.ts'
import { getTask } from '../../../src/db/task/tasks.ts'
import { recordCheckpoint } from '../../../src/db/workspace/checkpoints.ts'
import { newId } from '../../../src/shared/ids.ts'
import { NO_DIFF } from '../../../src/shared/task.ts'
import { type AgentHost, type AgentTask, anAgentHost, anAgentTask } from '../../support/agent-lane.ts'
import { framesOf } from '../../support/tasks.ts'

let host: AgentHost
beforeAll(async () => {
  host = await anAgentHost()
})
afterAll(() => host.close())

const TURNS = 4

async function costOf(
  turns: number,
  tool: { name: string; input: object } | null,
): Promise<{ task: AgentTask; statements: number; transactions: number }> {
  const repeated = tool === null ? [] : [{ tools: [tool], repeat: turns }]
  const task = await anAgentTask(host, { turns: [...repeated, { text: 'Done.' }] })
  const treeHash = await task.sandbox.checkpoint()
  const { statements, transactions } = await countStatements(() =>
    task.run({
      async onLane(lane) {
        await recordCheckpoint(
          task.attempt(),
          { id: newId('ckp'), turn: 0, treeHash, label: 'before', stat: NO_DIFF },
          [],
        )
        const attempt = new Attempt(host.db, await getTask(host.db, task.taskId))
        const at = { attempt, sandbox: task.sandbox }
        const checkpointer = createCheckpointer(host.deps, at, (...made) => lane.journal.recordCheckpoint(...made))
        Object.assign(lane, { onToolsDone: checkpointer.afterTools })
      },
    }),
  )
  return { task, statements, transactions }
}

describe('a turn costs two transactions and at most six statements', () => {
  test.each([
    ['writing', { name: 'write', input: { file_path: 'made-{{n}}.txt', content: 'line {{n}}\n' } }],
    ['shell', { name: 'bash', input: { command: 'echo {{n}} >> log' } }],
    ['reading', { name: 'grep', input: { pattern: 'nothing-{{n}}' } }],
  ])('%s', async (_, tool) => {
    const without = await costOf(0, null)
    const with_ = await costOf(TURNS, tool)
    const aTurn = {
      transactions: (with_.transactions - without.transactions) / TURNS,
      statements: (with_.statements - without.statements) / TURNS,
    }
    expect(aTurn.transactions).toBe(2)
    expect(aTurn.statements).toBeLessThanOrEqual(6)
    const turns = await with_.task.turns()
    expect(turns).toHaveLength(TURNS + 1)
  })
})

test('what a turn tells comes in the same order as ever, with its checkpoint before the next turn', async () => {
  const { task } = await costOf(1, { name: 'write', input: { file_path: 'made.txt', content: 'a line\n' } })
  const frames = framesOf(await readEvents(host.db, { projectId: task.projectId, after: 0, limit: 500 }))
  const types = frames.map(({ type }) => type)
  expect(types.slice(types.indexOf('turn.started'))).toEqual([
    ...['turn.started', 'message.created', 'message.completed', 'tool.requested', 'tool.started', 'file.changed'],
    ...['tool.finished', 'turn.finished', 'diff.updated', 'checkpoint.created'],
    ...['turn.started', 'message.created', 'message.completed', 'turn.finished'],
  ])
})
