import { closedBy, partKey, type StreamEvent } from '../events/topics.ts'
import { bytesOf } from './bytes.ts'
import { change, reduceMessages, streamingMessage } from './reduce-messages.ts'
import { newTask, reduceTask } from './reduce-task.ts'
import type { CommandView, MessageView, PartView, TextPart, ToolPart, ViewState } from './state.ts'

export { initialViewState } from './state.ts'

type Durable = Extract<StreamEvent, { seq: number }>
type Delta = Extract<StreamEvent, { offset: number }>

const MAX_CLOSED_PARTS = 500

/**
 * Folds one frame of the stream into what a reader sees. Pure. Rules: a durable event at or below `lastSeq` is a repeat
 * and changes nothing; a delta applies from the length of what is there on, so one that lies below it is a repeat, and
 * one that begins beyond it sets `needsRefetch`; closing events replace what streamed. So repeats, reconnects and late joins all end in
 * the same state (apart from `closedParts`, which only remembers what this reader saw close).
 */
export function apply(state: ViewState, event: StreamEvent): ViewState {
  if ('seq' in event) return applyDurable(state, event)
  if ('offset' in event) return applyDelta(state, event)
  if (event.type === 'stream.degraded') {
    return event.degraded === state.isDegraded ? state : { ...state, isDegraded: event.degraded }
  }
  // Everything up to there must be fetched: this reader's cursor was none that the stream ever gave.
  return { ...state, lastSeq: event.latestSeq, needsRefetch: true }
}

function applyDurable(state: ViewState, event: Durable): ViewState {
  if (event.seq <= state.lastSeq) return state
  const { taskId } = event
  const task = taskId === undefined ? undefined : (state.tasks[taskId] ?? newTask(taskId, event))
  const reduced = task === undefined ? undefined : reduceTask(task, event)
  const isReviewer = task?.reviewerTurns.includes(event.turn ?? 0) ?? false
  const tasks =
    reduced === undefined || state.tasks[reduced.id] === reduced
      ? state.tasks
      : { ...state.tasks, [reduced.id]: reduced }
  const messages = reduceMessages(state.messages, event, isReviewer ? 'reviewer' : 'coder')
  const closedParts = rememberClosed(state, event)
  const serviceSeq = event.type.startsWith('service.') ? event.seq : state.serviceSeq
  const comparisonSeq = event.type.startsWith('comparison.') ? event.seq : state.comparisonSeq
  const next = { ...state, lastSeq: event.seq, serviceSeq, comparisonSeq, tasks, messages, closedParts }
  return state.needsRefetch && closedParts !== state.closedParts ? { ...next, needsRefetch: false } : next
}

/** Part ids that this event closes, by name or because their turn or task is over. */
function rememberClosed(state: ViewState, event: Durable): readonly string[] {
  const { taskId } = event
  if (taskId === undefined) return state.closedParts
  const closes = closedBy(event)
  if (closes.length === 0) return state.closedParts
  const closed = closes.flatMap((close) => {
    if (close.kind === 'part') return [close.partId]
    if (close.kind === 'task') return openPartsOf(state, taskId)
    return close.streamsAgain ? [] : openPartsOf(state, taskId, close.turn)
  })
  if (closed.length === 0) return state.closedParts
  const keys = closed.map((partId) => partKey(taskId, partId))
  return [...state.closedParts, ...keys].slice(-MAX_CLOSED_PARTS)
}

function applyDelta(state: ViewState, event: Delta): ViewState {
  if (state.closedParts.includes(partKey(event.taskId ?? '', event.partId))) return state
  if (event.type === 'output') return applyOutput(state, event)
  const isReviewer = state.tasks[event.taskId ?? '']?.reviewerTurns.includes(event.turn ?? 0) ?? false
  const known = state.messages.findLast((message) => message.id === event.messageId)
  const message = known ?? streamingMessage(event.messageId, event, isReviewer ? 'reviewer' : 'coder')
  if (message.parts.some((part) => part.partId === event.partId && !part.isOpen)) return state
  const grown = growPart(message, event)
  if (grown === 'repeat') return state
  if (grown === 'hole') return state.needsRefetch ? state : { ...state, needsRefetch: true }
  const messages = known === undefined ? [...state.messages, grown] : change(state.messages, message.id, () => grown)
  return { ...state, messages, tasks: answering(state.tasks, event.taskId) }
}

/** The tasks, of which this one's model has begun to answer. */
function answering(tasks: ViewState['tasks'], taskId: string | undefined): ViewState['tasks'] {
  const task = tasks[taskId ?? '']
  return task === undefined || task.silence === null ? tasks : { ...tasks, [task.id]: { ...task, silence: null } }
}

function growPart(message: MessageView, event: Exclude<Delta, { type: 'output' }>): MessageView | 'repeat' | 'hole' {
  const index = message.parts.findIndex((part) => part.partId === event.partId)
  const part = message.parts[index]
  const text = part === undefined ? '' : part.type === 'tool' ? (part.inputText ?? '') : part.text
  const known = text.length - event.offset
  if (known < 0) return 'hole'
  if (known >= event.delta.length) return 'repeat'
  const grown = text + event.delta.slice(known)
  const next: PartView = event.type === 'tool.input_delta' ? openTool(event, grown) : openText(event, grown)
  return { ...message, parts: index < 0 ? [...message.parts, next] : message.parts.with(index, next) }
}

function openText(event: { type: 'text.delta' | 'thinking.delta'; partId: string }, text: string): TextPart {
  return { type: event.type === 'text.delta' ? 'text' : 'thinking', partId: event.partId, text, isOpen: true }
}

function openTool(event: { toolUseId: string; partId: string }, inputText: string): ToolPart {
  const { toolUseId, partId } = event
  return {
    type: 'tool',
    toolUseId,
    partId,
    inputText,
    name: null,
    input: null,
    status: 'streaming',
    result: null,
    isError: false,
    durationMs: null,
    isOpen: true,
  }
}

function applyOutput(state: ViewState, event: Extract<Delta, { type: 'output' }>): ViewState {
  const task = state.tasks[event.taskId ?? '']
  const index = task?.commands.findIndex((command) => command.partId === event.partId) ?? -1
  const command = task?.commands[index]
  if (task === undefined || command === undefined || command.status !== 'running') return state
  if (event.offset > command.length) return state.needsRefetch ? state : { ...state, needsRefetch: true }
  const chunk = bytesOf(event.data).subarray(command.length - event.offset)
  if (chunk.length === 0) return state
  const grown: CommandView = { ...command, chunks: [...command.chunks, chunk], length: command.length + chunk.length }
  const commands = task.commands.with(index, grown)
  return { ...state, tasks: { ...state.tasks, [task.id]: { ...task, commands } } }
}

function openPartsOf(state: ViewState, taskId: string, turn?: number): string[] {
  return state.messages
    .filter((message) => message.taskId === taskId && (turn === undefined || message.turn === turn))
    .flatMap((message) => message.parts.filter((part) => part.isOpen).map((part) => part.partId))
}
