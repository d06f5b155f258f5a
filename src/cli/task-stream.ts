import { setTimeout as delay } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import { isTerminalType, type StreamEvent } from '../events/topics.ts'
import { limitTime } from '../shared/time-limit.ts'
import { type Api, ApiError, insist } from './api.ts'

/** Pings come every 15 s; a stream that is silent for longer than two of them is dead without knowing it. */
const SILENCE_MS = 40_000
/** The longest look at an ended task's stream for an event that was missed. */
const LAST_LOOK_MS = 5_000

/** The task that a message went to, and its events from the first on, each stored one once. */
export interface TaskStream {
  readonly taskId: string
  /** Ends after the task's last event. */
  readonly events: AsyncGenerator<StreamEvent>
}

/**
 * Posts a message and follows its task to the end, over every loss of the connection: the post carries an id of its own,
 * so repeating it is safe, and the stream goes on after the last seq that was seen. Throws {@link ApiError} when the
 * message is refused or the server stays away.
 */
export async function postMessage(
  api: Api,
  projectId: string,
  body: { message: string; clientMessageId: string; conversationId?: string; model?: string },
  signal: AbortSignal,
): Promise<TaskStream> {
  const path = `/api/workspace/${encodeURIComponent(projectId)}/claude/chat`
  const response = await insist(() => api.open('POST', path, signal, body))
  const taskId = response.headers.get('x-keelson-task-id')
  if (taskId === null) throw new ApiError('The server did not name the task.', response.status, 'unknown')
  return { taskId, events: followTask(api, taskId, response, signal) }
}

async function* followTask(
  api: Api,
  taskId: string,
  first: Response,
  signal: AbortSignal,
): AsyncGenerator<StreamEvent> {
  let cursor = 0
  let response: Response | undefined = first
  for (;;) {
    response ??= await insist(() => api.open('GET', `/api/tasks/${taskId}/events?after=${cursor}`, signal))
    try {
      for await (const event of eventsOf(response)) {
        if ('seq' in event) {
          if (event.seq <= cursor) continue
          cursor = event.seq
        }
        if (event.type === 'stream.resync') cursor = event.latestSeq
        yield event
        if (isTerminalType(event.type)) return
      }
    } catch (error) {
      if (signal.aborted) throw error
      // The connection broke; what was missed comes again after the cursor.
    }
    if (await isOver(api, taskId, cursor)) return
    response = undefined
    await delay(100 + Math.random() * 400, undefined, { signal })
  }
}

/** Whether the task has ended and its last event lies behind the cursor, so that no stream would bring it again. */
async function isOver(api: Api, taskId: string, cursor: number): Promise<boolean> {
  if (cursor === 0) return false
  const { status } = await api.insist<{ status: string }>('GET', `/api/tasks/${taskId}`)
  if (status !== 'completed' && status !== 'failed' && status !== 'cancelled') return false
  const limit = limitTime(LAST_LOOK_MS)
  try {
    const last = await insist(() => api.open('GET', `/api/tasks/${taskId}/events?after=${cursor}`, limit.signal))
    for await (const _ of eventsOf(last)) return false
    return true
  } finally {
    limit.release()
  }
}

/** The stream's events; pings only show that it lives. Throws when it broke or fell silent. */
async function* eventsOf(response: Response): AsyncGenerator<StreamEvent> {
  if (response.body === null) return
  const ready: StreamEvent[] = []
  const parser = createParser({
    onEvent: ({ event, data }) => {
      if (event !== 'ping') ready.push(JSON.parse(data) as StreamEvent)
    },
  })
  const decoder = new TextDecoder()
  const reader = response.body.getReader()
  try {
    for (;;) {
      const { done, value } = await beforeSilence(reader.read())
      if (done) return
      parser.feed(decoder.decode(value, { stream: true }))
      yield* ready.splice(0)
    }
  } finally {
    // Already broken streams refuse this; either way nothing more is read.
    reader.cancel().catch(() => undefined)
  }
}

async function beforeSilence<T>(read: Promise<T>): Promise<T> {
  const silent = new AbortController()
  const deadline = delay(SILENCE_MS, undefined, { signal: silent.signal }).then(() => {
    throw new Error('the stream fell silent')
  })
  try {
    return await Promise.race([read, deadline])
  } finally {
    deadline.catch(() => undefined)
    silent.abort()
  }
}
