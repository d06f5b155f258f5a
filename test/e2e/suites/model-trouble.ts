import { describe, expect, test } from 'vitest'
import { POLICIES } from '../../../src/model/scripted/policies/index.ts'
import { startScriptedServer } from '../../../src/model/scripted/server.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import { TestStack } from '../../support/stack.ts'
import { streamFaults } from '../../support/stream-faults.ts'

export function modelTroubleSuite(stack: TestStack): void {
  describe('trouble with the model', () => {
    test('a model that is away for a while is asked again, visibly, and the task goes on', async () => {
      const { api, model } = stack
      const projectId = await api.newProject()
      const text = 'a task in bad times'
      await model.arm(
        { kind: 'unavailable', match: { text, turn: 2 } },
        { kind: 'reset_before_headers', match: { text, turn: 2 } },
      )
      const stream = await api.chatStream(projectId, {
        message: `${text} ${scriptOf([running('echo once >> log.txt', { text: 'Working.' }), { text: 'Done at last.' }])}`,
      })
      const events = await stream.untilTerminal()
      await stream.ended
      const taskId = stream.response.headers.get('x-keelson-task-id') ?? ''
      const coder = (await model.calls(taskId)).filter((call) => call.lane !== 'reviewer')
      const { content } = await api.get<{ content: string }>(`/api/workspace/${projectId}/files/content?path=log.txt`)
      expect(streamFaults(stream.frames)).toEqual([])
      expect({
        retrying: events.flatMap((event) => (event.type === 'model.retrying' ? [[event.code, event.attempt]] : [])),
        // The model's absence is not a worker's death.
        resumed: events.filter((event) => event.type === 'task.resumed').length,
        faults: coder.map((call) => call.fault),
        sdkRetries: coder.filter((call) => call.sdkRetry > 0).length,
        content,
        end: events.at(-1),
      }).toEqual({
        retrying: [
          ['model_overloaded', 1],
          ['model_unreachable', 2],
        ],
        resumed: 0,
        faults: [null, 'unavailable', 'reset_before_headers', null],
        sdkRetries: 0,
        content: 'once\n',
        end: expect.objectContaining({ type: 'task.completed', outcome: 'approved' }),
      })
    })

    test('a model server that dies and comes back is found again in the middle of a task', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const stream = await api.chatStream(projectId, {
        message: scriptOf([running('sleep 0.3'), running('echo after'), { text: 'Done.' }]),
      })
      await stream.next('command.started')
      await stack.killAndAwait('model')
      const events = await stream.untilTerminal()
      expect(events.at(-1)).toMatchObject({ type: 'task.completed', outcome: 'no_changes' })
    })

    test('a spending limit ends the task with a sentence that says so, without trying again', async () => {
      const { api, model } = stack
      const projectId = await api.newProject()
      await model.arm({ kind: 'spend_limit', times: 10, match: { text: 'too dear' } })
      const { taskId } = await api.chat(projectId, { message: 'too dear' })
      const task = await api.ended(taskId)
      expect([task.status, task.reason?.code, (await model.calls(taskId)).length]).toEqual([
        'failed',
        'model_spend_limit',
        1,
      ])
    })

    test('a refused key ends the task at once with what a person can do, and the next message is taken', async () => {
      const server = await startScriptedServer({ policy: POLICIES.demo })
      const keyed = new TestStack({
        settings: { ANTHROPIC_API_KEY: 'sk-ant-invalid', ANTHROPIC_BASE_URL: server.url },
      })
      try {
        await keyed.start()
        const { api } = keyed
        const projectId = await api.newProject()
        const stream = await api.chatStream(projectId, { message: 'Hello.' })
        const events = await stream.untilTerminal()
        await stream.ended
        const { conversationId, status, reason } = await api.task(
          stream.response.headers.get('x-keelson-task-id') ?? '',
        )
        expect(streamFaults(stream.frames)).toEqual([])
        expect({
          retrying: events.filter((event) => event.type === 'model.retrying' || event.type === 'turn.reset').length,
          task: { status, reason },
          end: events.at(-1),
          final: events.at(-2),
          leaked: JSON.stringify([events, await api.messages(conversationId)]).includes('sk-ant'),
        }).toEqual({
          retrying: 0,
          task: { status: 'failed', reason: { code: 'model_auth_failed', message: expect.stringMatching(/key/i) } },
          end: expect.objectContaining({ type: 'task.failed', reason }),
          final: expect.objectContaining({ role: 'note', complete: true, message: reason?.message }),
          leaked: false,
        })
        const again = await api.chat(projectId, { message: 'And now?' })
        expect([again.joined, (await api.ended(again.taskId)).status]).toEqual([false, 'failed'])
      } finally {
        await keyed.stop()
        await server.close()
      }
    })
  })
}
