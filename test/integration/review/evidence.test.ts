import { afterAll, beforeAll, expect, test } from 'vitest'
import { finishRound, openRound, saveChecks } from '../../../src/db/review/reviews.ts'
import { getTask } from '../../../src/db/task/tasks.ts'
import { aRunningTask } from '../../support/tasks.ts'
import { aServerWithStores, type TestServer, TOKEN } from '../server/harness.ts'

let server: TestServer
beforeAll(async () => {
  server = await aServerWithStores()
})
afterAll(() => server?.close())

async function read(taskId: string): Promise<{ status: number; body: unknown }> {
  const headers = { authorization: `Bearer ${TOKEN}` }
  const response = await fetch(`${server.url}/api/tasks/${taskId}/evidence`, { headers })
  return { status: response.status, body: await response.json() }
}

test('a task’s evidence names its commands with the files around them, its checks, and what its last words rest on', async () => {
  const { db } = server
  const projectId = await server.aProject()
  const { taskId, conversationId, attempt } = await aRunningTask(db, { projectId })
  const add = async (text: string, values: unknown[]) => void (await db.pool.query(text, values))
  for (const [turn, tree] of [
    [0, 'start'],
    [2, 'end'],
  ] as const) {
    await add(
      `INSERT INTO checkpoints (id, project_id, task_id, turn, tree_hash, label, files, added, removed)
       VALUES ($1, $2, $3, $4, $5, '', 1, 1, 0)`,
      [`${taskId}-${turn}`, projectId, taskId, turn, tree],
    )
  }
  for (const [turn, code] of [
    [1, 1],
    [2, 0],
  ] as const) {
    await add(
      `INSERT INTO tool_calls (task_id, tool_use_id, turn, ordinal, lane, name, input, status, result, is_error, duration_ms)
       VALUES ($1, $2, $3, 0, 'coder', 'bash', '{"command":"npm test"}', 'finished', $4, $5, 7)`,
      [taskId, `tu_${turn}`, turn, `exit code: ${code}\nwhat it printed`, code !== 0],
    )
  }
  await add(
    `INSERT INTO messages (id, project_id, conversation_id, task_id, role, text, status)
     VALUES ($1, $2, $3, $1, 'assistant', 'All tests pass. The linter is clean.', 'completed')`,
    [taskId, projectId, conversationId],
  )
  const { review } = await getTask(db, taskId)
  await openRound(attempt, { round: 1, treeHash: 'end', plan: { checks: [], leftOut: [] } }, [])
  const check = {
    name: 'test',
    command: 'npm test',
    status: 'passed',
    exitCode: 0,
    durationMs: 9,
    output: 'ok',
  } as const
  await saveChecks(attempt, 1, { checks: [check], review }, [])
  await finishRound(
    attempt,
    { round: 1, verdict: 'approved', summary: '', review, findings: [], settled: [], fixNotice: null },
    () => [],
  )

  const command = { kind: 'command', by: 'coder', command: 'npm test', durationMs: 7 }
  expect(await read(taskId)).toEqual({
    status: 200,
    body: {
      evidence: expect.any(String),
      gaps: [],
      treeHash: 'end',
      rows: [
        {
          ...{ ...command, id: 'command:tu_1', toolUseId: 'tu_1', turn: 1, status: 'failed', exitCode: 1 },
          ...{ treeBefore: 'start', treeAfter: 'start' },
        },
        {
          ...{ ...command, id: 'command:tu_2', toolUseId: 'tu_2', turn: 2, status: 'passed', exitCode: 0 },
          ...{ treeBefore: 'start', treeAfter: 'end' },
        },
        {
          ...{ id: 'check:1:test', kind: 'check', by: 'harness', round: 1, name: 'test', command: 'npm test' },
          ...{ status: 'passed', exitCode: 0, durationMs: 9, treeBefore: 'end', treeAfter: 'end' },
        },
      ],
      decisions: [],
      claims: [
        { text: 'All tests pass.', about: 'tests', mark: 'proven', rowId: 'check:1:test' },
        { text: 'The linter is clean.', about: 'lint', mark: 'unproven', reason: 'No lint ran in this task.' },
      ],
    },
  })
})

test('of a task that is not there: 404', async () => {
  expect((await read('tsk_nothing')).status).toBe(404)
})
