import type { MessageView } from '../state.ts'

interface Sources {
  /** By GET, oldest first. */
  readonly history: readonly MessageView[]
  /** From replays of ended tasks, by id. */
  readonly replayed: ReadonlyMap<string, MessageView>
  /** From the stream, of this conversation. */
  readonly streamed: readonly MessageView[]
  /** Tasks whose every event the stream brought. */
  readonly isWhole: (taskId: string) => boolean
}

/**
 * One list from three sources that overlap. What the stream saw whole counts before a replay, and a replay before what
 * was read by GET: the later ones know less, or are older. The history's order stands first, the stream's after it.
 */
export function threadMessages({ history, replayed, streamed, isWhole }: Sources): MessageView[] {
  const isStreamsOwn = (message: MessageView): boolean => message.taskId !== null && isWhole(message.taskId)
  const byStream = new Map(streamed.filter(isStreamsOwn).map((message) => [message.id, message]))
  const known = new Set(history.map((message) => message.id))
  const older = history
    .filter((message) => !byStream.has(message.id))
    .map((message) => replayed.get(message.id) ?? message)
  const newer = streamed.filter((message) => byStream.has(message.id) || !known.has(message.id))
  return [...older, ...newer]
}
