import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { listApprovals } from '../../../src/db/task/approval-rows.ts'
import { setNeedsAnswer } from '../../../src/db/task/approvals.ts'
import { decideApproval, expireApprovals } from '../../../src/db/task/decide-approval.ts'
import { getTask } from '../../../src/db/task/tasks.ts'
import type { ResolveApproval } from '../../../src/shared/approval.ts'
import { type AgentHost, type AgentTask, anAgentHost, anAgentTask } from '../../support/agent-lane.ts'
import { framesOf, post } from '../../support/tasks.ts'

let host: AgentHost
beforeAll(async () => {
  host = await anAgentHost()
})
afterAll(() => host.close())
beforeEach(() => host.reset())

const ask = (input: object) => ({ name: 'ask', input })
const bash = (command: string) => ({ name: 'bash', input: { command } })
const say = { text: 'All done.' }
const COLOUR = { question: 'Which colour?', options: ['red', 'blue'], default: 'red' }

const openOf = async (task: AgentTask) =>
  (await listApprovals(host.db, { projectId: task.projectId, isOpen: true, limit: 50 })).items

function decide(task: AgentTask, decision: ResolveApproval) {
  return decideApproval(host.db, task, { by: 'user', ...decision }, { tellWorkflow: false, isRepeatFine: false })
}

async function results(task: AgentTask): Promise<(string | null)[]> {
  return (await task.turns()).flatMap((turn) => turn.toolCalls.map((call) => call.result))
}

function frames(type: string) {
  return framesOf(host.db.published).filter((frame) => frame.type === type)
}

test('a question stops the task; its answer is the tool’s result once, whatever dies and however often it is looked at', async () => {
  const task = await anAgentTask(host, { turns: [{ tools: [bash('echo x >> log'), ask(COLOUR)] }, say] })
  expect(await task.run()).toBe('needs_answer')
  const waiting = await setNeedsAnswer(task.attempt())
  expect(waiting.map(({ kind, title, optionKeys }) => [kind, title, optionKeys?.length])).toEqual([
    ['question', 'Which colour?', 2],
  ])
  expect((await getTask(host.db, task.taskId)).status).toBe('needs_answer')
  for (let i = 0; i < 2; i++) expect(await task.run()).toBe('needs_answer')
  const [open] = await openOf(task)
  expect(open?.detail).toEqual(COLOUR)
  await decide(task, { approvalId: open?.id ?? '', decision: 'answer', answer: ' blue ', note: 'Dark blue.' })
  const ended = await task.runThroughCrash('tool.effect.before_record')
  expect(ended).toEqual({ status: 'idle', crashes: 1 })
  expect(await results(task)).toEqual(['exit code: 0\n(no output)', 'The user answers: blue They added: Dark blue.'])
  expect(await task.contentOf('log')).toBe('x\n')
  expect(task.asked().length).toBe(2)
  expect([frames('approval.requested').length, frames('approval.resolved').length]).toEqual([1, 1])
  expect(frames('approval.resolved')[0]).toMatchObject({
    ...{ approvalId: open?.id, decision: 'answer', answer: 'blue', note: 'Dark blue.', by: 'user' },
  })
})

test('what comes after a question in the same reply waits for it; questions side by side are all asked', async () => {
  const task = await anAgentTask(host, {
    turns: [{ tools: [ask(COLOUR), ask({ question: 'How big?' }), bash('echo y > later')] }, say],
  })
  expect(await task.run()).toBe('needs_answer')
  const open = await openOf(task)
  expect(open.map(({ title }) => title)).toEqual(['Which colour?', 'How big?'])
  await decide(task, { approvalId: open[0]?.id ?? '', decision: 'deny' })
  expect(await task.run()).toBe('needs_answer')
  await expect(task.contentOf('later')).rejects.toThrow(/later/)
  await decide(task, { approvalId: open[1]?.id ?? '', decision: 'answer', answer: 'very' })
  expect(await task.run()).toBe('idle')
  expect(await results(task)).toEqual([
    'The user leaves this to you: decide yourself, and name it at the end.',
    'The user answers: very',
    'exit code: 0\n(no output)',
  ])
})

test('expiry gives the default, or says that nobody answered; either clock is enough', async () => {
  const task = await anAgentTask(host, { turns: [{ tools: [ask(COLOUR), ask({ question: 'How big?' })] }, say] })
  await task.run()
  const [first, second] = await openOf(task)
  await host.db.pool.query(`UPDATE approvals SET expires_at = now() - interval '1 second' WHERE id = $1`, [first?.id])
  const late = decide(task, { approvalId: first?.id ?? '', decision: 'answer', answer: 'blue' })
  await expect(late).rejects.toMatchObject({ code: 'approval_over' })
  expect(await expireApprovals(host.db, task, [second?.id ?? ''])).toEqual([])
  expect(await task.run()).toBe('idle')
  expect(await results(task)).toEqual([
    'Nobody answered in time. Your default holds: red',
    'Nobody answered in time. Decide yourself, and say at the end what you assumed.',
  ])
})

test('messages that come meanwhile are kept and told with the answer', async () => {
  const task = await anAgentTask(host, { turns: [{ tools: [ask(COLOUR)] }, say] })
  await task.run()
  await post(host.db, { projectId: task.projectId, conversationId: task.conversationId, text: 'And hurry.' })
  expect(await task.run()).toBe('needs_answer')
  const [open] = await openOf(task)
  await decide(task, { approvalId: open?.id ?? '', decision: 'answer', answer: 'red' })
  expect(await task.run()).toBe('idle')
  const [, second] = await task.turns()
  expect(second?.userContent.map((block) => (block.type === 'text' ? block.text : block.type))).toEqual([
    'tool_result',
    'And hurry.',
  ])
})

test('of more than five questions the rest is not asked, nor a twenty-first', async () => {
  const six = Array.from({ length: 6 }, (_, nth) => ask({ question: `Number ${nth}?` }))
  const task = await anAgentTask(host, { turns: [{ tools: six }, { tools: [ask(COLOUR)], repeat: 30 }, say] })
  await task.run()
  expect((await openOf(task)).length).toBe(5)
  for (let i = 0; i < 40; i++) {
    for (const { id } of await openOf(task)) await decide(task, { approvalId: id, decision: 'deny' })
    if ((await task.run()) !== 'needs_answer') break
  }
  const all = await listApprovals(host.db, { projectId: task.projectId, isOpen: null, limit: 50 })
  expect(all.items.length).toBeLessThanOrEqual(20)
  expect((await results(task)).filter((result) => result?.startsWith('Nobody was asked')).length).toBeGreaterThan(0)
})

test('a task that ends withdraws what it asked, and a decision then is too late', async () => {
  const task = await anAgentTask(host, { turns: [{ tools: [ask(COLOUR)] }, say] })
  await task.run()
  await setNeedsAnswer(task.attempt())
  const [open] = await openOf(task)
  await task.end({ kind: 'cancelled', killed: [] })
  expect(await openOf(task)).toEqual([])
  const late = decide(task, { approvalId: open?.id ?? '', decision: 'answer', answer: 'red' })
  await expect(late).rejects.toMatchObject({ code: 'approval_over', message: 'The task that asked has ended.' })
  expect(frames('approval.resolved').map(({ decision }) => decision)).toEqual(['withdrawn'])
  expect((await getTask(host.db, task.taskId)).status).toBe('cancelled')
})

test('time that a task waits for people is no minute of work', async () => {
  const task = await anAgentTask(host, { turns: [{ tools: [ask(COLOUR)] }, say] })
  await task.run()
  await setNeedsAnswer(task.attempt())
  const [open] = await openOf(task)
  await decide(task, { approvalId: open?.id ?? '', decision: 'answer', answer: 'red' })
  const { rows } = await host.db.pool.query<{ scopes: string; ended: boolean }>(
    'SELECT scopes, ended_at IS NOT NULL AS ended FROM budget_waits WHERE task_id = $1',
    [task.taskId],
  )
  expect(rows).toEqual([{ scopes: 'answer', ended: true }])
  expect((await getTask(host.db, task.taskId)).status).toBe('running')
})

test('a plan is shown with every change, and the newest is the task’s', async () => {
  const first = [
    { text: 'Look', state: 'in_progress' },
    { text: 'Mend\nit', state: 'pending' },
  ]
  const then = [
    { text: 'Look', state: 'done' },
    { text: 'Mend it', state: 'in_progress' },
  ]
  const plan = (items: object[]) => ({ name: 'plan', input: { items } })
  const task = await anAgentTask(host, { turns: [{ tools: [plan(first)] }, { tools: [plan(then)] }, say] })
  expect(await task.run()).toBe('idle')
  expect(frames('plan.updated').map(({ items }) => items)).toEqual([
    [
      { text: 'Look', state: 'in_progress' },
      { text: 'Mend it', state: 'pending' },
    ],
    then,
  ])
  expect((await getTask(host.db, task.taskId)).plan).toEqual(then)
})
