import { describe, expect, test } from 'vitest'
import { blocksOf } from '../../../src/standin/wire.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import { runClient } from '../../support/run-client.ts'
import type { TestStack } from '../../support/stack.ts'
import { waitFor } from '../../support/wait-for.ts'

interface Checkpoint {
  readonly id: string
  readonly turn: number
  readonly label: string
  readonly treeHash: string
}

export function wayBackSuite(stack: TestStack): void {
  describe('the way back', () => {
    const chat = (...args: readonly string[]) => runClient(stack.home, args)
    const checkpointsOf = async (taskId: string) =>
      (await stack.api.get<{ items: Checkpoint[] }>(`/api/tasks/${taskId}/checkpoints`)).items
    const contentOf = async (projectId: string, path: string) => {
      const url = `/api/workspace/${projectId}/files/content?path=${path}`
      return (await stack.api.call<{ content?: string }>('GET', url)).body.content ?? null
    }
    const write = (path: string, content: string) => ({
      text: `Writing ${path}.`,
      tools: [{ name: 'write', input: { file_path: path, content } }],
    })

    test('turns of one slice have a checkpoint each, shell edits included, and what was restored is told to the model', async () => {
      const { api, model } = stack
      const projectId = await api.newProject({ kind: 'files', files: { 'kept.txt': 'kept\n' } })
      const { taskId, conversationId } = await api.chat(projectId, {
        message: scriptOf([
          write('a.txt', 'one\n'),
          { text: 'Looking.', tools: [{ name: 'read', input: { file_path: 'a.txt' } }] },
          running('echo two > a.txt; echo new > untracked.txt; rm kept.txt', { text: 'By a command.' }),
          { text: 'Done.' },
        ]),
      })
      await api.ended(taskId)
      const checkpoints = await checkpointsOf(taskId)
      expect(checkpoints.map(({ turn, label }) => [turn, label])).toEqual([
        [0, expect.stringMatching(/^before: script: /)],
        [1, 'turn 1: write a.txt'],
        [3, expect.stringMatching(/^turn 3: echo two > a.txt/)],
      ])

      const cursor = (await api.get<{ latestSeq: number }>(`/api/projects/${projectId}`)).latestSeq
      const watched = await api.projectStream(projectId, { after: cursor })
      const restored = await api.call<{ checkpoint: Checkpoint }>(
        'POST',
        `/api/checkpoints/${checkpoints[1]?.id}/restore`,
        {},
      )
      const event = await watched.next('checkpoint.restored')
      watched.close()
      expect([restored.status, restored.body.checkpoint.treeHash, event.from]).toEqual([
        200,
        checkpoints[1]?.treeHash,
        checkpoints[1]?.id,
      ])
      expect([
        await contentOf(projectId, 'a.txt'),
        await contentOf(projectId, 'kept.txt'),
        await contentOf(projectId, 'untracked.txt'),
      ]).toEqual(['one\n', 'kept\n', null])
      const note = (await api.messages(conversationId)).at(-1)
      expect([note?.role, note?.text.startsWith('The files were restored')]).toEqual(['note', true])

      const next = await api.chat(projectId, { message: scriptOf([{ text: 'I see.' }]) })
      await api.ended(next.taskId)
      const [first] = await model.bodies(next.taskId)
      const said = blocksOf(first?.messages.at(-1)?.content ?? '').map((block) => block.text ?? '')
      expect(
        said.filter((text) => text.startsWith('Notice: since your last task the user put the files back')),
      ).toHaveLength(1)
    })

    test('a gutted test runner, a git hook and a large file do not go unseen, and dependencies keep from plain approval', async () => {
      const { api } = stack
      interface Answer {
        readonly files: readonly { readonly path: string }[]
        readonly leftOut: readonly { readonly path: string; readonly replaced: number }[]
      }
      const projectId = await api.newProject({
        kind: 'files',
        files: {
          'package.json': JSON.stringify({ name: 'g', scripts: { test: 'node t.js' } }),
          't.js': 'require("minitest")(require("./v.js") === 1)\n',
          'v.js': 'module.exports = 1\n',
          'node_modules/minitest/index.js': 'module.exports = (ok) => process.exit(ok ? 0 : 1)\n',
        },
      })
      const after = async (command: string) => {
        const { taskId } = await api.chat(projectId, { message: scriptOf([running(command), { text: 'Done.' }]) })
        const task = await api.ended(taskId)
        const diff = await api.get<Answer>(`/api/tasks/${taskId}/diff`)
        return { outcome: task.outcome, files: diff.files.map(({ path }) => path), leftOut: diff.leftOut }
      }
      const harmless = await after('git init -q .; echo x > README.md')
      const hook = await after('echo evil > .git/hooks/pre-commit')
      const large = await after('head -c 2200000 /dev/urandom > vendor.bin')
      const gutted = await after(
        'echo "module.exports = () => process.exit(0)" > node_modules/minitest/index.js; echo "module.exports = 2" > v.js',
      )
      expect([harmless.leftOut.map(({ path }) => path), hook.files, large.files]).toEqual([
        ['.git'],
        ['.git/hooks/pre-commit'],
        ['vendor.bin'],
      ])
      expect([hook.outcome, large.outcome]).not.toContain('no_changes')
      expect(gutted).toMatchObject({ files: ['v.js'], leftOut: [{ path: 'node_modules', replaced: 1 }] })
      expect(['approved', 'no_changes']).not.toContain(gutted.outcome)
    })

    test('a server killed with -9 while files are restored leaves the new tree, and a message posted then runs after it', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const many = 'mkdir -p many; for i in $(seq 1 500); do echo $i > many/$i.txt; done; echo one > a.txt'
      const first = await api.chat(projectId, { message: scriptOf([running(many), { text: 'Made.' }]) })
      await api.ended(first.taskId)
      const second = await api.chat(projectId, {
        message: scriptOf([running('rm -r many; echo two > a.txt'), { text: 'Gone.' }]),
      })
      await api.ended(second.taskId)
      const target = (await checkpointsOf(first.taskId)).at(-1)

      const asked = api.call('POST', `/api/checkpoints/${target?.id}/restore`, {}).then(
        (answer) => answer.status,
        () => 'broken',
      )
      await waitFor(
        async () =>
          (await stack.query('SELECT id FROM restores WHERE pending_project_id = $1', [projectId])).length > 0,
        'the restore is noted',
      )
      const posted = api.chat(projectId, {
        message: scriptOf([running('ls many | wc -l; cat a.txt'), { text: 'Seen.' }]),
      })
      const killed = await Promise.allSettled([posted, stack.killAndAwait('server')])
      const { taskId } = killed[0].status === 'fulfilled' ? killed[0].value : await repost(projectId)
      await api.ended(taskId)
      const seen = (await api.storedEvents(taskId)).flatMap((event) =>
        event.type === 'tool.finished' ? [event.result] : [],
      )
      const [restore] = await stack.query<{ status: string; files: number }>(
        'SELECT status, files FROM restores WHERE project_id = $1',
        [projectId],
      )
      // Its answer broke off with the server, or had just come.
      await asked
      expect({ restore, seen: seen.map((text) => text.trim().split('\n').slice(1, 3)) }).toEqual({
        restore: { status: 'done', files: 501 },
        seen: [['500', 'one']],
      })
    })

    async function repost(projectId: string) {
      const message = scriptOf([running('ls many | wc -l; cat a.txt'), { text: 'Seen.' }])
      return await stack.api.chat(projectId, { message })
    }

    test('the terminal’s commands show and undo what the newest task did', async () => {
      const { api } = stack
      const projectId = await api.newProject()
      const { taskId } = await api.chat(projectId, { message: scriptOf([write('a.txt', 'one\n'), { text: 'Done.' }]) })
      await api.ended(taskId)
      const at = ['--project', projectId]
      const diff = await chat('/diff a.txt', ...at)
      const cost = await chat('/cost', ...at, '--json')
      const criteria = await chat('/criteria', ...at)
      const context = await chat('/context', ...at)
      const unasked = await chat('/undo', ...at)
      const undone = await chat('/undo', ...at, '--yes')
      const nothing = await chat('/undo', ...at, '--yes')
      expect({
        codes: [diff, cost, criteria, context, unasked, undone, nothing].map(({ code }) => code),
        diff: diff.out.includes('+one'),
        cost: (JSON.parse(cost.out) as { task: { id: string } }).task.id,
        criteria: criteria.out.includes('fix rounds'),
        context: context.out.includes('tokens'),
        file: await contentOf(projectId, 'a.txt'),
      }).toEqual({
        codes: [0, 0, 0, 0, 2, 0, 1],
        diff: true,
        cost: taskId,
        criteria: true,
        context: true,
        file: null,
      })
    })

    test('a fork’s model remembers what was said up to there and nothing later', async () => {
      const { api, model } = stack
      const projectId = await api.newProject()
      const { taskId } = await api.chat(projectId, {
        message: scriptOf([
          write('a.txt', 'one\n'),
          { ...write('b.txt', 'two\n'), text: 'Later words.' },
          { text: 'Done.' },
        ]),
      })
      await api.ended(taskId)
      const [, early] = await checkpointsOf(taskId)
      const conversation = await api.post<{ id: string }>(`/api/checkpoints/${early?.id}/fork`, {
        into: 'conversation',
      })
      const project = await api.post<{ id: string; conversationId: string }>(`/api/checkpoints/${early?.id}/fork`, {
        into: 'project',
        name: 'Forked',
      })
      for (const [id, conversationId] of [
        [projectId, conversation.id],
        [project.id, project.conversationId],
      ] as const) {
        const next = await api.chat(id, { conversationId, message: scriptOf([{ text: 'On.' }]) })
        await api.ended(next.taskId)
        const [body] = await model.bodies(next.taskId)
        const text = JSON.stringify(body?.messages)
        expect({
          early: text.includes('Writing a.txt.'),
          late: text.includes('Later words.","') || text.includes('"text":"Later words."'),
          files: [await contentOf(id, 'a.txt'), await contentOf(id, 'b.txt')],
        }).toEqual({ early: true, late: false, files: ['one\n', null] })
      }
    })
  })
}
