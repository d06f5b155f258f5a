import { describe, expect, test } from 'vitest'
import { running, scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { streamFaults } from '../../support/stream-faults.ts'
import { waitFor } from '../../support/wait-for.ts'

export function budgetSuite(stack: TestStack): void {
  describe('budgets', () => {
    test('a task that reaches its budget waits for a larger one and then goes on where it was', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const stream = await api.chatStream(projectId, {
        message: scriptOf([{ repeat: 4, ...running('echo {{turn}} >> log.txt') }, { text: 'Four lines.' }]),
        budget: { maxTurns: 2 },
      })
      const { taskId = '' } = await stream.next('budget.reached')
      await waitFor(async () => (await api.task(taskId)).status === 'needs_budget', 'the task waits')
      const path = `/api/tasks/${taskId}/budget`
      const empty = await api.call('POST', path, {})
      const raised = await api.call<{ budget: object }>('POST', path, { maxTurns: 20 })
      const events = await stream.untilTerminal()
      const log = await api.get<{ content: string }>(`/api/workspace/${projectId}/files/content?path=log.txt`)
      const late = await api.call('POST', path, { maxTurns: 30 })
      expect(streamFaults(stream.frames)).toEqual([])
      expect({
        statuses: [empty.status, raised.status, late.status],
        raised: raised.body.budget,
        reached: events.flatMap((event) => (event.type === 'budget.reached' ? [[event.kind, event.used]] : [])),
        log: log.content,
        end: events.at(-1),
      }).toEqual({
        statuses: [400, 200, 409],
        raised: expect.objectContaining({ maxTurns: 20 }),
        reached: [['turns', 2]],
        log: '1\n2\n3\n4\n',
        end: expect.objectContaining({ type: 'task.completed', outcome: 'approved' }),
      })
    })

    test('a project’s limit stops the reviewer too, and the task goes on when the project is given more', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const path = `/api/projects/${projectId}`
      const limited = await api.call('PATCH', path, { budget: { project: { maxTurns: 3 } } })
      const stream = await api.chatStream(projectId, {
        message: scriptOf([{ repeat: 2, ...running('echo {{turn}} >> log.txt') }, { text: 'Two lines.' }]),
      })
      const { taskId = '' } = await stream.next('budget.reached')
      await waitFor(async () => (await api.task(taskId)).status === 'needs_budget', 'the task waits')
      const waiting = await api.task(taskId)
      const raised = await api.call('PATCH', path, { budget: { project: { maxTurns: 50 } } })
      const events = await stream.untilTerminal()
      const metrics = await api.get<{ tasks: object; turns: object }>(`/api/workspace/${projectId}/metrics`)
      expect(streamFaults(stream.frames)).toEqual([])
      expect({
        statuses: [limited.status, raised.status],
        waiting: [waiting.phase, waiting.review.status],
        reached: events.flatMap((event) =>
          event.type === 'budget.reached' ? [[event.scope, event.kind, event.used, event.limit]] : [],
        ),
        verdicts: events.filter((event) => event.type === 'review.verdict').length,
        end: events.at(-1),
        turns: metrics.turns,
      }).toEqual({
        statuses: [200, 200],
        waiting: ['reviewing', 'reviewing'],
        reached: [['project', 'turns', 3, 3]],
        verdicts: 1,
        end: expect.objectContaining({ type: 'task.completed', outcome: 'approved' }),
        turns: { total: expect.any(Number), coder: 3, reviewer: expect.any(Number) },
      })
    })
  })
}
