/** The demonstration on E2B: a real instance whose VMs are the fake's, which speaks to the real SDK. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FakeE2b, startFakeE2b } from '../../src/sandbox/e2b/fake/server.ts'
import { FAKE_KEY } from '../integration/sandbox/fake-e2b.ts'
import { running, scriptOf } from '../support/model-admin.ts'
import { TestStack } from '../support/stack.ts'
import { streamFaults } from '../support/stream-faults.ts'
import { waitFor } from '../support/wait-for.ts'

const OTHER_MODEL = 'claude-haiku-5-5'

interface Comparison {
  readonly id: string
  readonly state: string
  readonly chosenIndex: number | null
  readonly items: readonly { readonly projectId: string }[]
}

const REQUEST = 'The tests fail. Find out why, mend it, and make sure that the tests pass.'

let fake: FakeE2b
let stack: TestStack
beforeAll(async () => {
  fake = await startFakeE2b({
    dir: mkdtempSync(join(tmpdir(), 'keelson-e2e-e2b-')),
    bwrapPath: '/usr/bin/bwrap',
    nodePath: process.execPath,
    apiKey: FAKE_KEY,
  })
  const settings = {
    SANDBOX_PROVIDER: 'e2b',
    E2B_API_KEY: FAKE_KEY,
    E2B_API_URL: fake.url,
    E2B_SANDBOX_URL: fake.url,
    SANDBOX_SWEEP_SECONDS: '1',
  }
  stack = await new TestStack({ settings }).start()
})
afterAll(async () => {
  await stack?.stop()
  await fake?.close()
})

test('the sample task is approved on E2B as on bwrap, a worker killed in the middle of a command included', async () => {
  const { api } = stack
  const projectId = await api.newProject({ kind: 'sample' })
  const stream = await api.chatStream(projectId, { message: REQUEST })
  await stream.next('command.started')
  await stack.killAndAwait('worker')
  const events = await stream.untilTerminal()
  await stream.ended
  const taskId = stream.response.headers.get('x-keelson-task-id') ?? ''
  const commands = events.flatMap((event) => (event.type === 'command.finished' ? [event] : []))
  const diff = await api.get<{ files: { path: string }[] }>(`/api/tasks/${taskId}/diff`)
  const { url, apiToken } = stack.state()
  const archive = await fetch(`${url}/api/workspace/${projectId}/archive`, {
    headers: { authorization: `Bearer ${apiToken}` },
  })
  const packed = Buffer.from(await archive.arrayBuffer())
  expect({
    archive: [
      archive.status,
      execFileSync('tar', ['-tz'], { input: packed, encoding: 'utf8' }).includes('src/split-bill.js'),
    ],
    faults: streamFaults(stream.frames),
    outcome: (await api.task(taskId)).outcome,
    rounds: (await api.task(taskId)).round,
    resumed: events.some((event) => event.type === 'task.resumed'),
    statuses: [...new Set(commands.map((command) => command.status))],
    repeated: commands.length - new Set(commands.map((command) => command.toolUseId)).size,
    files: diff.files.map((file) => file.path),
    vms: fake.created.map((vm) => [vm.metadata['projectId'], vm.timeout, vm.autoPause]),
  }).toEqual({
    archive: [200, true],
    faults: [],
    outcome: 'approved',
    rounds: 2,
    resumed: true,
    statuses: ['exited'],
    repeated: 0,
    files: ['src/split-bill.js', 'test/split-bill.test.js'],
    vms: [[projectId, 900, true]],
  })
})

test('a VM that is lost in the middle of a command is made anew from the last checkpoint, and all are told what is missing', async () => {
  const { api, model } = stack
  const projectId = await api.newProject()
  const message = scriptOf([
    running('echo kept > kept.txt', { text: 'Step one.' }),
    running('echo gone > gone.txt; echo up; sleep 30', { text: 'Step two.' }),
    { text: 'Both ran.' },
  ])
  const stream = await api.chatStream(projectId, { message })
  await stream.next('command.started', (event) => event.command.includes('gone.txt'))
  await stream.next('output')
  const [vmId = ''] = fake.vmIds().slice(-1)
  await fake.lose(vmId)
  const lost = await stream.next('sandbox.lost')
  const events = await stream.untilTerminal()
  await stream.ended
  const taskId = stream.response.headers.get('x-keelson-task-id') ?? ''
  const files = await api.get<{ entries: { path: string }[] }>(`/api/workspace/${projectId}/files`)
  const commands = events.flatMap((event) => (event.type === 'command.finished' ? [event.status] : []))
  const told = JSON.stringify(await model.bodies(taskId))
  expect({
    faults: streamFaults(stream.frames).filter((fault) => !fault.endsWith('closes with other text than it streamed')),
    status: (await api.task(taskId)).status,
    commands,
    files: files.entries.map((entry) => entry.path).filter((path) => !path.startsWith('.')),
    // What the lost command had printed is lost with its VM, so its closing event cannot repeat it.
    missing: /Missing is what these calls changed after it: (.*?)\. What/.exec(lost.detail)?.[1],
    isModelTold: told.includes('The sandbox was lost') && told.includes('outcome unknown'),
    isVmNew: !fake.vmIds().includes(vmId),
  }).toEqual({
    faults: [],
    status: 'completed',
    commands: ['exited', 'lost'],
    files: ['kept.txt'],
    missing: 'turn 2: bash echo gone > gone.txt; echo up; sleep 30',
    isModelTold: true,
    isVmNew: true,
  })
})

test('a refused key fails the task at once with what to do, and nothing tells the key', async () => {
  const { api } = stack
  const projectId = await api.newProject()
  fake.trouble.api = 401
  const stream = await api.chatStream(projectId, { message: 'run true' })
  const events = await stream.untilTerminal()
  fake.trouble.api = null
  const end = events.at(-1)
  expect({
    reason: end?.type === 'task.failed' ? end.reason : end?.type,
    isKeyTold: JSON.stringify(stream.frames).includes(FAKE_KEY),
  }).toEqual({
    reason: { code: 'sandbox_auth_failed', message: expect.stringContaining('Set E2B_API_KEY') },
    isKeyTold: false,
  })
})

test('every sandbox is listed with its cost, and a deleted project’s VM is ended', async () => {
  const { api } = stack
  const { items } = await api.get<{ items: { projectId: string; state: string; cost: { usdPerHour: number } }[] }>(
    '/api/sandboxes',
  )
  const running = items.filter((item) => item.state === 'running')
  await Promise.all(items.map((item) => api.call('DELETE', `/api/projects/${item.projectId}`)))
  await waitFor(() => fake.vmIds().length === 0, 'the sweep ended the VMs of the deleted projects')
  expect([running.length, running.map((item) => item.cost.usdPerHour.toFixed(3))]).toEqual([2, ['0.109', '0.109']])
})

test('a task’s request is tried again in a VM of its own, and what a person chose becomes the project’s files', async () => {
  const { api } = stack
  const projectId = await api.newProject()
  const first = await api.chat(projectId, { message: scriptOf([running('echo first > kept.txt'), { text: 'Done.' }]) })
  await api.ended(first.taskId)
  const other = { turns: [running('echo other > kept.txt; echo new > new.txt'), { text: 'In another way.' }] }
  const script = { turns: [running('echo own > kept.txt'), { text: 'Done.' }], models: { [OTHER_MODEL]: other } }
  const second = await api.chat(projectId, { message: `script: ${JSON.stringify(script)}` })
  await api.ended(second.taskId)
  const wish = { alternatives: [{ model: OTHER_MODEL }] }
  const made = await api.post<Comparison>(`/api/tasks/${second.taskId}/alternatives`, wish)
  const reached = (state: string) =>
    waitFor(
      async () => {
        const comparison = await api.get<Comparison>(`/api/comparisons/${made.id}`)
        return comparison.state === state && comparison
      },
      `the comparison is ${state}`,
      120_000,
    )
  await reached('waiting')
  const forked = fake.created.filter((vm) => vm.metadata['projectId'] === made.items.at(-1)?.projectId).length
  await api.post(`/api/comparisons/${made.id}/choose`, { index: 1 })
  const chosen = await reached('chosen')
  const files = await api.get<{ entries: { path: string }[] }>(`/api/workspace/${projectId}/files`)
  expect({
    index: chosen.chosenIndex,
    forked,
    files: files.entries.map((entry) => entry.path).filter((path) => !path.startsWith('.')),
    content: (await api.get<{ content: string }>(`/api/workspace/${projectId}/files/content?path=kept.txt`)).content,
  }).toEqual({ index: 1, forked: 1, files: ['kept.txt', 'new.txt'], content: 'other\n' })
})
