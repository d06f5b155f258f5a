import { type Close, type ClosingFields, closedBy, isTerminalType, type StoredEvent } from './topics.ts'

const NEEDS_PAYLOAD = new Set([
  'message.completed',
  'tool.requested',
  'command.finished',
  'turn.reset',
  'turn.finished',
])

/** {@link closedBy} for an event as it is stored: parses the payload only of the few types that close something. */
export function closesOf(event: Pick<StoredEvent, 'type' | 'taskId' | 'data'>): Close[] {
  const { type, taskId, data } = event
  if (taskId === null)
    return type === 'command.finished' ? closedBy({ ...payloadOf(data), type, taskId: undefined }) : []
  if (isTerminalType(type)) return closedBy({ type, taskId })
  return NEEDS_PAYLOAD.has(type) ? closedBy({ ...payloadOf(data), type, taskId }) : []
}

/** An unreadable payload closes nothing. */
function payloadOf(data: string): Partial<ClosingFields> {
  try {
    const value: unknown = JSON.parse(data)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
