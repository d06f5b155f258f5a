import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { blocksOf } from '../../../src/standin/wire.ts'
import type { ErrorAnswer } from '../../support/api.ts'
import { runClient } from '../../support/run-client.ts'
import type { TestStack } from '../../support/stack.ts'
import { waitFor } from '../../support/wait-for.ts'

const GOOD = 'claude-haiku-5-5'
const BAD = 'claude-sonnet-5-5'

interface Alternative {
  readonly index: number
  readonly projectId: string
  readonly taskId: string
  readonly model: string
  readonly status: string
  readonly evidence: string | null
  readonly failedChecks: number | null
}

interface Comparison {
  readonly id: string
  readonly state: string
  readonly chosenIndex: number | null
  readonly chosenBy: string | null
  readonly reason: string | null
  readonly workflowId: string
  readonly items: readonly Alternative[]
}

/** The sample project's bug left as it is, or mended. */
const SOURCE = 'src/split-bill.js'
const MENDED = `export function splitBill(totalCents, people) {
  const share = Math.floor(totalCents / people)
  const extraCents = totalCents - share * people
  return Array.from({ length: people }, (_, index) => (index < extraCents ? share + 1 : share))
}
`
const UNTOUCHED = '// as it was\n'
const BROKEN = MENDED.replace('share + 1', 'share + 2')

const writing = (content: string, words: string) => ({
  turns: [
    { text: 'Writing.', tools: [{ name: 'write', input: { file_path: SOURCE, content } }] },
    ...Array.from({ length: 6 }, () => ({ text: words })),
  ],
})

/** Another answer by each model: only {@link GOOD} mends the sample. */
const REQUEST = `Mend it. script: ${JSON.stringify({
  ...writing(BROKEN, 'The first try.'),
  models: { [GOOD]: writing(MENDED, 'I hand out the cents that are left.'), [BAD]: writing(BROKEN, 'Not mended.') },
})}`

export function alternativesSuite(stack: TestStack): void {
  describe('alternatives', () => {
    const chat = (...args: readonly string[]) => runClient(stack.home, args)
    const read = (id: string) => stack.api.get<Comparison>(`/api/comparisons/${id}`)
    const contentOf = async (projectId: string) =>
      (await stack.api.get<{ content: string }>(`/api/workspace/${projectId}/files/content?path=${SOURCE}`)).content
    const reached = (id: string, ...states: string[]) =>
      waitFor(
        async () => {
          const comparison = await read(id)
          return states.includes(comparison.state) && comparison
        },
        `${id} is ${states.join(' or ')}`,
        120_000,
      )
    const compare = (taskId: string, body: object) =>
      stack.api.post<Comparison>(`/api/tasks/${taskId}/alternatives`, body)
    const codeOf = async (method: string, path: string, body?: object) => {
      const { status, body: said } = await stack.api.call<ErrorAnswer>(method, path, body)
      return [status, said.error.code, Object.keys(said.error.details ?? {})]
    }
    /** Nothing is left of the tries: no sandbox, no project, no word. */
    async function areGone({ items }: Comparison): Promise<void> {
      const forks = items.filter(({ index }) => index > 0).map(({ projectId }) => projectId)
      await waitFor(
        async () => {
          const [left] = await stack.query<{ count: number }>(
            `SELECT (SELECT count(*) FROM sandboxes WHERE project_id = ANY($1)) + (SELECT count(*) FROM messages WHERE project_id = ANY($1))
               + (SELECT count(*) FROM projects WHERE id = ANY($1) AND name <> '') AS count`,
            [forks],
          )
          return Number(left?.count) === 0
        },
        'the alternatives are removed',
        60_000,
      )
      const names = readdirSync(join(stack.home, 'sandboxes'), { recursive: true, encoding: 'utf8' })
      expect(names.filter((name) => forks.some((fork) => name.includes(fork)))).toEqual([])
    }

    test('best of three on the sample: the one whose checks pass is chosen, put into effect and told, and its siblings are gone', async () => {
      const { api, model } = stack
      const projectId = await api.newProject({ kind: 'sample' })
      const first = await api.chat(projectId, { message: REQUEST })
      const task = await api.ended(first.taskId)
      const cursor = (await api.get<{ latestSeq: number }>(`/api/projects/${projectId}`)).latestSeq
      const wish = { alternatives: [{ model: BAD }, { model: GOOD }], choose: 'evidence', clientComparisonId: 'once' }
      const [made, again] = await Promise.all([compare(task.id, wish), compare(task.id, wish)])
      const listed = await api.get<{ items: { id: string }[] }>('/api/projects?limit=200')
      const chosen = await reached(made.id, 'chosen')
      await areGone(chosen)
      const stream = await api.projectStream(projectId, { after: cursor, topics: 'status' })
      await stream.next('comparison.updated', ({ state }) => state === 'chosen')
      stream.close()
      const told = stream.events.flatMap((event) =>
        event.type === 'comparison.updated' ? [[event.state, event.chosenIndex, event.taskId]] : [],
      )
      const notes = (await api.messages(first.conversationId)).filter(({ role }) => role === 'note')
      const next = await api.chat(projectId, { message: 'script: {"turns":[{"text":"I see."}]}' })
      await api.ended(next.taskId)
      const [body] = await model.bodies(next.taskId)
      const said = blocksOf(body?.messages.at(-1)?.content ?? '').map((block) => block.text ?? '')
      const diff = await api.get<{ files: { path: string }[] }>(`/api/comparisons/${made.id}/alternatives/2/diff`)
      const loser = await codeOf('GET', `/api/comparisons/${made.id}/alternatives/1/diff`)
      expect({
        same: again.id === made.id,
        hidden: listed.items.every(({ id }) => !made.items.some((item) => item.index > 0 && item.projectId === id)),
        index: [chosen.chosenIndex, chosen.chosenBy],
        reason: chosen.reason,
        items: chosen.items.map(({ index, model: by, status, evidence }) => [index, by, status, evidence]),
        content: await contentOf(projectId),
        told,
        note: notes.at(-1)?.text,
        notices: said.filter(
          (text) => text.includes('tried again') && text.includes('I hand out the cents that are left.'),
        ).length,
        diff: diff.files.map(({ path }) => path),
        loser,
      }).toEqual({
        same: true,
        hidden: true,
        index: [2, 'evidence'],
        reason: 'Alternative 2 is the best proved: every check passed.',
        items: [
          [0, task.id === '' ? '' : chosen.items[0]?.model, 'completed', expect.not.stringMatching(/^verified$/)],
          [1, BAD, 'completed', expect.not.stringMatching(/^verified$/)],
          [2, GOOD, 'completed', 'verified'],
        ],
        content: MENDED,
        told: [
          ['running', null, task.id],
          ['choosing', 2, task.id],
          ['chosen', 2, task.id],
        ],
        note: expect.stringMatching(/^Alternative 2 \(claude-haiku-5-5\) was chosen: .*every check passed\.$/),
        notices: 1,
        diff: [SOURCE],
        loser: [404, 'not_found', []],
      })
    })

    test('a person chooses by the API, in the terminal and through Temporal alone, and undoes a choice; what does not fit is refused by name', async () => {
      const { api } = stack
      // Without checks, so that nothing is mended and each try takes a second.
      const projectId = await api.newProject({ kind: 'files', files: { [SOURCE]: UNTOUCHED } })
      const { taskId } = await api.chat(projectId, { message: REQUEST })
      const path = `/api/tasks/${taskId}/alternatives`
      const early = await codeOf('POST', path, { alternatives: [{}] })
      await api.ended(taskId)
      const refused = [
        await codeOf('POST', path, { alternatives: [] }),
        await codeOf('POST', path, { alternatives: Array.from({ length: 6 }, () => ({})) }),
        await codeOf('POST', path, { alternatives: [{}, { model: 'gpt' }] }),
        await codeOf('POST', path, { alternatives: [{ criteria: [''] }] }),
        await codeOf('POST', path, { alternatives: [{}], choose: 'coin' }),
        await codeOf('POST', '/api/tasks/tsk_none/alternatives', { alternatives: [{}] }),
        await codeOf('GET', '/api/comparisons/cmp_none'),
      ]

      const byApi = await compare(taskId, { alternatives: [{ model: GOOD, criteria: ['Shares are fair.'] }] })
      const whileRunning = await codeOf('POST', `/api/comparisons/${byApi.id}/choose`, { index: 1 })
      const unknown = await codeOf('POST', `/api/comparisons/${byApi.id}/choose`, { index: 7 })
      await reached(byApi.id, 'waiting')
      const open = await api.get<{ files: { path: string }[] }>(`/api/comparisons/${byApi.id}/alternatives/1/diff`)
      const busy = await api.chat(projectId, { message: 'script: {"turns":[{"text":"Busy.","delayMs":1500}]}' })
      const duringTask = await codeOf('POST', `/api/comparisons/${byApi.id}/choose`, { index: 1 })
      await api.ended(busy.taskId)
      await api.post(`/api/comparisons/${byApi.id}/choose`, { index: 1 })
      const twice = await codeOf('POST', `/api/comparisons/${byApi.id}/choose`, { index: 1 })
      await areGone(await reached(byApi.id, 'chosen'))
      const afterApi = await contentOf(projectId)
      await api.post(`/api/tasks/${taskId}/undo`)
      const undone = await contentOf(projectId)

      const byTerminal = await compare(taskId, { alternatives: [{ model: GOOD }] })
      await reached(byTerminal.id, 'waiting')
      const shown = await chat(`/alternatives`, '--project', projectId)
      const terminal = await chat('/choose 1', '--project', projectId)
      const terminalChosen = await reached(byTerminal.id, 'chosen')

      const byTemporal = await compare(taskId, { alternatives: [{ model: BAD }], include: false })
      await reached(byTemporal.id, 'waiting')
      const client = await stack.temporal()
      const handle = client.workflow.getHandle(byTemporal.workflowId)
      await handle.executeUpdate('chooseAlternative', { args: [{ index: 1 }] })
      await reached(byTemporal.id, 'chosen')
      const afterTemporal = await contentOf(projectId)

      const toCancel = await compare(taskId, { alternatives: [{ model: GOOD }, { model: BAD }] })
      await api.post(`/api/comparisons/${toCancel.id}/cancel`)
      const cancelled = await reached(toCancel.id, 'cancelled')
      await areGone(cancelled)

      const moved = await compare(taskId, { alternatives: [{ model: GOOD }] })
      await reached(moved.id, 'waiting')
      const later = await api.chat(projectId, { message: `script: ${JSON.stringify(writing('// later\n', 'Later.'))}` })
      await api.ended(later.taskId)
      const movedOn = await codeOf('POST', `/api/comparisons/${moved.id}/choose`, { index: 1 })
      await api.post(`/api/comparisons/${moved.id}/cancel`)
      await reached(moved.id, 'cancelled')
      expect({
        early,
        refused,
        whileRunning,
        unknown,
        open: open.files.map(({ path: file }) => file),
        duringTask,
        twice,
        contents: [afterApi, undone, afterTemporal],
        terminal: [shown.code, shown.out.includes(GOOD), terminal.code, terminalChosen.chosenIndex],
        movedOn,
      }).toEqual({
        early: [409, 'task_running', ['taskId']],
        refused: [
          [400, 'bad_request', ['alternatives']],
          [400, 'bad_request', ['alternatives']],
          [400, 'bad_request', ['alternatives[1].model']],
          [400, 'bad_request', ['alternatives[0].criteria[0]']],
          [400, 'bad_request', ['choose']],
          [404, 'not_found', []],
          [404, 'not_found', []],
        ],
        whileRunning: [400, 'bad_request', ['index']],
        unknown: [400, 'bad_request', ['index']],
        open: [SOURCE],
        duringTask: [409, 'task_running', ['taskId']],
        twice: [409, 'already_decided', ['state', 'chosenIndex']],
        contents: [MENDED, UNTOUCHED, BROKEN],
        terminal: [0, true, 0, 1],
        movedOn: [409, 'files_moved_on', ['taskId']],
      })
    })
  })
}
