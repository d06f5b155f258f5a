import type { StreamEvent } from '../events/topics.ts'
import type { MessageView, PartView, TextPart, ToolPart } from './state.ts'

type Durable = Extract<StreamEvent, { seq: number }>
type Messages = readonly MessageView[]
type Author = MessageView['author']

/** Folds one durable event into the messages; one that says nothing about them returns them as they are. */
export function reduceMessages(messages: Messages, event: Durable, author: Author): Messages {
  switch (event.type) {
    case 'task.accepted':
      // A message that its failed task left behind moves to the next one.
      return change(messages, event.messageId, (known) => ({ ...known, taskId: event.taskId ?? null }))
    case 'message.created':
      return settle(messages, event, event.messageId, (known) => created(known, event), author)
    case 'message.queued':
      return change(messages, event.messageId, (known) => ({ ...known, status: 'queued' }))
    case 'message.claimed':
      return change(messages, event.messageId, (known) => ({ ...known, status: 'claimed' }))
    case 'message.withdrawn':
      return change(messages, event.messageId, (known) => ({ ...known, status: 'cancelled' }))
    case 'message.completed':
      return settle(messages, event, event.messageId, (known) => completed(known, event), author)
    case 'tool.requested':
      return settle(messages, event, event.messageId, (known) => requested(known, event), author)
    case 'tool.started':
      return changeTool(messages, event, (tool) => ({ ...tool, status: 'started' }))
    case 'tool.finished': {
      const { result, isError, durationMs } = event
      return changeTool(messages, event, (tool) => ({ ...tool, status: 'finished', result, isError, durationMs }))
    }
    case 'turn.reset':
    case 'turn.finished': {
      const ofTurn = (message: MessageView): boolean => message.taskId === event.taskId && message.turn === event.turn
      const closed = closeParts(messages, ofTurn)
      return event.type === 'turn.reset' ? closed : completeStreaming(closed, ofTurn)
    }
    case 'task.completed':
    case 'task.failed':
    case 'task.cancelled':
      return endMessages(
        closeParts(messages, (message) => message.taskId === event.taskId),
        event,
      )
    default:
      return messages
  }
}

/** A message that nothing durable has named yet: it goes to the end until something does. */
export function streamingMessage(
  id: string,
  event: { conversationId?: string; taskId?: string; turn?: number; at: number },
  author: Author,
): MessageView {
  return {
    id,
    conversationId: event.conversationId ?? null,
    taskId: event.taskId ?? null,
    turn: event.turn ?? 0,
    role: 'assistant',
    author,
    status: 'streaming',
    clientMessageId: null,
    parts: [],
    isFinal: false,
    order: null,
    at: event.at,
  }
}

/** Replaces one message by what `edit` makes of it; nothing when it is not known. */
export function change(messages: Messages, id: string, edit: (message: MessageView) => MessageView): Messages {
  const index = messages.findLastIndex((message) => message.id === id)
  const known = messages[index]
  if (known === undefined) return messages
  const edited = edit(known)
  return edited === known ? messages : messages.with(index, edited)
}

/** Like `change`, but makes the message when it is not known, and gives it its place when this event is its first. */
function settle(
  messages: Messages,
  event: Durable,
  id: string,
  edit: (message: MessageView) => MessageView,
  author: Author,
): Messages {
  const known = messages.findLast((message) => message.id === id) ?? streamingMessage(id, event, author)
  if (known.order !== null) return change(messages, id, edit)
  const settled = edit({ ...known, order: event.seq })
  const others = messages.filter((message) => message.id !== id)
  // Those that only stream stand last, so the place is near the end.
  return others.toSpliced(others.findLastIndex((message) => message.order !== null) + 1, 0, settled)
}

function created(known: MessageView, event: Extract<Durable, { type: 'message.created' }>): MessageView {
  const { messageId, role, text, clientMessageId } = event
  const isWritten = role !== 'assistant'
  const part: TextPart = { type: 'text', partId: messageId, text, isOpen: false }
  return {
    ...known,
    role,
    status: role === 'user' ? 'queued' : role === 'note' ? 'completed' : known.status,
    clientMessageId: clientMessageId ?? null,
    parts: isWritten ? [part] : known.parts,
  }
}

function completed(known: MessageView, event: Extract<Durable, { type: 'message.completed' }>): MessageView {
  const texts = event.parts.map((part): TextPart => ({ ...pick(part), isOpen: false }))
  const hasText = known.parts.some((part) => part.type !== 'tool' && !part.isOpen)
  // The task's last word repeats a message that is complete already, under another part.
  const keeps = event.complete && hasText
  const parts = keeps ? known.parts : [...texts, ...known.parts.filter((part) => part.type === 'tool')]
  return {
    ...known,
    role: event.role,
    status: event.interrupted ? 'cancelled' : 'completed',
    parts,
    isFinal: known.isFinal || event.complete,
  }
}

function pick(part: { partId: string; type: 'text' | 'thinking'; text: string }) {
  const { partId, type, text } = part
  return { partId, type, text }
}

/** Requested calls stand in the order of the reply, before those that still stream. */
function requested(known: MessageView, event: Extract<Durable, { type: 'tool.requested' }>): MessageView {
  const { toolUseId, partId, name, input } = event
  const tool: ToolPart = {
    type: 'tool',
    toolUseId,
    partId,
    name,
    input,
    inputText: null,
    status: 'requested',
    result: null,
    isError: false,
    durationMs: null,
    isOpen: false,
  }
  const others = known.parts.filter((part) => !(part.type === 'tool' && part.toolUseId === toolUseId))
  const at = others.findIndex((part) => part.isOpen)
  return { ...known, parts: at < 0 ? [...others, tool] : others.toSpliced(at, 0, tool) }
}

function changeTool(
  messages: Messages,
  event: { toolUseId: string; taskId?: string },
  edit: (tool: ToolPart) => ToolPart,
): Messages {
  const isMeant = (part: PartView): part is ToolPart => part.type === 'tool' && part.toolUseId === event.toolUseId
  const owner = messages.findLast((message) => message.taskId === event.taskId && message.parts.some(isMeant))
  if (owner === undefined) return messages
  const parts = owner.parts.map((part) => (isMeant(part) ? edit(part) : part))
  return change(messages, owner.id, (message) => ({ ...message, parts }))
}

/** Takes the open parts away that no event has closed, and messages that were nothing but such parts. */
function closeParts(messages: Messages, isMeant: (message: MessageView) => boolean): Messages {
  const hasOpen = (message: MessageView): boolean => message.parts.some((part) => part.isOpen)
  if (!messages.some((message) => isMeant(message) && (hasOpen(message) || message.order === null))) return messages
  return messages.flatMap((message) => {
    if (!isMeant(message)) return [message]
    const parts = message.parts.filter((part) => !part.isOpen)
    if (message.order === null) return []
    return [parts.length === message.parts.length ? message : { ...message, parts }]
  })
}

/** A reviewer's message has no `message.completed`: it is over with its turn. */
function completeStreaming(messages: Messages, isMeant: (message: MessageView) => boolean): Messages {
  if (!messages.some((message) => isMeant(message) && message.status === 'streaming')) return messages
  return messages.map((message) =>
    isMeant(message) && message.status === 'streaming' ? { ...message, status: 'completed' } : message,
  )
}

function endMessages(
  messages: Messages,
  event: Extract<Durable, { type: 'task.completed' | 'task.failed' | 'task.cancelled' }>,
): Messages {
  const isCancelled = event.type === 'task.cancelled'
  return messages.map((message) => {
    if (message.taskId !== event.taskId) return message
    if (message.status === 'claimed') return { ...message, status: 'completed' }
    if (message.status === 'queued') return { ...message, status: isCancelled ? 'cancelled' : message.status }
    return message.status === 'streaming' ? { ...message, status: 'cancelled' } : message
  })
}
