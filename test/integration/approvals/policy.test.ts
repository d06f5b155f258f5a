import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { listApprovals } from '../../../src/db/task/approval-rows.ts'
import { decideApproval } from '../../../src/db/task/decide-approval.ts'
import { savedEnvironment, saveEnvironment } from '../../../src/db/workspace/environments.ts'
import { defaultEnvironment, EnvironmentBodySchema } from '../../../src/environment/environment-schema.ts'
import type { Decision, DecisionScope } from '../../../src/shared/approval.ts'
import { type ApprovalPolicy, NO_POLICY } from '../../../src/shared/approval-policy.ts'
import { type AgentHost, type AgentTask, anAgentHost, anAgentTask } from '../../support/agent-lane.ts'
import { aProject } from '../../support/tasks.ts'

let host: AgentHost
beforeAll(async () => {
  host = await anAgentHost()
})
afterAll(() => host.close())
beforeEach(() => host.reset())

const bash = (command: string) => ({ name: 'bash', input: { command } })
const write = (path: string) => ({ name: 'write', input: { file_path: path, content: 'x\n' } })
const say = { text: 'All done.' }

async function aGuardedTask(policy: Partial<ApprovalPolicy>, script: object, projectId?: string): Promise<AgentTask> {
  const id = projectId ?? (await aProject(host.db))
  if (projectId === undefined) {
    const { version: _, ...body } = defaultEnvironment('none')
    await saveEnvironment(host.db, id, 0, { ...body, approvals: { ...NO_POLICY, ...policy } })
  }
  return await anAgentTask(host, script, { projectId: id })
}

async function decideNext(task: AgentTask, decision: Decision, scope: DecisionScope = 'once', note?: string) {
  const open = await listApprovals(host.db, { projectId: task.projectId, isOpen: true, limit: 5 })
  const [first] = open.items
  if (!first) throw new Error('nothing waits')
  const given = { approvalId: first.id, decision, scope, by: 'user', ...(note === undefined ? {} : { note }) }
  await decideApproval(host.db, task, given, { tellWorkflow: false, isRepeatFine: false })
  return { kind: first.kind, title: first.title, detail: first.detail }
}

async function results(task: AgentTask): Promise<(string | null)[]> {
  return (await task.turns()).flatMap((turn) => turn.toolCalls.map((call) => call.result))
}

test('a command that the policy names waits before it runs; denied it is a sentence to the model, approved it runs once', async () => {
  const publish = bash('echo published >> log # npm publish')
  const task = await aGuardedTask(
    { commands: ['npm publish'] },
    { turns: [{ tools: [publish] }, { tools: [publish] }, say] },
  )
  expect(await task.run()).toBe('needs_answer')
  expect(await task.run()).toBe('needs_answer')
  expect(await decideNext(task, 'deny', 'once', 'Not today.')).toEqual({
    kind: 'command',
    title: 'Run echo published >> log # npm publish',
    detail: { command: 'echo published >> log # npm publish', pattern: 'npm publish' },
  })
  expect(await task.run()).toBe('needs_answer')
  await expect(task.contentOf('log')).rejects.toThrow(/log/)
  await decideNext(task, 'approve')
  expect(await task.runThroughCrash('tool.started.before_effect')).toEqual({ status: 'idle', crashes: 1 })
  expect(await results(task)).toEqual([
    'The user denied this. They say: Not today. Nothing was changed. Go on without it, or find another way that does not need it; do not try the same again.',
    'exit code: 0\n(no output)',
  ])
  expect(await task.contentOf('log')).toBe('published\n')
})

test('a file below a path that the policy names waits, however the path is written; others do not', async () => {
  const turns = [{ tools: [write('a.txt'), write('./x/../.github/ci.yml'), write('b.txt')] }, say]
  const task = await aGuardedTask({ paths: ['.github/'] }, { turns })
  expect(await task.run()).toBe('needs_answer')
  expect(await task.contentOf('a.txt')).toBe('x\n')
  await expect(task.contentOf('b.txt')).rejects.toThrow(/b\.txt/)
  expect((await decideNext(task, 'approve')).detail).toEqual({ paths: ['.github/ci.yml'], pattern: '.github/' })
  expect(await task.run()).toBe('idle')
  expect([await task.contentOf('.github/ci.yml'), await task.contentOf('b.txt')]).toEqual(['x\n', 'x\n'])
})

test('a decision for the task holds for all that its pattern holds back, and for no other task', async () => {
  const turns = [{ tools: [write('.github/a')] }, { tools: [write('.github/b')] }, say]
  const task = await aGuardedTask({ paths: ['.github/'] }, { turns })
  await task.run()
  await decideNext(task, 'approve', 'task')
  expect(await task.run()).toBe('idle')
  await task.end()
  const next = await aGuardedTask({}, { turns: [{ tools: [write('.github/c')] }, say] }, task.projectId)
  expect(await next.run()).toBe('needs_answer')
})

test('a decision for the project is remembered in a new version of its environment', async () => {
  const turns = [{ tools: [write('.github/a'), bash('npm publish || true')] }, say]
  const policy = { paths: ['.github/'], commands: ['npm publish'] }
  const task = await aGuardedTask(policy, { turns })
  await task.run()
  await decideNext(task, 'approve', 'project')
  await task.run()
  await decideNext(task, 'deny', 'project')
  expect(await task.run()).toBe('idle')
  await task.end()
  const saved = await savedEnvironment(host.db, task.projectId)
  expect([saved?.version, saved?.approvals?.remembered]).toEqual([
    3,
    [
      { kind: 'path', subject: '.github/a', decision: 'approve', at: expect.any(String) as unknown },
      { kind: 'command', subject: 'npm publish || true', decision: 'deny', at: expect.any(String) as unknown },
    ],
  ])
  const next = await aGuardedTask({}, { turns }, task.projectId)
  expect(await next.run()).toBe('idle')
  expect((await results(next)).map((result) => result?.slice(0, 21))).toEqual([
    '.github/a has this co',
    'The user denied this.',
  ])
})

test('a policy that cannot be taken is refused with the item’s name', () => {
  const { version: _, ...body } = defaultEnvironment('none')
  const faultOf = (approvals: object) => {
    const parsed = EnvironmentBodySchema.safeParse({ ...body, approvals })
    return parsed.error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  }
  expect([
    faultOf({ commands: ['git push', '*'] }),
    faultOf({ paths: ['a/', 'b\\c'] }),
    faultOf({ hosts: ['*'] }),
    faultOf({ commands: Array.from({ length: 1_000 }, (_value, nth) => `command ${nth}`) }),
    faultOf({ commands: ['git push'], paths: ['.github/'] }),
  ]).toEqual([
    ['approvals.commands.1: would hold back everything: name what it is about'],
    ['approvals.paths.1: must have / between directories, not \\'],
    ['approvals.hosts.0: would hold back everything: name what it is about'],
    ['approvals.commands: Too big: expected array to have <=50 items'],
    undefined,
  ])
})

test('an environment that is saved without a word on approvals keeps them', async () => {
  const task = await aGuardedTask({ commands: ['npm publish'] }, { turns: [say] })
  const { version: _, ...body } = defaultEnvironment('registries')
  const saved = await saveEnvironment(host.db, task.projectId, 1, body)
  expect(saved.approvals?.commands).toEqual(['npm publish'])
})
