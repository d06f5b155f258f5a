import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { StreamEvent } from '../../../src/events/topics.ts'
import { NO_DIFF, NO_USAGE } from '../../../src/shared/task.ts'
import { currentTaskIdOf, messagesOf, taskOf } from '../../../src/web/store/workspace-state.ts'
import { WorkspaceStore } from '../../../src/web/store/workspace-store.ts'
import { waitFor } from '../../support/wait-for.ts'
import { type StandInServer, startStandInServer } from './stand-in-server.ts'

type Durable = Extract<StreamEvent, { seq: number }>

const envelope = { v: 1, projectId: 'p', conversationId: 'c', taskId: 't', at: 1_000 } as const
const review = {
  status: 'skipped',
  round: 0,
  fixRounds: 0,
  maxFixRounds: 2,
  findings: { open: 0, resolved: 0 },
  history: [],
} as const

/** One task from its message to its end. */
function aTask(): StreamEvent[] {
  const durable = (seq: number, type: Durable['type'], payload: object, turn = 0): StreamEvent =>
    ({ ...envelope, ...(turn > 0 && { turn }), type, seq, ...payload }) as unknown as Durable
  const delta = (offset: number, text: string): StreamEvent => ({
    ...envelope,
    turn: 1,
    type: 'text.delta',
    messageId: 'm2',
    partId: 'a',
    offset,
    delta: text,
  })
  return [
    durable(1, 'task.accepted', { messageId: 'm1', joined: false }),
    durable(2, 'message.created', { messageId: 'm1', role: 'user', text: 'Say it', clientMessageId: 'x' }),
    durable(3, 'task.started', { workflowId: 'w', model: 'm' }),
    durable(4, 'message.claimed', { messageId: 'm1' }, 1),
    durable(5, 'turn.started', { role: 'coder' }, 1),
    delta(0, 'It is '),
    delta(6, 'said.'),
    durable(
      6,
      'message.completed',
      {
        messageId: 'm2',
        role: 'assistant',
        complete: false,
        parts: [{ partId: 'a', type: 'text', text: 'It is said.' }],
      },
      1,
    ),
    durable(
      7,
      'turn.finished',
      { role: 'coder', stopReason: 'end_turn', usage: NO_USAGE, costUsd: 0, firstTokenMs: 1, durationMs: 2 },
      1,
    ),
    durable(8, 'task.completed', { outcome: 'no_changes', review, usage: NO_USAGE, costUsd: 0, diffStat: NO_DIFF }),
  ]
}

const at = '2026-01-01T00:00:01.000Z'
const own = { conversationId: 'c', taskId: 't', status: 'completed', createdAt: at }
const storedMessages = [
  { ...own, id: 'm1', role: 'user', text: 'Say it', parts: [{ type: 'text', text: 'Say it' }] },
  { ...own, id: 'm2', role: 'assistant', turn: 1, text: 'It is said.', parts: [{ type: 'text', text: 'It is said.' }] },
]

let server: StandInServer
let store: WorkspaceStore
/** Where the task stands by the database. */
let progress: 'none' | 'running' | 'over'
const realFetch = globalThis.fetch

function storedTask(): object {
  const isOver = progress === 'over'
  return {
    id: 't',
    projectId: 'p',
    conversationId: 'c',
    status: isOver ? 'completed' : 'running',
    phase: isOver ? 'done' : 'working',
    turn: 1,
    round: 0,
    model: 'm',
    ...(isOver ? { outcome: 'no_changes' } : {}),
    review,
    usage: NO_USAGE,
    costUsd: 0,
    diffStat: NO_DIFF,
    workers: 'polling',
    createdAt: at,
    startedAt: at,
    finishedAt: isOver ? at : null,
  }
}

async function begin(messages: () => readonly { readonly id: string }[] = toldMessages): Promise<void> {
  progress = 'none'
  server = await startStandInServer({
    conversations: () => [
      {
        id: 'c',
        projectId: 'p',
        title: 'c',
        activeTaskId: progress === 'running' ? 't' : null,
        createdAt: at,
        updatedAt: at,
      },
    ],
    messages,
    task: storedTask,
  })
}

const toldMessages = () => (progress === 'over' ? storedMessages : [])
const pagesRead = () => server.requests.filter((path) => path.includes('/messages?')).length

async function end(): Promise<void> {
  store.close()
  await server.close()
}

/** An event and what the database says once it stands there. */
function tell(event: StreamEvent): void {
  progress = event.type === 'task.completed' ? 'over' : 'running'
  server.send(event)
}

beforeAll(() => {
  // A page's addresses have no origin; Node's need one.
  globalThis.fetch = (input, init) => realFetch(`${server.url}${input as string}`, init)
})
afterAll(() => {
  globalThis.fetch = realFetch
})

function openStore(): WorkspaceStore {
  const made = new WorkspaceStore({ projectId: 'p', schedule: (notify) => void setTimeout(notify, 0) })
  void made.open()
  made.openConversation('c')
  return made
}

/** What a person sees of the conversation. */
function shown(of: WorkspaceStore): object {
  const messages = messagesOf(of.state, 'c').map(({ id, role, status, parts }) => ({
    id,
    role,
    status,
    text: parts.map((part) => (part.type === 'tool' ? part.name : part.text)).join(''),
  }))
  const taskId = currentTaskIdOf(of.state, 'c')
  const task = taskId === null ? null : taskOf(of.state, taskId)
  return { messages, task: task === null ? null : { status: task.status, outcome: task.outcome, turn: task.turn } }
}

const END = {
  messages: [
    { id: 'm1', role: 'user', status: 'completed', text: 'Say it' },
    { id: 'm2', role: 'assistant', status: 'completed', text: 'It is said.' },
  ],
  task: { status: 'completed', outcome: 'no_changes', turn: 1 },
}

const isAtEnd = (): boolean => JSON.stringify(shown(store)) === JSON.stringify(END)

describe('the open project', () => {
  test('ends in the same state however the stream was cut, repeated or joined late', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(10), fc.nat(9), fc.boolean(), async (joinAt, cutAt, repeats) => {
        await begin()
        try {
          const events = aTask()
          for (const event of events.slice(0, joinAt)) tell(event)
          store = openStore()
          await waitFor(() => store.state.connection.kind === 'live', 'the stream is open')
          for (const [index, event] of events.slice(joinAt).entries()) {
            if (index === cutAt) server.cut()
            tell(event)
            if (repeats) server.send(event)
          }
          store.needTask('t')
          await waitFor(isAtEnd, 'the end is shown')
        } finally {
          await end()
        }
      }),
      { numRuns: 15 },
    )
  })

  test('shows the end of a conversation of any length after one page, then all of it, also when the project is opened again', {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1_000), fc.boolean(), async (count, opensAgain) => {
        const stored = Array.from({ length: count }, (_, n) => ({ ...own, id: `n${n}`, role: 'user', parts: [] }))
        const ids = stored.map(({ id }) => id)
        await begin(() => stored)
        try {
          server.holdsEarlierPages = true
          store = openStore()
          const seen = () => messagesOf(store.state, 'c').map(({ id }) => id)
          await waitFor(() => store.state.histories['c']?.status === 'ready', 'the end is shown')
          expect(seen()).toEqual(ids.slice(-200))
          if (opensAgain) await store.open()
          server.holdsEarlierPages = false
          await waitFor(() => store.state.histories['c']?.isWhole === true, 'all is read')
          expect(seen()).toEqual(ids)
          const before = pagesRead()
          await store.open()
          await waitFor(() => pagesRead() > before && store.state.histories['c']?.status === 'ready', 'it is read anew')
          expect({ seen: seen(), pages: pagesRead() - before }).toEqual({ seen: ids, pages: 1 })
        } finally {
          await end()
        }
      }),
      { numRuns: 15 },
    )
  })

  test('reads an ended task again when its stream broke off, and once more when one asks for it', {
    timeout: 60_000,
  }, async () => {
    await begin()
    try {
      for (const event of aTask()) tell(event)
      server.breaksReplays = true
      store = openStore()
      const standing = () => store.state.replays['t']?.status
      const reads = () => server.requests.filter((path) => path.startsWith('/api/tasks/t/events')).length
      store.needTask('t')
      await waitFor(() => standing() === 'failed', 'it is given up')
      const readsBefore = reads()
      store.needTask('t')
      await waitFor(() => reads() > readsBefore, 'it is asked for anew')
      server.breaksReplays = false
      await waitFor(() => standing() === 'ready', 'it is there')
      expect(shown(store)).toEqual(END)
    } finally {
      await end()
    }
  })

  test('reads by GET while streams are blocked and follows the stream again afterwards', {
    timeout: 60_000,
  }, async () => {
    await begin()
    try {
      server.blocksStreams = true
      store = openStore()
      await waitFor(() => store.state.connection.kind === 'polling', 'the page asks by GET')
      const events = aTask()
      for (const event of events.slice(0, -1)) tell(event)
      store.needTask('t')
      await waitFor(() => taskOf(store.state, 't')?.status === 'running', 'the task runs')
      for (const event of events.slice(-1)) tell(event)
      await waitFor(isAtEnd, 'the end is shown')
      server.blocksStreams = false
      store.wake()
      await waitFor(() => store.state.connection.kind === 'live', 'the stream is back')
      store.needTask('t')
      await waitFor(isAtEnd, 'the end is still shown')
      expect(shown(store)).toEqual(END)
    } finally {
      await end()
    }
  })
})
