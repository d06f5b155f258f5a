import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { HELD, letGo } from '../../support/held-command.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { streamFaults } from '../../support/stream-faults.ts'
import { waitFor } from '../../support/wait-for.ts'

export function cancelSuite(stack: TestStack): void {
  describe('cancellation', () => {
    /** Processes of this machine whose command line holds `words`. */
    function processesWith(words: string): string[] {
      return readdirSync('/proc').filter((name) => {
        if (!/^\d+$/.test(name)) return false
        try {
          return readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(words)
        } catch {
          return false
        }
      })
    }

    test('a cancelled command takes its detached children with it, and the next message works', async ({
      annotate,
    }) => {
      const { api } = stack
      const projectId = await api.newProject()
      const command = 'echo out; setsid nohup sleep 98761 >/dev/null 2>&1 & sleep 98762'
      const stream = await api.chatStream(projectId, {
        message: scriptOf([running(command, { text: 'Before the end.' })]),
      })
      const { taskId, toolUseId } = await stream.next('command.started')
      await stream.next('output')
      await waitFor(() => processesWith('sleep 9876').length >= 2, 'both processes run')
      const path = `/api/tasks/${taskId}/cancel`
      const askedAt = Date.now()
      const asked = [
        await api.call('POST', path, { reason: 'Enough.' }),
        await api.call('POST', path, { reason: 'Enough again.' }),
      ]
      const events = await stream.untilTerminal()
      await stream.ended
      const left = processesWith('sleep 9876')
      await annotate(`cancel to task.cancelled: ${(events.at(-1)?.at ?? 0) - askedAt} ms`)
      const late = await api.call('POST', path, {})
      const task = await api.task(taskId ?? '')

      expect(streamFaults(stream.frames)).toEqual([])
      expect({
        asked: asked.map(({ status, body }) => [status, body]),
        late: [late.status, late.body],
        left,
        events: events.filter((event) => event.type === 'task.cancel_requested').length,
        end: events.at(-1),
        final: events.at(-2),
        command: events.find((event) => event.type === 'command.finished'),
        task: { status: task.status, outcome: task.outcome, reason: task.reason },
      }).toEqual({
        asked: Array(2).fill([202, { status: 'cancel_requested' }]),
        late: [409, { error: expect.objectContaining({ code: 'task_over' }), requestId: expect.any(String) }],
        left: [],
        events: 1,
        end: expect.objectContaining({ type: 'task.cancelled', killed: [{ toolUseId, command }] }),
        final: expect.objectContaining({ role: 'note', complete: true, message: expect.stringContaining('Enough.') }),
        command: expect.objectContaining({ status: 'killed', output: Buffer.from('out\n').toString('base64') }),
        task: { status: 'cancelled', outcome: undefined, reason: { code: 'cancelled', message: 'Enough.' } },
      })

      const next = await api.chatStream(projectId, { message: scriptOf([running('echo well'), { text: 'It works.' }]) })
      const after = await next.untilTerminal()
      await next.ended
      expect(streamFaults(next.frames)).toEqual([])
      expect(after.at(-1)).toMatchObject({ type: 'task.completed', outcome: 'no_changes' })
    })

    test('what the model had said when it was cancelled in the middle of a reply is kept', async () => {
      const { api, model } = stack
      const projectId = await api.newProject()
      const text = Array.from({ length: 400 }, (_, index) => `word${index}`).join(' ')
      await model.pace({ tokensPerSecond: 100 })
      try {
        const stream = await api.chatStream(projectId, { message: scriptOf([{ text }]) })
        const { taskId, conversationId } = await stream.untilText('word20 ')
        await api.post(`/api/tasks/${taskId}/cancel`)
        const events = await stream.untilTerminal()
        await stream.ended
        expect(streamFaults(stream.frames)).toEqual([])
        const partial = events.find((event) => event.type === 'message.completed')
        if (partial?.type !== 'message.completed') throw new Error('no message was closed')
        const said = partial.parts.map((part) => part.text).join('')
        const messages = await api.messages(conversationId ?? '')
        expect({
          partial: { interrupted: partial.interrupted, complete: partial.complete, isStart: text.startsWith(said) },
          longEnough: said.includes('word20'),
          stored: messages.find((message) => message.role === 'assistant'),
          end: events.at(-1)?.type,
        }).toEqual({
          partial: { interrupted: true, complete: false, isStart: true },
          longEnough: true,
          stored: expect.objectContaining({ text: said, status: 'cancelled' }),
          end: 'task.cancelled',
        })
        const calls = await model.calls(taskId)
        expect(calls.map((call) => call.delivered)).toEqual([false])
      } finally {
        await model.pace({ tokensPerSecond: 0 })
      }
    })

    test('a cancel takes the messages with it that came before, and one that comes after starts the next task', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const stream = await api.chatStream(projectId, { message: scriptOf([running('sleep 98763')]) })
      const { taskId = '', conversationId = '' } = await stream.next('command.started')
      const before = await api.chat(projectId, { message: 'Not any more.' })
      await api.post(`/api/tasks/${taskId}/cancel`)
      const after = await api.chat(projectId, { message: 'What can you do?' })
      await stream.untilTerminal()
      const next = await api.ended(after.taskId)
      const messages = await api.messages(conversationId)
      const statusOf = (id: string) => messages.find((message) => message.id === id)?.status
      expect({
        before: [before.taskId === taskId, statusOf(before.messageId)],
        after: [after.joined, after.taskId === taskId, statusOf(after.messageId)],
        ended: [(await api.task(taskId)).status, next.status],
      }).toEqual({
        before: [true, 'cancelled'],
        after: [false, false, 'claimed'],
        ended: ['cancelled', 'completed'],
      })
    })

    test('a cancel while the worker is being shut down ends the task with all of its processes', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const stream = await api.chatStream(projectId, { message: scriptOf([running('sleep 98764')]) })
      const { taskId = '' } = await stream.next('command.started')
      await waitFor(() => processesWith('sleep 98764').length > 0, 'the command runs')
      process.kill(stack.state().processes.worker ?? 0, 'SIGTERM')
      await api.post(`/api/tasks/${taskId}/cancel`)
      const events = await stream.untilTerminal()
      expect(events.at(-1)).toMatchObject({ type: 'task.cancelled', killed: [{ command: 'sleep 98764' }] })
      expect(processesWith('sleep 98764')).toEqual([])
      const next = await api.chat(projectId, { message: scriptOf([{ text: 'Here.' }]) })
      expect((await api.ended(next.taskId)).status).toBe('completed')
    })

    test('a task that waits for its turn is cancelled at once and never starts', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const stream = await api.chatStream(projectId, { message: scriptOf([running(HELD), { text: 'First.' }]) })
      const { taskId = '' } = await stream.next('command.started')
      const conversationId = await api.newConversation(projectId)
      const waiting = await api.chat(projectId, { conversationId, message: scriptOf([running('touch never')]) })
      const answer = await api.call('POST', `/api/tasks/${waiting.taskId}/cancel`, {})
      const stored = await api.storedEvents(waiting.taskId)
      expect([answer.status, stored.map((event) => event.type)]).toEqual([
        202,
        [
          'task.accepted',
          'message.created',
          'message.queued',
          'task.cancel_requested',
          'message.completed',
          'task.cancelled',
        ],
      ])
      letGo(stack, projectId)
      expect((await api.ended(taskId)).outcome).toBe('no_changes')
      expect(await api.get(`/api/workspace/${projectId}/files`)).toMatchObject({
        entries: expect.not.arrayContaining([expect.objectContaining({ name: 'never' })]),
      })
    })
  })
}
