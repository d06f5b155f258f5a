import { isTerminalType, type StoredEvent } from './topics.ts'

/** What a durable event ends: one open part, all parts of a turn, or all parts of a task. */
export type Close =
  | { readonly kind: 'part'; readonly taskId: string; readonly partId: string }
  | { readonly kind: 'turn'; readonly taskId: string; readonly turn: number }
  | { readonly kind: 'task'; readonly taskId: string }

/**
 * The open parts that `event` closes. Publisher and hub both ask here, so they cannot disagree. Parses the payload only
 * of the few types that close something; an unreadable payload closes nothing.
 */
export function closesOf(event: Pick<StoredEvent, 'type' | 'taskId' | 'data'>): Close[] {
  const { type, taskId, data } = event
  if (taskId === null) return []
  if (isTerminalType(type)) return [{ kind: 'task', taskId }]
  switch (type) {
    case 'message.completed':
      return (payloadOf<{ parts?: readonly PartHolder[] }>(data).parts ?? []).flatMap((part) => asPart(taskId, part))
    case 'tool.requested':
    case 'command.finished':
      return asPart(taskId, payloadOf<PartHolder>(data))
    case 'turn.reset':
    case 'turn.finished': {
      const { turn } = payloadOf<{ turn?: unknown }>(data)
      return typeof turn === 'number' ? [{ kind: 'turn', taskId, turn }] : []
    }
    default:
      return []
  }
}

interface PartHolder {
  partId?: unknown
}

function asPart(taskId: string, holder: PartHolder): Close[] {
  return typeof holder.partId === 'string' ? [{ kind: 'part', taskId, partId: holder.partId }] : []
}

/** A part's name within its project: tool-use ids, and so part ids, need only be unique within a task. */
export function partKey(taskId: string, partId: string): string {
  return `${taskId}/${partId}`
}

function payloadOf<T extends object>(data: string): Partial<T> {
  try {
    const value: unknown = JSON.parse(data)
    return typeof value === 'object' && value !== null ? (value as Partial<T>) : {}
  } catch {
    return {}
  }
}
