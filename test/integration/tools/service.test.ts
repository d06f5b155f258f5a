import { afterAll, beforeAll, expect, test } from 'vitest'
import { createServiceDesk } from '../../../src/activities/service-desk.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'
import { coderTools, findTool, parseToolInput } from '../../../src/tools/registry.ts'
import type { ToolResult } from '../../../src/tools/tool.ts'
import { aServiceHost, type ServiceHost } from '../server/service-host.ts'

let host: ServiceHost
let sandbox: Sandbox
let projectId: string
let calls = 0

beforeAll(async () => {
  host = await aServiceHost()
  projectId = await host.server.aProject()
  sandbox = await host.workspaces.open(projectId)
})
afterAll(() => host?.close())

/** Runs a tool as the loop does. */
async function call(name: string, input: unknown, toolUseId = `toolu_${++calls}`): Promise<ToolResult> {
  const tool = findTool(coderTools, name)
  const parsed = tool && parseToolInput(tool, input)
  if (tool === undefined || parsed === undefined) throw new Error(`no tool ${name}`)
  if (!parsed.ok) return { content: parsed.message, isError: true }
  return await tool.run(parsed.input, {
    toolUseId,
    taskId: 'tsk_1',
    sandbox,
    services: createServiceDesk(host.db, sandbox),
    signal: new AbortController().signal,
    knownPaths: new Set(),
    begun: null,
    decided: null,
    begin: async () => undefined,
    onOutput: () => undefined,
    onProgress: () => undefined,
  })
}

const COMMAND = `echo up; exec node -e "require('node:http').createServer((q, a) => a.end('served ' + q.url)).listen(4567)"`

test('the agent starts a server, reaches it from its commands by loopback, reads its log and stops it', async () => {
  const started = await call('service', { action: 'start', command: COMMAND }, 'toolu_start')
  const [, id = ''] = /^(svc-\w+)/.exec(started.content) ?? []
  expect([started.isError, started.content]).toEqual([
    false,
    expect.stringMatching(/^svc-[0-9a-f]{22} \(.*\): listening at http:\/\/localhost:4567\nup\n$/),
  ])
  const reached = await call('bash', { command: 'curl -s http://localhost:4567/a && curl -s http://127.0.0.1:4567/b' })
  expect(reached.content).toBe('exit code: 0\nserved /aserved /b')
  // A repeat of the call, after a crash, is the same service.
  const again = await call('service', { action: 'start', command: COMMAND }, 'toolu_start')
  const listed = await call('service', { action: 'list' })
  expect([again.content, listed.content.split('\n').length]).toEqual([started.content, 1])
  expect((await call('service', { action: 'log', id })).content).toContain('\nup\n')
  expect(await call('service', { action: 'stop', id })).toEqual({ content: `${id} is stopped.`, isError: false })
  expect((await call('bash', { command: 'curl -s -m 5 http://localhost:4567/a' })).content).toContain('exit code: 7')
  const [shown] = await host.list(projectId)
  expect(shown).toMatchObject({ id, state: 'stopped', startedBy: 'agent' })
})

test('what cannot be is told to the model with the way out', async () => {
  const failed = await call('service', { action: 'start', command: 'echo no; exit 4' })
  expect([failed.isError, failed.content]).toEqual([true, expect.stringMatching(/: exited with exit code 4\nno\n$/)])
  expect((await call('service', { action: 'start' })).content).toBe('Give the command to start.')
  expect((await call('service', { action: 'start', name: 'web' })).content).toBe(
    'The environment has no services; give a command.',
  )
  expect((await call('service', { action: 'stop', id: 'svc-none' })).content).toContain('Give the id of a service')
  expect((await call('service', { action: 'dance' })).content).toContain('action')
})
