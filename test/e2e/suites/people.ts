import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { workflowIdFor } from '../../../src/shared/task.ts'
import { approvals } from '../../../src/workflows/messages.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { waitFor } from '../../support/wait-for.ts'

interface Waiting {
  readonly id: string
  readonly kind: string
  readonly title: string
  readonly paths?: readonly string[]
}

export function peopleSuite(stack: TestStack): void {
  describe('people in the loop', () => {
    const CI = '.github/workflows/ci.yml'

    async function waiting(projectId: string): Promise<Waiting> {
      const path = `/api/approvals?projectId=${projectId}&status=open`
      return await waitFor(async () => (await stack.api.get<{ items: Waiting[] }>(path)).items[0], 'something waits')
    }

    /** Temporal's own command alone: nothing of ours is asked. */
    async function updateByCli(taskId: string, input: object): Promise<void> {
      const { address = '', namespace } = stack.state().temporal
      const program = process.env['KEELSON_TEST_TEMPORAL_BINARY'] ?? 'temporal'
      const args = ['workflow', 'update', 'execute', '--address', address, '--namespace', namespace]
      const what = [
        '--workflow-id',
        workflowIdFor(taskId),
        '--name',
        'resolveApproval',
        '--input',
        JSON.stringify(input),
      ]
      const env = { PATH: process.env['PATH'], HOME: stack.home }
      await promisify(execFile)(program, [...args, ...what], { env, timeout: 30_000 })
    }

    test('a task asks, outlives its processes, is answered by the temporal command, is denied a path by either way, and works around it', {
      timeout: 240_000,
    }, async () => {
      const { api } = stack
      const projectId = await api.newProject({ kind: 'empty' })
      const environment = `/api/workspace/${projectId}/environment`
      const { network, setup } = await api.get<{ network: object; setup: object }>(environment)
      const put = async (policy: object) =>
        await api.call('PUT', environment, { network, setup, approvals: policy }, { 'if-match': '"0"' })
      const refused = await put({ commands: ['*'], paths: ['.github/'] })
      const saved = await put({ paths: ['.github/'] })
      const plan = { name: 'plan', input: { items: [{ text: 'Ask for the colour', state: 'in_progress' }] } }
      const ask = { name: 'ask', input: { question: 'Which colour?', options: ['red', 'blue'], default: 'red' } }
      const script = scriptOf([
        { tools: [plan, ask] },
        { tools: [{ name: 'write', input: { file_path: CI, content: 'on: push\n' } }] },
        running(`mkdir -p .github/workflows && echo hidden > ${CI} && echo kept > kept.txt`),
        { tools: [{ name: 'write', input: { file_path: 'ci-notes.md', content: 'By hand.\n' } }] },
        { text: 'Worked around it.' },
      ])
      const { taskId, conversationId } = await api.chat(projectId, { message: script })
      const question = await waiting(projectId)
      await waitFor(async () => (await api.task(taskId)).status === 'needs_answer', 'the task waits')
      await stack.killAndAwait('worker')
      await stack.killAndAwait('server')
      await api.chat(projectId, { conversationId, message: 'And hurry.' })
      const still = await api.task(taskId)
      // A worker that died before it could say what it waits for is replaced first.
      const handle = (await stack.temporal()).workflow.getHandle(workflowIdFor(taskId))
      await waitFor(async () => (await handle.query(approvals)).open[0], 'the workflow knows of the question')
      await updateByCli(taskId, { approvalId: question.id, decision: 'answer', answer: 'blue' })
      const file = await waiting(projectId)
      const denied = await api.call('POST', `/api/approvals/${file.id}`, { decision: 'deny', note: 'Leave CI alone.' })
      const shell = await waiting(projectId)
      const again = await api.call('POST', `/api/approvals/${file.id}`, { decision: 'approve' })
      await api.call('POST', `/api/approvals/${shell.id}`, { decision: 'deny' })
      const ended = await api.ended(taskId, 120_000)
      const events = await api.storedEvents(taskId)
      const results = events.flatMap((event) =>
        event.type === 'tool.finished' && ['ask', 'write', 'bash'].includes(event.name)
          ? [event.result.split('\n', 1)[0]]
          : [],
      )
      const coder = (await stack.model.bodies(taskId)).findLast(({ tools }) =>
        tools?.some(({ name }) => name === 'ask'),
      )
      const bodies = JSON.stringify(coder?.messages)
      const diff = await api.get<{ files: { path: string }[] }>(`/api/tasks/${taskId}/diff`)
      expect({
        saved: [refused.status, saved.status],
        still: still.status,
        asked: [question, file, shell].map(({ kind, paths = [] }) => [kind, ...paths]),
        denied: [denied.status, again.status],
        ended: ended.status,
        results,
        files: diff.files.map(({ path }) => path),
        resolved: events.flatMap((event) =>
          event.type === 'approval.resolved' ? [[event.decision, event.answer, event.by]] : [],
        ),
        plans: events.filter((event) => event.type === 'plan.updated').length,
        told: ['And hurry.', `what your command changed in ${CI}; it was put back`].map(
          (text) => bodies.split(text).length - 1,
        ),
      }).toEqual({
        saved: [400, 200],
        still: 'needs_answer',
        asked: [['question'], ['path', CI], ['path', CI]],
        denied: [200, 409],
        ended: 'completed',
        results: [
          'The user answers: blue',
          'The user denied this. They say: Leave CI alone. Nothing was changed. Go on without it, or find another way that does not need it; do not try the same again.',
          'exit code: 0',
          'Created ci-notes.md with 1 lines.',
        ],
        files: ['ci-notes.md', 'kept.txt'],
        resolved: [
          ['answer', 'blue', 'temporal'],
          ['deny', undefined, 'user'],
          ['deny', undefined, 'user'],
        ],
        plans: 1,
        told: [1, 1],
      })
    })
  })
}
