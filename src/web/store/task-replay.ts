import type { StreamEvent } from '../../events/topics.ts'
import { isTerminalType } from '../../events/topics.ts'
import { limitTime } from '../../shared/time-limit.ts'
import { send } from '../api/request.ts'
import { apply, initialViewState } from '../reducer.ts'
import type { MessageView, TaskView } from '../state.ts'
import { parseFrame, readFrames } from './stream.ts'

const REPLAY_TIMEOUT_MS = 30_000

/** An ended task and its messages; null: its stream told of no task. */
export interface Replay {
  readonly task: TaskView | null
  readonly messages: readonly MessageView[]
}

/**
 * Reads an ended task from its own stream, from its first event to its last: exactly what a page saw that was open all
 * the time. Throws `ApiFault`, and the abort's error.
 */
export async function replayTask(taskId: string, signal: AbortSignal): Promise<Replay> {
  let state = initialViewState()
  await readEvents(taskId, signal, (event) => {
    state = apply(state, event)
    return !isTerminalType(event.type)
  })
  return { task: state.tasks[taskId] ?? null, messages: state.messages }
}

/** The seq of a task's first event; null when it has none yet. Throws like {@link replayTask}. */
export async function firstSeqOf(taskId: string, signal: AbortSignal): Promise<number | null> {
  let seq: number | null = null
  await readEvents(taskId, signal, (event) => {
    if ('seq' in event) seq = event.seq
    return seq === null
  })
  return seq
}

/** Reads until `onEvent` answers false or the stream ends. */
async function readEvents(
  taskId: string,
  signal: AbortSignal,
  onEvent: (event: StreamEvent) => boolean,
): Promise<void> {
  const enough = new AbortController()
  const limit = limitTime(REPLAY_TIMEOUT_MS, signal, enough.signal)
  try {
    const response = await send(`/api/tasks/${encodeURIComponent(taskId)}/events?after=0`, {
      signal: limit.signal,
      headers: { accept: 'text/event-stream' },
    })
    if (response.body === null) return
    await readFrames(response.body, (frame) => {
      const event = limit.signal.aborted ? null : parseFrame(frame)
      if (event !== null && !onEvent(event)) enough.abort()
    })
  } catch (error) {
    if (!enough.signal.aborted) throw error
  } finally {
    limit.release()
  }
}
