import type { Conversation, Project } from '../api/types.ts'
import { initialViewState } from '../reducer.ts'
import type { MessageView, TaskView, ViewState } from '../state.ts'
import type { Loaded } from './loaded.ts'
import type { History } from './read-history.ts'
import type { StreamState } from './stream.ts'
import { threadMessages } from './thread-messages.ts'

/** A message on its way to the server. It stands in the thread until the stream tells of it. */
export interface Outgoing {
  readonly clientMessageId: string
  readonly conversationId: string | null
  readonly text: string
  readonly delivery: 'steer' | 'queue'
  readonly status: 'sending' | 'accepted' | 'failed'
  /** Set once the server has it. */
  readonly messageId: string | null
  readonly error: unknown
}

/** How what is shown keeps up with the server. */
export type Connection =
  | StreamState
  /** Streams do not come through: what is shown is read by GET every few seconds. */
  | { readonly kind: 'polling'; readonly isAnswered: boolean }
  /** The page is hidden, and others hold the few connections that a browser allows. */
  | { readonly kind: 'resting' }

/** All that the page knows of the open project. Never changed in place. */
export interface WorkspaceState {
  readonly projectId: string
  readonly status: 'loading' | 'ready' | 'failed'
  readonly error: unknown
  readonly project: Project | null
  readonly conversations: readonly Conversation[]
  /** What the stream told since the page opened, from the first event of the oldest running task on. */
  readonly view: ViewState
  /** Tasks whose every event is in `view`. */
  readonly whole: ReadonlySet<string>
  /** Messages by GET, by conversation. */
  readonly histories: Readonly<Record<string, History>>
  /** Ended tasks, read from their own streams. */
  readonly replays: Readonly<Record<string, Loaded<TaskView | null>>>
  readonly replayedMessages: ReadonlyMap<string, MessageView>
  /** Tasks by GET, while the stream says nothing of them. */
  readonly polled: Readonly<Record<string, TaskView>>
  readonly connection: Connection
  readonly outgoing: readonly Outgoing[]
  /** The text of a message that was taken back, until a composer has seen it. */
  readonly givenBack: GivenBack | null
}

/** The words of a message that was taken back before the agent read it. */
export interface GivenBack {
  readonly conversationId: string
  readonly text: string
}

/** The state of a project of which nothing was read yet. Pure. */
export function newWorkspaceState(projectId: string): WorkspaceState {
  return {
    projectId,
    status: 'loading',
    error: null,
    project: null,
    conversations: [],
    view: initialViewState(),
    whole: new Set(),
    histories: {},
    replays: {},
    replayedMessages: new Map(),
    polled: {},
    connection: { kind: 'connecting' },
    outgoing: [],
    givenBack: null,
  }
}

/** The best that is known of a task; null until something is. */
export function taskOf(state: WorkspaceState, taskId: string): TaskView | null {
  const streamed = state.view.tasks[taskId]
  const polled = state.polled[taskId]
  if (state.connection.kind === 'polling' && polled !== undefined) return fuller(state.replays[taskId]?.value, polled)
  if (streamed !== undefined && state.whole.has(taskId)) return streamed
  return state.replays[taskId]?.value ?? state.polled[taskId] ?? null
}

/** A replay of an ended task knows more than GET; one of a task that ran then knows less. */
function fuller(replayed: TaskView | null | undefined, polled: TaskView): TaskView {
  return replayed !== null && replayed !== undefined && isOverView(replayed) ? replayed : polled
}

/** The messages of a conversation, in order, the reviewer's left out. */
export function messagesOf(state: WorkspaceState, conversationId: string): MessageView[] {
  const isPolling = state.connection.kind === 'polling'
  return threadMessages({
    history: state.histories[conversationId]?.value ?? [],
    replayed: state.replayedMessages,
    streamed: state.view.messages.filter((message) => message.conversationId === conversationId),
    isWhole: (taskId) => !isPolling && state.whole.has(taskId),
  }).filter((message) => message.author === 'coder')
}

/** The task that a conversation is about now: the one that runs, else its newest. */
export function currentTaskIdOf(state: WorkspaceState, conversationId: string): string | null {
  const active = activeTaskIdOf(state, conversationId)
  if (active !== null) return active
  const messages = state.view.messages.filter((message) => message.conversationId === conversationId)
  const streamed = messages.findLast((message) => message.taskId !== null)
  if (streamed !== undefined) return streamed.taskId
  return state.histories[conversationId]?.value.findLast((message) => message.taskId !== null)?.taskId ?? null
}

/** The oldest task of the conversation that is not over; null when it is idle. */
export function activeTaskIdOf(state: WorkspaceState, conversationId: string): string | null {
  for (const task of Object.values(state.view.tasks)) {
    if (task.conversationId === conversationId && state.whole.has(task.id) && !isOverView(task)) return task.id
  }
  if (state.connection.kind !== 'polling') return null
  return state.conversations.find((conversation) => conversation.id === conversationId)?.activeTaskId ?? null
}

/** Whether the task has ended, as far as the page knows. Pure. */
export function isOverView(task: TaskView): boolean {
  return task.status === 'completed' || task.status === 'failed' || task.status === 'cancelled'
}
