import type { ViewerEvent } from './viewer.ts'

const TERMINAL = /^task\.(completed|failed|cancelled)$/

/** What the viewers' events say about the tasks, for whoever waits for them. */
export interface Tracker {
  /** A task of which the product said that it is accepted. */
  expect(taskId: string): void
  /** An event that some viewer got; a repeat changes nothing. */
  note(event: ViewerEvent): void
  isOver(taskId: string): boolean
  untilOver(taskId: string): Promise<void>
  /** Resolves at the task's next event that `matches`, or when the task is over. */
  untilEvent(taskId: string, matches: (event: ViewerEvent) => boolean): Promise<void>
  readonly unfinished: readonly string[]
  readonly finishedCount: number
}

export function createTracker(): Tracker {
  const open = new Set<string>()
  const over = new Set<string>()
  const waiting = new Set<{ taskId: string; matches: (event: ViewerEvent) => boolean; resolve: () => void }>()

  const untilEvent = (taskId: string, matches: (event: ViewerEvent) => boolean): Promise<void> =>
    over.has(taskId)
      ? Promise.resolve()
      : new Promise((resolve) => {
          waiting.add({ taskId, matches, resolve })
        })

  return {
    expect(taskId) {
      if (!over.has(taskId)) open.add(taskId)
    },
    note(event) {
      const { taskId, type } = event
      if (taskId === undefined) return
      const ends = TERMINAL.test(type)
      if (ends) {
        over.add(taskId)
        open.delete(taskId)
      }
      for (const entry of waiting) {
        if (entry.taskId !== taskId || !(ends || entry.matches(event))) continue
        waiting.delete(entry)
        entry.resolve()
      }
    },
    isOver: (taskId) => over.has(taskId),
    untilOver: (taskId) => untilEvent(taskId, () => false),
    untilEvent,
    get unfinished() {
      return [...open]
    },
    get finishedCount() {
      return over.size
    },
  }
}
