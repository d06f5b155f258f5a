import { describe, expect, test } from 'vitest'
import type { WireRequest } from '../../../src/standin/wire.ts'
import { blocksOf } from '../../../src/standin/wire.ts'
import { HELD, letGo } from '../../support/held-command.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { streamFaults } from '../../support/stream-faults.ts'

export function messagesSuite(stack: TestStack): void {
  describe('messages while a task works', () => {
    /** What each block of a request's last user message is: a result, or the text that stands there. */
    function lastUserMessage(body: WireRequest | undefined): string[] {
      const message = body?.messages.findLast((candidate) => candidate.role === 'user')
      return blocksOf(message?.content ?? '').map((block) => (block.type === 'text' ? (block.text ?? '') : block.type))
    }

    test('a steering message reaches the model after the tool results, a queued one when the agent is idle', async () => {
      const { api, model } = stack
      const projectId = await api.newProject()
      const message = scriptOf([
        running(HELD, { text: 'A slow step.' }),
        running('echo next', { text: 'A second step.' }),
        { text: 'The script ends here.' },
        { text: 'I saw what was queued.' },
      ])
      const stream = await api.chatStream(projectId, { message })
      const { taskId, conversationId } = await stream.next('command.started')
      const queued = await api.chat(projectId, { message: 'queued words', delivery: 'queue' })
      const steering = await api.chat(projectId, { message: 'steering words' })
      letGo(stack, projectId)
      await stream.untilTerminal()
      await stream.ended

      expect(streamFaults(stream.frames)).toEqual([])
      expect([queued, steering].map((accepted) => ({ ...accepted, cursor: 0, messageId: '' }))).toEqual(
        Array(2).fill({
          taskId,
          messageId: '',
          conversationId,
          projectId,
          joined: true,
          cursor: 0,
          eventsUrl: expect.stringContaining(`/api/tasks/${taskId}/events`),
        }),
      )
      const bodies = (await model.bodies(taskId ?? '')).map(lastUserMessage)
      const claimed = stream.events.flatMap((event) => (event.type === 'message.claimed' ? [event] : []))
      expect({
        steered: bodies[1],
        following: bodies[2],
        idle: bodies[3],
        claimedInTurn: claimed.map(({ messageId, turn }) => [messageId, turn]).slice(1),
        turns: bodies.length,
      }).toEqual({
        steered: ['tool_result', 'steering words'],
        following: ['tool_result'],
        idle: ['queued words'],
        claimedInTurn: [
          [steering.messageId, 2],
          [queued.messageId, 4],
        ],
        turns: 4,
      })
    })

    test('two conversations of one project take turns, and the waiting one says for which task', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const [one, two] = [await api.newConversation(projectId), await api.newConversation(projectId)]
      const project = await api.projectStream(projectId, { after: 0 })
      const firstStream = await api.chatStream(projectId, {
        conversationId: one,
        message: scriptOf([running(HELD), { text: 'First.' }]),
      })
      const { taskId = '', joined } = await firstStream.next('task.accepted')
      const first = { taskId, joined }
      await firstStream.next('command.started')
      const second = await api.chat(projectId, { conversationId: two, message: scriptOf([{ text: 'Second.' }]) })
      const third = await api.chat(projectId, { conversationId: one, message: scriptOf([{ text: 'Third.' }]) })
      const waiting = await api.task(second.taskId)
      letGo(stack, projectId)
      await Promise.all([api.ended(first.taskId), api.ended(second.taskId)])
      await project.next('task.completed', (event) => event.taskId === second.taskId)
      project.close()

      const of = (type: string) => project.events.filter((event) => event.type === type).map((event) => event.taskId)
      expect({
        joined: [first.joined, second.joined, third.joined, third.taskId === first.taskId],
        waiting: waiting.status,
        accepted: project.events.flatMap((event) =>
          event.type === 'task.accepted' && event.waitingFor !== undefined ? [[event.taskId, event.waitingFor]] : [],
        ),
        queued: project.events.flatMap((event) =>
          event.type === 'message.queued' && event.waitingFor !== undefined
            ? [[event.messageId, event.waitingFor]]
            : [],
        ),
        started: of('task.started'),
        completed: of('task.completed'),
        seqs: project.events.flatMap((event) => ('seq' in event ? [event.seq] : [])),
      }).toEqual({
        joined: [false, false, true, true],
        waiting: 'accepted',
        accepted: [[second.taskId, first.taskId]],
        queued: [[second.messageId, first.taskId]],
        started: [first.taskId, second.taskId],
        completed: [first.taskId, second.taskId],
        seqs: Array.from({ length: project.cursor }, (_, index) => index + 1),
      })
      const starts = project.events.findIndex(
        (event) => event.type === 'task.started' && event.taskId === second.taskId,
      )
      const ends = project.events.findIndex((event) => event.type === 'task.completed' && event.taskId === first.taskId)
      expect(starts).toBeGreaterThan(ends)
    })

    test('a later task of a conversation knows the earlier one, word for word', async () => {
      const { api, model } = stack
      const projectId = await api.newProject()
      const message = scriptOf([running('echo remembered', { text: 'Looking.' }), { text: 'My first answer.' }])
      const first = await api.chat(projectId, { message })
      await api.ended(first.taskId)
      const second = await api.chat(projectId, { message: 'What did you do before?' })
      await api.ended(second.taskId)
      const reused = async ({ taskId }: { taskId: string }) =>
        (await api.storedEvents(taskId)).flatMap((event) => (event.type === 'sandbox.ready' ? [event.reused] : []))
      expect([await reused(first), await reused(second)]).toEqual([[false], [true]])

      const [earlier] = (await model.bodies(first.taskId)).slice(-1)
      const [later] = await model.bodies(second.taskId)
      expect([second.joined, second.conversationId, second.taskId === first.taskId]).toEqual([
        false,
        first.conversationId,
        false,
      ])
      const plain = (body: WireRequest | undefined) =>
        (body?.messages ?? []).map(({ role, content }) => ({
          role,
          content: blocksOf(content).map(({ cache_control: _mark, ...block }) => block),
        }))
      expect(plain(later)).toEqual([
        ...plain(earlier),
        { role: 'assistant', content: [{ type: 'text', text: 'My first answer.' }] },
        { role: 'user', content: [{ type: 'text', text: 'What did you do before?' }] },
      ])
    })

    test('a message posted at any moment, also while its task ends, is claimed once and answered', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const conversationId = await api.newConversation(projectId)
      const posted: { messageId: string; taskId: string }[] = []
      for (let n = 0; n < 40; n++) {
        const delivery = n % 3 === 0 ? 'queue' : 'steer'
        posted.push(await api.chat(projectId, { conversationId, message: `What can you do? (${n})`, delivery }))
        // Now and then the task is over for certain, so that there are several of them on a slow machine too.
        if (n % 10 === 9) await api.ended(posted[n]?.taskId ?? '')
        // Spreads the posts over all moments of a task's short life.
        await new Promise((resolve) => setTimeout(resolve, (n * 37) % 150))
      }
      const taskIds = [...new Set(posted.map(({ taskId }) => taskId))]
      for (const taskId of taskIds) await api.ended(taskId)
      const stored = await Promise.all(taskIds.map((taskId) => api.storedEvents(taskId)))
      const claimed = stored.flat().flatMap((event) => (event.type === 'message.claimed' ? [event.messageId] : []))
      expect({
        claimed,
        severalTasks: taskIds.length > 1,
        ends: stored.map((events) => events.at(-1)?.type),
        unanswered: (await api.messages(conversationId)).filter(({ status }) => status === 'queued').length,
      }).toEqual({
        claimed: expect.arrayContaining(posted.map(({ messageId }) => messageId)),
        severalTasks: true,
        ends: taskIds.map(() => 'task.completed'),
        unanswered: 0,
      })
      expect(claimed).toHaveLength(posted.length)
    })

    test('one clientMessageId posted fifty times at once is one message of one task', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const path = `/api/workspace/${projectId}/claude/chat`
      const body = { message: 'Tell me what you can do.', clientMessageId: 'same' }
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => api.call<{ taskId: string }>('POST', path, body)),
      )
      const again = await api.chatStream(projectId, body)
      await again.untilTerminal()
      const other = await api.call('POST', path, { ...body, message: 'Other words.' })

      const taskId = answers[0]?.body.taskId
      const count = async (table: string, where = '') =>
        (await stack.query(`SELECT 1 FROM ${table} WHERE project_id = $1 ${where}`, [projectId])).length
      expect({
        statuses: [...new Set(answers.map((answer) => answer.status))],
        ids: new Set(answers.map((answer) => JSON.stringify({ ...answer.body, joined: false }))).size,
        again: again.response.headers.get('x-keelson-task-id'),
        tasks: await count('tasks'),
        messages: await count('messages', "AND role = 'user'"),
        other,
      }).toEqual({
        statuses: [202],
        ids: 1,
        again: taskId,
        tasks: 1,
        messages: 1,
        other: expect.objectContaining({
          status: 409,
          body: { error: expect.objectContaining({ code: 'idempotency_mismatch' }), requestId: expect.any(String) },
        }),
      })
    })
  })
}
