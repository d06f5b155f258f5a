import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createConversation,
  getConversation,
  listConversations,
  listMessages,
} from '../../../src/db/project/conversations.ts'
import {
  createProject,
  deleteProject,
  getProject,
  listProjects,
  type Page,
  renameProject,
} from '../../../src/db/project/projects.ts'
import { closeTask } from '../../../src/db/task/lifecycle.ts'
import { beginTurn } from '../../../src/db/turn/begin-turn.ts'
import { storeReply } from '../../../src/db/turn/model-calls.ts'
import { finishTools } from '../../../src/db/turn/tool-calls.ts'
import { readLane } from '../../../src/db/turn/turns.ts'
import { newId } from '../../../src/shared/ids.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aStoredReply } from '../../support/replies.ts'
import { aProject, aRunningTask, post } from '../../support/tasks.ts'

let db: TestDb
beforeAll(async () => {
  db = await aDb()
})
afterAll(() => db.close())

/** Follows `nextAfter` to the end, page by page. */
async function pages<Item>(read: (after: string | undefined) => Promise<Page<Item>>): Promise<Item[][]> {
  const found: Item[][] = []
  let after: string | undefined
  for (let i = 0; i < 20; i++) {
    const page = await read(after)
    found.push(page.items)
    if (page.nextAfter === null) return found
    after = page.nextAfter
  }
  throw new Error('paging does not end')
}

describe('projects', () => {
  test('are listed oldest first, page by page, without those that were deleted', async () => {
    const ids: string[] = []
    for (let i = 0; i < 7; i++) ids.push(await aProject(db))
    await deleteProject(db, ids[2] ?? '')
    await deleteProject(db, ids[2] ?? '')
    const listed = (await pages((after) => listProjects(db, { after, limit: 3 }))).map((page) =>
      page.map((it) => it.id),
    )
    const kept = ids.filter((_, index) => index !== 2).sort()
    expect(listed).toEqual([kept.slice(0, 3), kept.slice(3, 6)])
    await expect(getProject(db, ids[2] ?? '')).rejects.toMatchObject({ code: 'not_found' })
    await expect(renameProject(db, ids[2] ?? '', 'x')).rejects.toMatchObject({ code: 'not_found' })
  })

  test('keep their source as it was posted, and take a new name', async () => {
    const source = { kind: 'files', files: { 'b.txt': 'b\0', 'a.txt': 'ä' } } as const
    const { id } = await createProject(db, { name: 'one', source, sandboxProvider: 'local-bwrap' })
    const renamed = await renameProject(db, id, 'two')
    expect(renamed).toEqual({
      id,
      name: 'two',
      source,
      sandboxProvider: 'local-bwrap',
      activeTaskId: null,
      alternativeOf: null,
      budget: {},
      contextHash: null,
      createdAt: expect.any(Date) as Date,
      sourceReport: null,
    })
  })
})

describe('conversations', () => {
  test('are listed oldest first within their project, each with the task that runs', async () => {
    const projectId = await aProject(db)
    const first = await post(db, { projectId, text: 'one' })
    const second = await createConversation(db, projectId, 'two')
    const third = await post(db, { projectId, text: 'three', newConversation: true })
    await post(db, { projectId: await aProject(db) })
    const listed = await pages((after) => listConversations(db, projectId, { after, limit: 2 }))
    const shown = listed.map((page) => page.map(({ id, title, activeTaskId }) => ({ id, title, activeTaskId })))
    const all = [
      { id: first.conversationId, title: 'one', activeTaskId: first.taskId },
      { id: second.id, title: 'two', activeTaskId: null },
      { id: third.conversationId, title: 'three', activeTaskId: third.taskId },
    ].sort((a, b) => (a.id < b.id ? -1 : 1))
    expect(shown).toEqual([all.slice(0, 2), all.slice(2)])
  })

  test('of a deleted project are gone', async () => {
    const projectId = await aProject(db)
    const { id } = await createConversation(db, projectId, 'x')
    await deleteProject(db, projectId)
    await expect(getConversation(db, id)).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('messages', () => {
  test('come in order, each answer with its texts, thoughts and tool calls, where they stand in the reply', async () => {
    const task = await aRunningTask(db, { text: 'do it' })
    const { conversationId } = task
    const base = { lane: 'coder', messageId: newId('msg'), toolResults: [], notes: [], idle: true } as const
    const turn = await beginTurn(task.attempt, base)
    if (!turn) throw new Error('no turn')
    const content = [
      { type: 'thinking', thinking: 'hm', signature: 's' },
      { type: 'text', text: 'Let me see.' },
      { type: 'tool_use', id: 'toolu_1', name: 'bash', input: { command: 'ls' } },
      { type: 'text', text: 'And then' },
      { type: 'tool_use', id: 'toolu_2', name: 'read', input: { file_path: 'a' } },
    ] as const
    await storeReply(task.attempt, aStoredReply(turn, content))
    const [stored] = await readLane(db, task.taskId, 'coder')
    const call = stored?.toolCalls[0]
    if (!call) throw new Error('no call')
    const finished = { call, result: 'a b', isError: false, durationMs: 7, events: [] }
    await finishTools(task.attempt, 'coder', [finished])
    const queued = await post(db, { projectId: task.projectId, text: 'and more', delivery: 'queue' })
    const common = { conversationId, taskId: task.taskId, createdAt: expect.any(Date) as Date }
    const { items, nextAfter } = await listMessages(db, conversationId, { limit: 10 })
    expect(nextAfter).toBeNull()
    expect(items).toEqual([
      {
        ...common,
        id: task.messageId,
        role: 'user',
        text: 'do it',
        status: 'claimed',
        turn: 1,
        parts: [{ type: 'text', text: 'do it' }],
      },
      {
        ...common,
        id: turn.messageId,
        role: 'assistant',
        text: 'Let me see.\n\nAnd then',
        status: 'completed',
        turn: 1,
        parts: [
          { type: 'thinking', text: 'hm' },
          { type: 'text', text: 'Let me see.' },
          {
            type: 'tool',
            toolUseId: 'toolu_1',
            name: 'bash',
            input: { command: 'ls' },
            status: 'finished',
            result: 'a b',
            isError: false,
            durationMs: 7,
          },
          { type: 'text', text: 'And then' },
          {
            type: 'tool',
            toolUseId: 'toolu_2',
            name: 'read',
            input: { file_path: 'a' },
            status: 'requested',
            result: null,
            isError: false,
            durationMs: null,
          },
        ],
      },
      {
        ...common,
        id: queued.messageId,
        role: 'user',
        text: 'and more',
        status: 'queued',
        turn: null,
        parts: [{ type: 'text', text: 'and more' }],
      },
    ])
  })

  test('of several tasks that use the same ids of calls keep their own results', async () => {
    const projectId = await aProject(db)
    for (const result of ['first', 'second']) {
      const task = await aRunningTask(db, { projectId, text: result })
      const base = { lane: 'coder', messageId: newId('msg'), toolResults: [], notes: [], idle: true } as const
      const turn = await beginTurn(task.attempt, base)
      if (!turn) throw new Error('no turn')
      const content = [{ type: 'tool_use', id: 'call_1', name: 'bash', input: {} }] as const
      await storeReply(task.attempt, aStoredReply(turn, content))
      const [stored] = await readLane(db, task.taskId, 'coder')
      const call = stored?.toolCalls[0]
      if (!call) throw new Error('no call')
      await finishTools(task.attempt, 'coder', [{ call, result, isError: false, durationMs: 1, events: [] }])
      await closeTask(task.attempt, { kind: 'cancelled', killed: [] })
    }
    const [conversation] = (await listConversations(db, projectId, { limit: 1 })).items
    const { items } = await listMessages(db, conversation?.id ?? '', { limit: 20 })
    const results = items.flatMap((it) => it.parts.flatMap((part) => (part.type === 'tool' ? [part.result] : [])))
    expect(results).toEqual(['first', 'second'])
  })

  test('are paged without a gap or a repeat, and an unknown cursor gives nothing', async () => {
    const projectId = await aProject(db)
    const posted: string[] = []
    for (let i = 0; i < 5; i++) posted.push((await post(db, { projectId, text: `${i}` })).messageId)
    const [conversation] = (await listConversations(db, projectId, { limit: 1 })).items
    const id = conversation?.id ?? ''
    const listed = await pages((after) => listMessages(db, id, { after, limit: 2 }))
    expect(listed.map((page) => page.map((message) => message.id))).toEqual([
      posted.slice(0, 2),
      posted.slice(2, 4),
      posted.slice(4),
    ])
    expect((await listMessages(db, id, { after: 'msg_none', limit: 2 })).items).toEqual([])
  })
})
