import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OpenApproval, openApproval } from '../../../src/db/task/approvals.ts'
import { aRunningTask, type RunningTask } from '../../support/tasks.ts'
import { aServerWithStores, type TestServer, TOKEN } from '../server/harness.ts'

let server: TestServer
beforeAll(async () => {
  server = await aServerWithStores()
})
afterAll(() => server?.close())

async function call(method: string, path: string, body?: object): Promise<[number, Record<string, unknown>]> {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return [response.status, (await response.json()) as Record<string, unknown>]
}

const QUESTION: Omit<OpenApproval, 'key'> = {
  ...{ turn: 1, kind: 'question', title: 'Which colour?', expiresMs: 3_600_000 },
  detail: { question: 'Which colour?', options: ['red', 'blue'] },
}

let asked = 0
async function aQuestion(task: RunningTask, overrides: Partial<OpenApproval> = {}): Promise<string> {
  const opened = await openApproval(task.attempt, { ...QUESTION, key: `toolu_${++asked}`, ...overrides })
  if (opened === 'refused') throw new Error('it was not asked')
  return opened.id
}

const codeOf = ([status, body]: [number, Record<string, unknown>]) => {
  const { code, details } = (body['error'] ?? {}) as { code?: string; details?: unknown }
  return details === undefined ? [status, code] : [status, code, details]
}

test('what waits is listed, of one project and of all; an answer is taken once and told to the workflow', async () => {
  const [task, other] = [await aRunningTask(server.db), await aRunningTask(server.db)]
  const [mine, theirs] = [await aQuestion(task), await aQuestion(other)]
  const ids = async (query: string) => {
    const [, body] = await call('GET', `/api/approvals${query}`)
    return (body['items'] as { id: string }[]).map(({ id }) => id)
  }
  expect(await ids('')).toEqual([mine, theirs])
  expect(await ids(`?projectId=${task.projectId}&status=open`)).toEqual([mine])
  const answer = { decision: 'answer', answer: 'blue', note: 'Please.' }
  const [status, body] = await call('POST', `/api/approvals/${mine}`, answer)
  const { requestedAt, expiresAt, decidedAt, ...rest } = body
  expect([typeof requestedAt, typeof expiresAt, typeof decidedAt]).toEqual(['string', 'string', 'string'])
  expect([status, rest]).toEqual([
    200,
    {
      ...{ id: mine, approvalId: mine, projectId: task.projectId, projectName: 'test' },
      ...{ conversationId: task.conversationId, taskId: task.taskId, turn: 1, kind: 'question' },
      ...{ title: 'Which colour?', question: 'Which colour?', options: ['red', 'blue'] },
      ...{ status: 'answered', answer: 'blue', note: 'Please.', scope: 'once', decidedBy: 'user' },
    },
  ])
  expect(codeOf(await call('POST', `/api/approvals/${mine}`, answer))).toEqual([409, 'approval_over'])
  expect(await ids('')).toEqual([theirs])
  expect(await ids(`?projectId=${task.projectId}&status=decided`)).toEqual([mine])
  const { rows } = await server.db.pool.query<{ kind: string; payload: string }>(
    `SELECT kind, payload FROM outbox WHERE task_id = $1 AND kind = 'resolve'`,
    [task.taskId],
  )
  expect(rows.map(({ payload }) => JSON.parse(payload) as unknown)).toEqual([
    { approvalId: mine, decision: 'answer', answer: 'blue', note: 'Please.', by: 'user' },
  ])
})

test('a decision that does not fit is refused with the field, and changes nothing', async () => {
  const [task, other] = [await aRunningTask(server.db), await aRunningTask(server.db)]
  const question = await aQuestion(task)
  const command = await aQuestion(task, { kind: 'command', title: 'Run it', detail: { command: 'npm publish' } })
  const refused = async (id: string, body: object, query = '') =>
    codeOf(await call('POST', `/api/approvals/${id}${query}`, body))
  const NOT_AN_OPTION = 'is not among the options, and this question takes no other'
  expect([
    await refused(question, { decision: 'answer', answer: 'green' }),
    await refused(question, { decision: 'answer' }),
    await refused(question, { decision: 'approve' }),
    await refused(command, { decision: 'answer', answer: 'yes' }),
    await refused(command, { decision: 'maybe' }),
    await refused(command, { decision: 'approve', remember: false, scope: 'project' }),
  ]).toEqual([
    [400, 'bad_request', { answer: NOT_AN_OPTION }],
    [400, 'bad_request', { answer: 'is missing: a question wants one' }],
    [400, 'bad_request', { decision: 'must be answer, or deny to leave the question to the agent' }],
    [400, 'bad_request', { decision: 'must be approve or deny: this is no question' }],
    [400, 'bad_request', { decision: 'Invalid option: expected one of "approve"|"deny"|"answer"' }],
    [400, 'bad_request', { remember: 'says something else than scope; give one of them' }],
  ])
  expect([
    await refused('apr_none', { decision: 'deny' }),
    await refused(question, { decision: 'deny' }, `?projectId=${other.projectId}`),
    codeOf(await call('GET', '/api/approvals?projectId=prj_none')),
    codeOf(await call('GET', '/api/approvals?status=closed'))[0],
  ]).toEqual([[404, 'not_found'], [404, 'not_found'], [404, 'not_found'], 400])
  const [, still] = await call('GET', `/api/approvals?projectId=${task.projectId}`)
  expect((still['items'] as unknown[]).length).toBe(2)
})

test('after its time nobody can decide, it is listed no more, and the task is woken', async () => {
  const task = await aRunningTask(server.db)
  const id = await aQuestion(task)
  await server.db.pool.query(`UPDATE approvals SET expires_at = now() - interval '1 second' WHERE id = $1`, [id])
  const [, listed] = await call('GET', `/api/approvals?projectId=${task.projectId}`)
  expect(listed['items']).toEqual([])
  for (let i = 0; i < 2; i++) {
    const late = await call('POST', `/api/approvals/${id}`, { decision: 'answer', answer: 'red' })
    expect(codeOf(late)).toEqual([409, 'approval_over'])
  }
  const [, read] = await call('GET', `/api/approvals/${id}`)
  expect(read['status']).toBe('expired')
  const { rows } = await server.db.pool.query(`SELECT 1 FROM outbox WHERE task_id = $1 AND kind = 'wake'`, [
    task.taskId,
  ])
  expect(rows.length).toBe(1)
})

test('of fifty decisions at once one is taken', async () => {
  const task = await aRunningTask(server.db)
  const id = await aQuestion(task, { kind: 'path', detail: { paths: ['.github/x.yml'] } })
  const decisions = Array.from({ length: 50 }, (_, nth) => (nth % 2 === 0 ? 'approve' : 'deny'))
  const answers = await Promise.all(decisions.map((decision) => call('POST', `/api/approvals/${id}`, { decision })))
  const statuses = answers.map(([status]) => status).sort()
  expect([statuses[0], ...new Set(statuses.slice(1))]).toEqual([200, 409])
})
