/** What happens in a home before it is recorded. It asks only for what the revision that is recorded has. */

import type { ApiClient } from '../../support/api.ts'
import { running, scriptOf } from '../../support/model-admin.ts'
import { waitFor } from '../../support/wait-for.ts'
import { contentOf } from './read-facts.ts'

/** What the test asks for by name. */
export interface Story {
  /** A project whose files two tasks changed. */
  readonly notes: string
  readonly notesConversation: string
  /** The checkpoint after the first of them. */
  readonly afterFirst: string
  /** A project with an environment whose set-up ran; absent where a revision has no environments. */
  readonly installed?: string
  /** A project in the middle of a task, whose second command runs. */
  readonly middle: string
  readonly running: string
  readonly taskIds: readonly string[]
  readonly paths: Readonly<Record<string, readonly string[]>>
}

/** What the project of notes holds after its first task, the second takes two of them away. */
export const PATHS_AFTER_FIRST = ['notes.txt', 'deep/er/kept.bin', 'run.sh']

/** Plays it and returns while the last task's second command runs. */
export async function playStory(api: ApiClient): Promise<Story> {
  const notes = await api.newProject({
    kind: 'files',
    files: { 'notes.txt': 'zero\n', 'AGENTS.md': '# Notes\nOne line a note.\n' },
  })
  const taskIds: string[] = []
  const ended = async (projectId: string, message: string, conversationId?: string) => {
    const accepted = await api.chat(projectId, conversationId === undefined ? { message } : { message, conversationId })
    taskIds.push(accepted.taskId)
    const { status } = await api.ended(accepted.taskId)
    if (status !== 'completed') throw new Error(`a task of the story ended as ${status}`)
    return accepted
  }
  const first = await ended(
    notes,
    scriptOf([
      running(
        "echo one >> notes.txt; mkdir -p deep/er; printf '\\0\\377\\1' > deep/er/kept.bin; printf '#!/bin/sh\\necho ran\\n' > run.sh; chmod 755 run.sh",
      ),
      { text: 'The first note stands.' },
    ]),
  )
  const { items } = await api.get<{ items: { id: string }[] }>(`/api/tasks/${first.taskId}/checkpoints`)
  const afterFirst = items.at(-1)?.id
  if (afterFirst === undefined) throw new Error('the first task left no checkpoint')
  const { conversationId } = await ended(
    notes,
    scriptOf([running('echo two >> notes.txt; rm run.sh; rm -r deep'), { text: 'The second note stands.' }]),
    first.conversationId,
  )
  const installed = await playSetUp(api, ended)

  const middle = await api.newProject()
  const { taskId } = await api.chat(middle, {
    message: scriptOf([
      running('echo begin-one >> log.txt; echo end-one >> log.txt', { text: 'Step one.' }),
      running('echo begin-two >> log.txt; sleep 600; echo end-two >> log.txt', { text: 'Step two.' }),
      running('echo begin-three >> log.txt; echo end-three >> log.txt', { text: 'Step three.' }),
      { text: 'All steps were taken.' },
    ]),
  })
  taskIds.push(taskId)
  await waitFor(
    async () => (await api.call('GET', `/api/workspace/${middle}/files/content?path=log.txt`)).status === 200,
    'the first command ran',
  )
  await waitFor(async () => (await contentOf(api, middle, 'log.txt')).includes('begin-two'), 'the second command runs')
  return {
    notes,
    notesConversation: conversationId,
    afterFirst,
    ...(installed === undefined ? {} : { installed }),
    middle,
    running: taskId,
    taskIds,
    paths: { [notes]: ['notes.txt', 'AGENTS.md'], [middle]: ['log.txt'] },
  }
}

async function playSetUp(
  api: ApiClient,
  ended: (projectId: string, message: string) => Promise<unknown>,
): Promise<string | undefined> {
  const projectId = await api.newProject({ kind: 'files', files: { 'app.txt': 'app\n' } })
  const path = `/api/workspace/${projectId}/environment`
  const answer = await api.call<{ version: number; network: object }>('GET', path)
  if (answer.status === 404) return undefined
  const { version } = answer.body
  const setUp = { name: 'install', command: 'mkdir -p installed && date +%N >> installed/when', source: 'custom' }
  const put = await api.call(
    'PUT',
    path,
    {
      network: { policy: 'none', hosts: [] },
      setup: { enabled: true, commands: [setUp] },
      variables: [{ name: 'KEPT', value: 'over' }],
      services: [],
    },
    { 'if-match': String(version) },
  )
  if (put.status !== 200) throw new Error(`the environment was refused: ${JSON.stringify(put.body)}`)
  await ended(projectId, scriptOf([running('echo "$KEPT" > variable.txt; test -s installed/when'), { text: 'Done.' }]))
  return projectId
}
