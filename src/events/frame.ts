import { encodeUnstored } from './envelope.ts'
import {
  isTerminalType,
  type StoredEvent,
  type Topic,
  topicOf,
  type ViewerPayloads,
  type ViewerType,
} from './topics.ts'

/** One SSE frame, encoded once and shared by all viewers. */
export interface Frame {
  /** null for what is not durable. */
  readonly seq: number | null
  readonly topic: Topic
  readonly taskId: string | null
  /** Whether it ends its task's stream. */
  readonly isTerminal: boolean
  readonly bytes: Buffer
}

/** A durable event as it goes on the wire, with its seq as the id from which a reader resumes. */
export function eventFrame(event: StoredEvent): Frame {
  const { seq, topic, taskId, type, data } = event
  const bytes = Buffer.from(`id: ${seq}\nevent: ${topic}\ndata: ${data}\n\n`)
  return { seq, topic, taskId, isTerminal: isTerminalType(type), bytes }
}

interface DeltaLike {
  readonly topic: Topic
  readonly taskId: string
  readonly data: string
}

/** One delta as it goes on the wire, without an id: a reader cannot resume from it. */
export function deltaFrame(delta: DeltaLike): Frame {
  return deltaFrames([delta], delta)
}

/** The deltas of one part as one buffer, written at once. */
export function deltaFrames(deltas: readonly DeltaLike[], { topic, taskId }: DeltaLike): Frame {
  const bytes = Buffer.from(deltas.map(({ data }) => `event: ${topic}\ndata: ${data}\n\n`).join(''))
  return { seq: null, topic, taskId, isTerminal: false, bytes }
}

/** A frame for viewers that no store knows. `id` is set for `stream.resync`: it is where the reader goes on. */
export function viewerFrame<T extends ViewerType>(
  type: T,
  projectId: string,
  payload: ViewerPayloads[T] & object,
  options: { id?: number; retryMs?: number } = {},
): Frame {
  const encode = encodeUnstored as (t: ViewerType, scope: object, payload: object) => string
  const data = encode(type, { projectId, conversationId: null, taskId: null }, payload)
  const id = options.id === undefined ? '' : `id: ${options.id}\n`
  const retry = options.retryMs === undefined ? '' : `retry: ${options.retryMs}\n`
  const topic = topicOf(type)
  const bytes = Buffer.from(`${id}${retry}event: ${topic}\ndata: ${data}\n\n`)
  return { seq: null, topic, taskId: null, isTerminal: false, bytes }
}

/** A sign of life with the newest seq that the server knows and the time `at` in milliseconds. It has no id. */
export function pingFrame(latestSeq: number, at: number = Date.now()): Buffer {
  return Buffer.from(`event: ping\ndata: ${JSON.stringify({ at, latestSeq })}\n\n`)
}
