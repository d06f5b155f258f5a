import { describe, expect, test } from 'vitest'
import { blocksOf } from '../../../src/standin/wire.ts'
import { HELD, letGo } from '../../support/held-command.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import type { TestStack } from '../../support/stack.ts'
import { waitFor } from '../../support/wait-for.ts'

export function contextSuite(stack: TestStack): void {
  describe('the project context', () => {
    interface Context {
      readonly markdown: string
      readonly hash: string
      readonly generatedAt: string
      readonly tokens: number
      readonly sources: readonly string[]
    }

    const PROJECT = { kind: 'files', files: { 'AGENTS.md': 'Rule one.\n', 'README.md': '# Thing\n' } }
    const contextOf = (projectId: string) => stack.api.get<Context>(`/api/workspace/${projectId}/context`)
    const regenerate = (projectId: string) =>
      stack.api.call('POST', `/api/workspace/${projectId}/context/regenerate`, undefined)

    /** Longer than the slice of turns that it begins in, so that the task comes to its workflow before the turn after it. */
    const SLOW = `sleep 2; ${HELD}`

    test('a running task that is asked to regenerate tells the model at its next turn and keeps its prefix', async () => {
      const { api, model } = stack
      const projectId = await api.newProject(PROJECT)
      const stream = await api.chatStream(projectId, {
        message: scriptOf([
          running('echo "Rule two." >> AGENTS.md', { text: 'A new rule.' }),
          running(SLOW, { text: 'Slow.' }),
          running('echo on', { text: 'On.' }),
          { text: 'Done.' },
        ]),
      })
      const { taskId = '' } = await stream.next('command.started', (event) => event.command === SLOW)
      const before = await contextOf(projectId)
      const answers = [await regenerate(projectId), await regenerate(projectId)]
      await waitFor(async () => {
        const asked = 'SELECT done_at FROM outbox WHERE kind = $1 AND task_id = $2'
        const told = await stack.query<{ done_at: Date | null }>(asked, ['regenerate', taskId])
        return told.length === 2 && told.every((row) => row.done_at !== null)
      }, 'the workflow is told')
      letGo(stack, projectId)
      await stream.untilTerminal()
      const after = await contextOf(projectId)
      const bodies = await model.bodies(taskId)
      const coder = bodies.filter((body) => body.tools?.every((tool) => tool.name !== 'submit_review'))
      const generated = stream.events.flatMap((event) => (event.type === 'context.generated' ? [event.forced] : []))
      const notices = coder.map(
        (body) =>
          blocksOf(body.messages.at(-1)?.content ?? '').filter((block) =>
            block.text?.startsWith('Notice: the project context'),
          ).length,
      )
      expect({
        answers: answers.map(({ status, body }) => [status, body]),
        changed: [
          before.markdown.includes('Rule two.'),
          after.markdown.includes('Rule two.'),
          before.hash === after.hash,
        ],
        generated,
        prefixes: new Set(coder.map((body) => JSON.stringify([body.system, body.tools]))).size,
        notices,
      }).toEqual({
        answers: Array(2).fill([202, { status: 'regenerate_requested', taskId }]),
        changed: [false, true, false],
        generated: [false, true],
        prefixes: 1,
        notices: [0, 0, 1, 0],
      })

      // The next task is told it, without making it again.
      const next = await api.chatStream(projectId, { message: scriptOf([{ text: 'Hello.' }]) })
      await next.untilTerminal()
      const [first] = await model.bodies(next.response.headers.get('x-keelson-task-id') ?? '')
      expect({
        reused: next.events.flatMap((event) => (event.type.startsWith('context.') ? [event.type] : [])),
        told: JSON.stringify(first?.messages).includes('Rule two.'),
      }).toEqual({ reused: ['context.reused'], told: true })
    })

    test('an idle project has its context made alone, and a message may force it', async () => {
      const { api } = stack
      const projectId = await api.newProject(PROJECT)
      const project = await api.projectStream(projectId, { after: 0 })
      const none = await api.call('GET', `/api/workspace/${projectId}/context`)
      const answer = await regenerate(projectId)
      await project.next('context.generated', (event) => event.taskId === undefined)
      const alone = await contextOf(projectId)
      expect([none.status, answer.status, answer.body]).toEqual([
        404,
        202,
        { status: 'regenerate_requested', taskId: null },
      ])
      expect(alone).toEqual({
        markdown: expect.stringContaining('Rule one.'),
        hash: expect.any(String),
        generatedAt: expect.any(String),
        tokens: expect.any(Number),
        sources: expect.arrayContaining(['AGENTS.md', 'README.md']),
      })

      const kinds = async (forceRegenerateContext: boolean) => {
        const stream = await api.chatStream(projectId, { message: scriptOf([{ text: 'Hi.' }]), forceRegenerateContext })
        await stream.untilTerminal()
        return stream.events.flatMap((event): (boolean | string)[] =>
          event.type === 'context.generated' ? [event.forced] : event.type === 'context.reused' ? ['reused'] : [],
        )
      }
      expect([await kinds(false), await kinds(true)]).toEqual([['reused'], [true]])
      const file = await waitFor(
        () =>
          api.call<{ content: string }>(
            'GET',
            `/api/workspace/${projectId}/files/content?path=.claude/project-context.md`,
          ),
        'the file is read',
      )
      expect([file.status, file.body.content]).toEqual([200, (await contextOf(projectId)).markdown])
      project.close()
    })
  })
}
