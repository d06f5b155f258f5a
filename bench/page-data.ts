/** What the page's figures need in the database: conversations and tasks as they would be stored, without a model. */

import { createDb, type Db } from '../src/db/client.ts'
import { createConversation } from '../src/db/project/conversations.ts'
import { appendEvents } from '../src/db/stream/events.ts'
import { createPublisher, type Publisher } from '../src/events/publisher.ts'
import type { EventScope, NewEvent, StoredEvent } from '../src/events/topics.ts'
import { newId } from '../src/shared/ids.ts'
import type { ReviewState } from '../src/shared/review.ts'
import { NO_DIFF, NO_USAGE } from '../src/shared/task.ts'
import { createProject, type Target } from './client.ts'

const EVENTS_AT_ONCE = 500
const EVENTS_A_TURN = 10
const REVIEW: ReviewState = {
  status: 'skipped',
  round: 0,
  fixRounds: 0,
  maxFixRounds: 2,
  findings: { open: 0, resolved: 0 },
  history: [],
}

/** A conversation of a project of its own. */
export interface Place {
  readonly projectId: string
  readonly conversationId: string
  readonly path: string
}

/** One task of a place; `scope` is what its events carry. */
export interface PlaceTask {
  readonly taskId: string
  readonly scope: EventScope & { readonly taskId: string }
}

interface StoredMessage {
  readonly id: string
  readonly role: 'user' | 'assistant'
  readonly text: string
  readonly turn: number
}

/** The instance's database and live path, as a worker uses them. Whoever opens it closes it. */
export class PageData {
  readonly publisher: Publisher
  readonly #db: Db
  readonly #target: Target

  constructor(options: { target: Target; databaseUrl: string; redisUrl: string }) {
    const log = { info: () => undefined, warn: () => undefined }
    this.#target = options.target
    this.publisher = createPublisher({ redisUrl: options.redisUrl, log, name: 'keelson-bench' })
    this.#db = createDb({
      url: options.databaseUrl,
      applicationName: 'keelson-bench',
      poolSize: 2,
      onEvents: (projectId, events) => this.publisher.publishEvents(projectId, events),
      onConnectionError: () => undefined,
    })
  }

  async close(): Promise<void> {
    await this.publisher.close()
    await this.#db.close()
  }

  async newPlace(): Promise<Place> {
    const projectId = await createProject(this.#target, { 'README.md': 'bench\n' })
    const { id } = await createConversation(this.#db, projectId, 'The conversation')
    return { projectId, conversationId: id, path: `/p/${projectId}/c/${id}` }
  }

  /** A task that no workflow runs: what it does is told by the benchmark. */
  async newTask({ projectId, conversationId }: Place, isOver: boolean): Promise<PlaceTask> {
    const taskId = newId('tsk')
    const [status, phase, outcome] = isOver ? ['completed', 'done', 'no_changes'] : ['running', 'working', null]
    await this.#db.pool.query(
      `INSERT INTO tasks (id, project_id, conversation_id, status, phase, outcome, model, review, started_at, finished_at)
       VALUES ($1, $2, $3, $4, $5, $6, 'bench', $7, now(), CASE WHEN $8 THEN now() END)`,
      [taskId, projectId, conversationId, status, phase, outcome, JSON.stringify(REVIEW), isOver],
    )
    return { taskId, scope: { projectId, conversationId, taskId } }
  }

  /** Ends a task of the benchmark in the database; its last event is told by `store`. */
  async endTask({ taskId }: PlaceTask): Promise<void> {
    const text = `UPDATE tasks SET status = 'completed', phase = 'done', outcome = 'no_changes', finished_at = now() WHERE id = $1`
    await this.#db.pool.query(text, [taskId])
  }

  /** Stores events, and tells them to whoever follows the project. */
  async store(projectId: string, events: readonly NewEvent[]): Promise<StoredEvent[]> {
    const stored: StoredEvent[] = []
    for (let from = 0; from < events.length; from += EVENTS_AT_ONCE) {
      stored.push(...(await appendEvents(this.#db, projectId, events.slice(from, from + EVENTS_AT_ONCE))))
    }
    return stored
  }

  /** The messages that `events` tell of, as `GET …/messages` reads them. */
  async storeMessages({ scope, taskId }: PlaceTask, events: readonly NewEvent[]): Promise<void> {
    const messages = events.flatMap(messageOf)
    await this.#db.pool.query(
      `INSERT INTO messages (id, project_id, conversation_id, task_id, role, text, status, turn)
       SELECT m.id, $1, $2, $3, m.role, m.text, 'completed', m.turn
       FROM unnest($4::text[], $5::text[], $6::text[], $7::int[]) WITH ORDINALITY AS m (id, role, text, turn, at)
       ORDER BY m.at`,
      [
        scope.projectId,
        scope.conversationId,
        taskId,
        messages.map(({ id }) => id),
        messages.map(({ role }) => role),
        messages.map(({ text }) => text),
        messages.map(({ turn }) => turn),
      ],
    )
  }

  /** Questions with their answers: `count` tasks of two messages each. The last answer ends with `lastWord`. */
  async storeTalk(place: Place, count: number, lastWord: string): Promise<void> {
    for (let n = 1; n <= count; n++) {
      const task = await this.newTask(place, true)
      const answer = n === count ? `${ANSWER}\n\n${lastWord}` : ANSWER
      const events = [
        ...beginOf(task, `Question ${n}: what does the parser do with an empty line, and why?`),
        ...replyOf(task, 1, answer),
        endOf(task),
      ]
      await this.storeMessages(task, events)
      await this.store(place.projectId, events)
    }
  }
}

const ANSWER = [
  'It skips it. `parse` splits at line ends first and drops what is empty:\n',
  '- an empty line ends a paragraph, so the **next** line begins one;',
  '- a line of blanks counts as empty, since `trim` comes before the test.\n',
  '```ts\nconst lines = text.split("\\n").filter((line) => line.trim() !== "")\n```\n',
  'The test `drops empty lines` in `parse.test.ts` holds this, and nothing else depends on it.',
].join('\n')

function messageOf(event: NewEvent): StoredMessage[] {
  if (event.type === 'message.created') {
    return [{ id: event.payload.messageId, role: 'user', text: event.payload.text, turn: 0 }]
  }
  if (event.type !== 'message.completed') return []
  const { messageId, parts } = event.payload
  return [
    { id: messageId, role: 'assistant', text: parts.map(({ text }) => text).join(''), turn: event.scope.turn ?? 0 },
  ]
}

/** A task's first events: its message, and that it runs. */
export function beginOf({ taskId, scope }: PlaceTask, text: string): NewEvent[] {
  const messageId = `msg_${taskId}`
  return [
    { type: 'task.accepted', key: `accepted:${taskId}`, scope, payload: { messageId, joined: false } },
    { type: 'message.created', key: `created:${messageId}`, scope, payload: { messageId, role: 'user', text } },
    { type: 'task.started', key: `started:${taskId}`, scope, payload: { workflowId: 'bench', model: 'bench' } },
    { type: 'message.claimed', key: `claimed:${messageId}`, scope, payload: { messageId } },
  ]
}

export function endOf({ taskId, scope }: PlaceTask): NewEvent {
  const payload = { outcome: 'no_changes', review: REVIEW, usage: NO_USAGE, costUsd: 0, diffStat: NO_DIFF } as const
  return { type: 'task.completed', key: `over:${taskId}`, scope, payload }
}

/** The text part of a turn's reply, before it is complete: what deltas of it name. */
export function openReplyOf({ taskId }: PlaceTask, turn: number): { messageId: string; partId: string } {
  return { messageId: `msg_${taskId}_${turn}`, partId: `${taskId}_${turn}_text` }
}

/** A turn that only talks. */
export function replyOf(task: PlaceTask, turn: number, text: string): NewEvent[] {
  const scope = { ...task.scope, turn }
  const { messageId, partId } = openReplyOf(task, turn)
  const key = `${task.taskId}:${turn}`
  return [
    { type: 'turn.started', key: `turn:${key}`, scope, payload: { role: 'coder' } },
    {
      type: 'message.completed',
      key: `reply:${key}`,
      scope,
      payload: { messageId, role: 'assistant', parts: [{ partId, type: 'text', text }], complete: false },
    },
    {
      type: 'turn.finished',
      key: `turn-over:${key}`,
      scope,
      payload: { role: 'coder', stopReason: 'end_turn', usage: NO_USAGE, costUsd: 0, firstTokenMs: 1, durationMs: 1 },
    },
  ]
}

/** A command with all of its output, as its closing event holds it. */
export function commandOf(task: PlaceTask, turn: number, command: string, output: Buffer): NewEvent[] {
  const scope = { ...task.scope, turn }
  const { partId, toolUseId } = openCommandOf(task, turn)
  const key = `${task.taskId}:${turn}`
  const end = { status: 'exited', exitCode: 0, durationMs: 40, truncated: false } as const
  return [
    {
      type: 'command.started',
      key: `command:${key}`,
      scope,
      payload: { toolUseId, partId, command, cwd: '/workspace' },
    },
    {
      type: 'command.finished',
      key: `command-over:${key}`,
      scope,
      payload: { toolUseId, partId, ...end, bytes: output.length, output: output.toString('base64') },
    },
  ]
}

/** What a turn's command and its output are called. */
export function openCommandOf({ taskId }: PlaceTask, turn: number): { toolUseId: string; partId: string } {
  return { toolUseId: `toolu_${taskId}_${turn}`, partId: `${taskId}_${turn}_output` }
}

const OUTPUT = Buffer.from('  ok  parse drops empty lines\n'.repeat(8))

/** A whole task of about `count` events, ten a turn: text, a command with its output, a changed file. */
export function longTaskOf(task: PlaceTask, count: number): NewEvent[] {
  const turns = Math.floor(count / EVENTS_A_TURN)
  const work = Array.from({ length: turns }, (_, index) => workOf(task, index + 1))
  return [...beginOf(task, 'Work for a long time'), ...work.flat(), endOf(task)]
}

function workOf(task: PlaceTask, turn: number): NewEvent[] {
  const scope = { ...task.scope, turn }
  const key = `${task.taskId}:${turn}`
  const { messageId } = openReplyOf(task, turn)
  const { toolUseId } = openCommandOf(task, turn)
  const [started, completed, finished] = replyOf(task, turn, `Step ${turn}: run the tests, then look at what they say.`)
  const command = `npm test -- part-${turn}`
  const call = { toolUseId, name: 'bash' }
  if (started === undefined || completed === undefined || finished === undefined) return []
  return [
    started,
    completed,
    {
      type: 'tool.requested',
      key: `tool:${key}`,
      scope,
      payload: { ...call, partId: `${toolUseId}_input`, input: { command }, messageId },
    },
    finished,
    { type: 'tool.started', key: `tool-started:${key}`, scope, payload: call },
    ...commandOf(task, turn, command, OUTPUT),
    {
      type: 'tool.finished',
      key: `tool-over:${key}`,
      scope,
      payload: { ...call, result: OUTPUT.toString(), isError: false, durationMs: 40 },
    },
    {
      type: 'file.changed',
      key: `file:${key}`,
      scope,
      payload: { path: `src/part-${turn % 40}.ts`, kind: 'modify', added: 3, removed: 1, source: 'tool' },
    },
    {
      type: 'diff.updated',
      key: `diff:${key}`,
      scope,
      payload: { stat: { files: Math.min(turn, 40), added: turn * 3, removed: turn } },
    },
  ]
}
