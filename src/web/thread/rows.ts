import type { MessageView } from '../state.ts'

/** One row of the thread: a message, and the range of seqs whose steps and rounds stand behind it. */
export interface ThreadRow {
  readonly message: MessageView
  /** The first message of its task: where the task begins. */
  readonly isFirstOfTask: boolean
  /** The last message of its task: where its end stands, or what it does now. */
  readonly isLastOfTask: boolean
  /** Steps with a greater seq stand behind this row … */
  readonly after: number
  /** … up to this one. */
  readonly before: number
}

/** Rows for messages in order. Pure; a row that did not change keeps its identity through `known`. */
export function rowsOf(messages: readonly MessageView[], known: readonly ThreadRow[] = []): ThreadRow[] {
  const shift = earlierRows(messages, known)
  return messages.map((message, index) => {
    const { taskId } = message
    const next = messages[index + 1]
    const isFirstOfTask = taskId !== null && messages[index - 1]?.taskId !== taskId
    const isLastOfTask = taskId !== null && next?.taskId !== taskId
    const row: ThreadRow = {
      message,
      isFirstOfTask,
      isLastOfTask,
      after: isFirstOfTask ? 0 : (message.order ?? Number.MAX_SAFE_INTEGER),
      before: isLastOfTask ? Number.MAX_SAFE_INTEGER : (next?.order ?? Number.MAX_SAFE_INTEGER),
    }
    const old = known[index - shift]
    return old !== undefined && isSameRow(old, row) ? old : row
  })
}

function isSameRow(a: ThreadRow, b: ThreadRow): boolean {
  return (
    a.message === b.message &&
    a.isFirstOfTask === b.isFirstOfTask &&
    a.isLastOfTask === b.isLastOfTask &&
    a.after === b.after &&
    a.before === b.before
  )
}

/** How many rows stand before what was the first row; 0 when that is gone, or was none. */
export function earlierRows(messages: readonly MessageView[], known: readonly ThreadRow[]): number {
  const first = known[0]?.message.id
  return first === undefined
    ? 0
    : Math.max(
        0,
        messages.findIndex(({ id }) => id === first),
      )
}
