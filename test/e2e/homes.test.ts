/**
 * Homes as earlier versions left them when everything was killed in the middle of a task (`homes/record-home.ts`), taken over
 * by today's instance: all that was in them is there, the task goes on and ends once, and people can work in them.
 */

import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { running, scriptOf } from '../support/model-admin.ts'
import { TestStack } from '../support/stack.ts'
import { contentOf, type HomeFacts, readFacts } from './homes/read-facts.ts'
import { type RestoredHome, restoreHome } from './homes/restore-home.ts'
import { PATHS_AFTER_FIRST } from './homes/story.ts'

const isRoot = process.getuid?.() === 0

describe.each([
  ['of the first version, whose commands were root’s and whose database was a superuser’s', 'first'],
  ['of a version with environments, whose commands have a user', 'second'],
])('a home %s', (_what, name) => {
  let restored: RestoredHome
  let stack: TestStack
  beforeAll(async () => {
    restored = await restoreHome(name)
    stack = await new TestStack({ home: restored.home }).start()
  }, 240_000)
  afterAll(async () => {
    await stack.stop()
    restored.remove()
  })

  test('goes on with the task that was in the middle of a command: nothing runs twice, and it ends once', async () => {
    const { api } = stack
    const { story } = restored.recording
    const task = await api.ended(story.running)
    const events = await api.storedEvents(story.running)
    const rows = await stack.query<{ type: string }>(
      "SELECT type FROM events WHERE task_id = $1 AND type ~ '^task[.](completed|failed|cancelled)$'",
      [story.running],
    )
    expect({
      status: [task.status, task.outcome],
      log: (await contentOf(api, story.middle, 'log.txt')).trim().split('\n'),
      commands: events.flatMap((event) => (event.type === 'command.finished' ? [[event.status, event.exitCode]] : [])),
      ends: rows,
    }).toEqual({
      status: ['completed', 'approved'],
      log: ['begin-one', 'end-one', 'begin-two', 'begin-three', 'end-three'],
      // Its processes died with the machine's: the model is told, and goes on.
      commands: [
        ['exited', 0],
        ['lost', null],
        ['exited', 0],
      ],
      ends: [{ type: 'task.completed' }],
    })
  })

  test('still holds every project, conversation, message, event, checkpoint, review and file', async () => {
    const { story, latestSeq, facts } = restored.recording
    const now = await readFacts(stack.api, { taskIds: story.taskIds, latestSeq, paths: story.paths })
    expect(withoutRunning(now, restored)).toMatchObject(withoutRunning(facts, restored))
    expect(now.events[story.middle]).toEqual(facts.events[story.middle])
  })

  test('gives an old checkpoint back byte for byte, and works on from there', async () => {
    const { api } = stack
    const { notes, notesConversation, afterFirst } = restored.recording.story
    await api.post(`/api/checkpoints/${afterFirst}/restore`)
    const files = await Promise.all(PATHS_AFTER_FIRST.map((at) => contentOf(api, notes, at)))
    const message = scriptOf([
      running(
        'echo three >> notes.txt; ./run.sh > ran.txt; rm -r deep; stat -c %U:%a notes.txt run.sh > owners.txt; stat -c %U . >> owners.txt',
      ),
      { text: 'The third note stands.' },
    ])
    const { taskId } = await api.chat(notes, { message, conversationId: notesConversation })
    const { outcome } = await api.ended(taskId)
    expect({
      files,
      outcome,
      after: await Promise.all(['notes.txt', 'ran.txt', 'owners.txt'].map((at) => contentOf(api, notes, at))),
    }).toEqual({
      files: ['zero\none\n', Buffer.from([0, 255, 1]).toString('base64'), '#!/bin/sh\necho ran\n'],
      outcome: 'approved',
      after: ['zero\none\nthree\n', 'ran\n', 'agent:644\nagent:755\nagent\n'],
    })
  })

  test('keeps an environment, whose set-up does not run again, and runs one that it gets now', async () => {
    const { api } = stack
    const { installed, notes } = restored.recording.story
    const projectId = installed ?? notes
    if (installed === undefined) {
      const path = `/api/workspace/${projectId}/environment`
      const { version } = await api.get<{ version: number }>(path)
      const setup = {
        enabled: true,
        commands: [{ name: 'install', command: 'mkdir -p installed && date +%N >> installed/when', source: 'custom' }],
      }
      const network = { policy: 'none', hosts: [] }
      const body = { network, setup, variables: [{ name: 'KEPT', value: 'over' }], services: [] }
      expect((await api.call('PUT', path, body, { 'if-match': String(version) })).status).toBe(200)
    }
    const message = scriptOf([
      running('echo "$KEPT" > again.txt; wc -l < installed/when >> again.txt'),
      { text: 'Done.' },
    ])
    await api.ended((await api.chat(projectId, { message })).taskId)
    expect(await contentOf(api, projectId, 'again.txt')).toBe('over\n1\n')
  })

  test('has today’s owners and modes: no other user reads any of it, its API keeps its token', async () => {
    const { home } = restored
    const sandboxes = path.join(home, 'sandboxes')
    const workspaces = ['notes', 'middle'].map((each) =>
      path.join(sandboxes, 'projects', restored.recording.story[each as 'notes' | 'middle'], 'g1/workspace'),
    )
    const owners = new Set(
      workspaces.flatMap((at) =>
        readdirSync(at, { recursive: true, encoding: 'utf8' })
          .concat('.')
          .map((each) => lstatSync(path.join(at, each)).uid),
      ),
    )
    expect({
      token: stack.state().apiToken,
      owners: [...owners],
      redis: existsSync(path.join(home, 'redis/appendonlydir')),
      readable: isRoot ? readableBy(65_534, home) : [],
    }).toEqual({
      token: restored.apiToken,
      owners: [isRoot ? lstatSync(sandboxes).uid : process.getuid?.()],
      redis: false,
      readable: [],
    })
    if (isRoot) expect([...owners]).not.toContain(0)
  })
})

/** What the task that went on has changed meanwhile is no loss. */
function withoutRunning(facts: HomeFacts, { recording }: RestoredHome) {
  const { running: task, middle } = recording.story
  const without = <T>(all: Readonly<Record<string, T>>, ...keys: readonly string[]) =>
    Object.fromEntries(Object.entries(all).filter(([key]) => !keys.includes(key)))
  const itsConversations = (facts.conversations[middle] ?? []).map(({ id }) => id)
  return {
    projects: facts.projects,
    conversations: facts.conversations,
    criteria: facts.criteria,
    messages: without(facts.messages, ...itsConversations),
    itsMessages: itsConversations.map((id) => facts.messages[id]?.slice(0, 1)),
    tasks: without(facts.tasks, task),
    checkpoints: without(facts.checkpoints, task),
    diffs: without(facts.diffs, task),
    reviews: without(facts.reviews, task),
    events: without(facts.events, middle),
    files: without(facts.files, middle),
  }
}

/** Files of a home, programs aside, that a user of the machine can read. */
function readableBy(uid: number, home: string): string[] {
  const user = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
  const tests = ['-type', 'f', '-size', '+0', '-readable', '-not', '-path', `${home}/bin/*`, '-print']
  const shell = 'find "$@" 2>/dev/null; exit 0'
  const found = execFileSync('setpriv', [...user, 'sh', '-c', shell, 'sh', home, ...tests], { encoding: 'utf8' })
  return found.split('\n').filter((line) => line !== '')
}
