import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until `isTrue()`; false when it was not within the time. */
export async function waitFor(isTrue: () => boolean, timeoutMs: number): Promise<boolean> {
  const giveUpAt = Date.now() + timeoutMs
  while (!isTrue()) {
    if (Date.now() > giveUpAt) return false
    await sleep(50)
  }
  return true
}

/** The same, but it throws with `what` was waited for. */
export async function until(isTrue: () => boolean, timeoutMs: number, what: string): Promise<void> {
  if (!(await waitFor(isTrue, timeoutMs))) throw new Error(`after ${timeoutMs} ms it is not true that ${what}`)
}
