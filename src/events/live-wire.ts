import type { DeltaType, StoredEvent, Topic } from './topics.ts'

/**
 * The text that travels through Redis: one line an item, fields parted by tabs, the frame's JSON last. JSON text holds
 * no raw tab or line feed, so nothing needs escaping and the hub can pass `data` on without parsing it.
 */

/** A piece of an open part. `units` counts UTF-16 code units of text or bytes of output. */
export interface LiveDelta {
  readonly kind: 'delta'
  readonly type: DeltaType
  readonly topic: Topic
  readonly taskId: string
  readonly turn: number
  readonly partId: string
  readonly lease: number
  readonly offset: number
  readonly units: number
  readonly data: string
}

/** A durable event that came by Redis; Postgres has it too. */
export interface LiveEvent extends StoredEvent {
  readonly kind: 'event'
}

/** One line of the live channel. */
export type LiveItem = LiveDelta | LiveEvent

const NONE = '-'

/** An event as one line. Its data is JSON, in which no line end and no tab stands bare. */
export function encodeEvent(event: StoredEvent): string {
  return ['E', event.seq, event.topic, event.type, event.taskId ?? NONE, event.data].join('\t')
}

/** A delta as one line, of the same kind. */
export function encodeDelta(delta: Omit<LiveDelta, 'kind'>): string {
  const { type, topic, taskId, turn, partId, lease, offset, units, data } = delta
  return ['D', topic, type, taskId, turn, partId, lease, offset, units, data].join('\t')
}

/** Reads a batch. Lines it does not understand (an older or newer writer's) are left out; Postgres has what they said. */
export function decodeBatch(text: string): LiveItem[] {
  return text.split('\n').flatMap((line) => decodeLine(line) ?? [])
}

/** Reads one line; undefined for one that this version does not know. */
export function decodeLine(line: string): LiveItem | undefined {
  const fields = line.split('\t')
  if (fields[0] === 'E' && fields.length === 6) {
    const [, seq, topic, type, taskId, data] = fields as [string, string, Topic, StoredEvent['type'], string, string]
    return { kind: 'event', seq: Number(seq), topic, type, taskId: taskId === NONE ? null : taskId, data }
  }
  if (fields[0] === 'D' && fields.length === 10) {
    const [, topic, type, taskId, turn, partId, lease, offset, units, data] = fields as [
      string,
      Topic,
      DeltaType,
      ...[string, string, string, string, string, string, string],
    ]
    const numbers = { turn: Number(turn), lease: Number(lease), offset: Number(offset), units: Number(units) }
    return { kind: 'delta', topic, type, taskId, partId, data, ...numbers }
  }
  return undefined
}
