/** How often somebody who waits for room is said to be alive. */
const TELL_MS = 5_000

/** At most so many pieces of work at once; the others wait in order of arrival. */
export interface Slots {
  /** Runs `work` when there is room, and makes room whatever becomes of it. `onWait` is called every 5 s until then. */
  run<T>(work: () => Promise<T>, onWait?: () => void): Promise<T>
}

/** `size` is at least 1. Nothing is started, so there is nothing to close. */
export function createSlots(size: number): Slots {
  const waiting: (() => void)[] = []
  let free = size

  const room = async (onWait: () => void): Promise<void> => {
    const timer = setInterval(onWait, TELL_MS)
    await new Promise<void>((resolve) => waiting.push(resolve))
    clearInterval(timer)
  }

  return {
    async run(work, onWait = () => undefined) {
      if (free > 0) free -= 1
      else await room(onWait)
      try {
        return await work()
      } finally {
        // Handed on rather than given back, so that nobody who comes now overtakes.
        const next = waiting.shift()
        if (next) next()
        else free += 1
      }
    },
  }
}
