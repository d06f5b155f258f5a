import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFolderRules } from '../../../src/activities/tell-folder-rules.ts'
import { currentContext, saveContext } from '../../../src/db/project/contexts.ts'
import { type AgentHost, anAgentHost, anAgentTask } from '../../support/agent-lane.ts'

let host: AgentHost
beforeAll(async () => {
  host = await anAgentHost()
})
afterAll(() => host.close())

const edit = (file: string) => ({ name: 'write', input: { file_path: file, content: 'x\n' } })
const bash = (command: string) => ({ name: 'bash', input: { command } })

test('the rules of folders that a task touches are told once, with their imports, and named among the sources', async () => {
  const turns = [
    { text: 'One.', tools: [edit('packages/api/src/a.js')] },
    { text: 'Two.', tools: [edit('packages/api/src/b.js'), bash('echo 1 > docs/c.txt')] },
    { text: 'Three.', tools: [edit('packages/api/src/c.js'), bash('true')] },
    { text: 'Done.' },
  ]
  const task = await anAgentTask(host, { turns })
  await task.sandbox.write([
    { path: 'AGENTS.md', data: 'Rule of the root.\n' },
    { path: 'packages/api/AGENTS.md', data: 'Rule of the api. See @extra.md for more.\n' },
    { path: 'packages/api/extra.md', data: 'Rule that is imported.\n' },
    { path: 'docs/CLAUDE.md', data: 'Rule of the docs.\n' },
    { path: 'packages/web/AGENTS.md', data: 'Rule of the web.\n' },
  ])
  await saveContext(host.db, { projectId: task.projectId, hash: 'h', markdown: 'm', tokens: 1, sources: ['AGENTS.md'] })
  await host.db.pool.query(`UPDATE tasks SET context_hash = 'h' WHERE id = $1`, [task.taskId])
  expect(
    await task.run({
      onLane(lane) {
        const attempt = task.attempt()
        Object.assign(lane, { onToolsDone: createFolderRules(host.deps, { attempt, sandbox: task.sandbox }) })
      },
    }),
  ).toBe('idle')

  const bodies = host.server.bodies().map((body) => JSON.stringify(body))
  const timesIn = (rule: string) => bodies.map((body) => body.split(rule).length - 1)
  expect({
    api: timesIn('Rule of the api.'),
    imported: timesIn('Rule that is imported.'),
    docs: timesIn('Rule of the docs.'),
    web: timesIn('Rule of the web.'),
    sources: (await currentContext(host.db, task.projectId))?.sources,
  }).toEqual({
    api: [0, 1, 1, 1],
    imported: [0, 1, 1, 1],
    docs: [0, 0, 1, 1],
    web: [0, 0, 0, 0],
    sources: ['AGENTS.md', 'docs/CLAUDE.md', 'packages/api/AGENTS.md', 'packages/api/extra.md'],
  })
})
