import { describe, expect, test } from 'vitest'
import { POLICIES } from '../../../src/standin/policies/index.ts'
import { startScriptedServer } from '../../../src/standin/server.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import { TestStack } from '../../support/stack.ts'
import { streamFaults } from '../../support/stream-faults.ts'
import { waitFor } from '../../support/wait-for.ts'

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

    test('with the model away for all, tasks wait in line; one is cancelled there at once, the others finish', async () => {
      const { api, model } = stack
      const TASKS = 12
      const text = 'a bad hour'
      await model.arm({ kind: 'unavailable', times: 1_000_000, match: { text } })
      const before = (await model.calls()).length
      try {
        const projects = await Promise.all(Array.from({ length: TASKS }, () => api.newProject()))
        const message = `${text} ${scriptOf([running('echo once >> log.txt'), { text: 'Done at last.' }])}`
        const streams = await Promise.all(projects.map((projectId) => api.chatStream(projectId, { message })))
        const isWaiting = (event: { type: string; message?: unknown }) =>
          event.type === 'model.retrying' && String(event.message).includes('waits until')
        const waiting = () => streams.filter((stream) => stream.events.some(isWaiting))
        await waitFor(() => waiting().length >= TASKS / 2, 'half of the tasks wait in line', 60_000)
        const whileAway = (await model.calls()).length - before
        const [cancelled] = waiting()
        const id = cancelled?.response.headers.get('x-keelson-task-id') ?? ''
        await api.post(`/api/tasks/${id}/cancel`)
        const ended = await cancelled?.untilTerminal()
        await model.disarm()
        const others = await Promise.all(streams.filter((it) => it !== cancelled).map((it) => it.untilTerminal()))
        expect({
          // One call for each, those that came back before the gate opened, and a few trials.
          isBounded: whileAway <= 3 * TASKS,
          cancelled: ended?.at(-1)?.type,
          others: new Set(others.map((events) => events.at(-1)?.type)),
        }).toEqual({ isBounded: true, cancelled: 'task.cancelled', others: new Set(['task.completed']) })
        const next = await api.chat((await api.task(id)).projectId, { message: scriptOf([{ text: 'Here.' }]) })
        expect((await api.ended(next.taskId)).status).toBe('completed')
      } finally {
        await model.disarm()
      }
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

    test('a server of one’s own needs no key, may read a prompt in silence, and a message beyond its window is left behind', async () => {
      const server = await startScriptedServer({ policy: POLICIES.demo, contextTokens: 16_384 })
      const own = new TestStack({ settings: { ANTHROPIC_BASE_URL: server.url } })
      try {
        await own.start()
        const { api } = own
        const projectId = await api.newProject()
        const long = await api.chat(projectId, { message: `What is this? ${'a line of a long log\n'.repeat(4_400)}` })
        const refused = await api.ended(long.taskId)
        server.setPace({ ttftMs: 15_000 })
        const stream = await api.chatStream(projectId, { message: 'Never mind, say hello.' })
        const events = await stream.untilTerminal()
        expect({
          model: own.state().model,
          refused: [refused.status, refused.reason],
          reading: events.flatMap((event) => (event.type === 'model.reading' ? [event.message] : [])).slice(0, 1),
          end: events.at(-1)?.type,
        }).toEqual({
          model: { kind: 'anthropic', name: 'claude-haiku-4-5', baseUrl: server.url },
          refused: [
            'failed',
            { code: 'model_context_exceeded', message: expect.stringMatching(/The server said: .*16384 maximum/) },
          ],
          reading: [expect.stringMatching(/^The model is still reading the prompt \(1\d s\)\.$/)],
          end: 'task.completed',
        })
      } finally {
        await own.stop()
        await server.close()
      }
    })
  })
}
