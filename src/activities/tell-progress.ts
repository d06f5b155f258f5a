import { log } from '@temporalio/activity'
import type { Attempt } from '../db/task/attempt.ts'
import type { ActivityRun } from './run-activity.ts'

const EVERY_MS = 2_000
/** Of one attempt: a clone may take minutes, and each event is stored. */
const MAX_EVENTS = 40

/** Tells people how far a preparation is, while it goes on. */
export interface ProgressTeller {
  /** Tells people how far the preparation is, unless it was told just now. Never throws. */
  say(text: string): void
  /** Settles when all that was said is stored. Never rejects. */
  settled(): Promise<void>
}

/** Makes `sandbox.progress` events of what a preparation says: the first at once, then one in two seconds, 40 at most. */
export function tellProgress(attempt: Attempt, run: Pick<ActivityRun, 'attempt'>): ProgressTeller {
  const { scope } = attempt
  let told = 0
  let toldAt = Number.NEGATIVE_INFINITY
  let last = ''
  let stored: Promise<void> = Promise.resolve()
  const store = async (text: string, count: number): Promise<void> => {
    const key = `sandbox.progress:${scope.taskId}:${run.attempt}:${count}`
    try {
      await attempt.emit({ type: 'sandbox.progress', key, scope, payload: { text } })
    } catch (error) {
      // What it was about goes on or fails by itself.
      log.warn('the progress of a preparation could not be told', { error })
    }
  }
  return {
    say(text) {
      const now = performance.now()
      if (text === last || told === MAX_EVENTS || now - toldAt < EVERY_MS) return
      last = text
      toldAt = now
      told += 1
      const count = told
      stored = stored.then(() => store(text, count))
    },
    settled: () => stored,
  }
}
