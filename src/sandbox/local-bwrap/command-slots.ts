import { AppError } from '../../shared/errors.ts'

/** A limited number of places, given out fairly: in turns to those who ask for themselves, in order of asking to each. */
export interface CommandSlots {
  /**
   * Resolves with the function that gives the place back, at once when one is free. Throws `sandbox_busy` (worth trying
   * again) after `waitMs`, or when `cancel` chose it.
   */
  take(who: { readonly group: string; readonly key: string }): Promise<() => void>
  /** Has those that wait and match give up. */
  cancel(matches: (key: string) => boolean): void
  readonly waiting: number
}

interface Waiting {
  readonly key: string
  readonly timer: NodeJS.Timeout
  resolve(release: () => void): void
  reject(error: Error): void
}

/** More than this at once wait for nothing good. */
const MAX_WAITING = 2_000

/** `limit` places; who waits for one waits at most `waitMs`. */
export function createCommandSlots(limit: number, waitMs: number): CommandSlots {
  /** By group, in the order in which the groups' turns come. */
  const queues = new Map<string, Waiting[]>()
  let taken = 0
  let waiting = 0

  const busy = (why: string) =>
    new AppError('sandbox_busy', `${why} This host runs at most ${limit} sandboxed commands at a time.`, {
      retryAfterMs: 5_000,
    })

  const place = (): (() => void) => {
    let isOurs = true
    taken++
    return () => {
      if (!isOurs) return
      isOurs = false
      taken--
      next()
    }
  }

  const drop = (group: string, queue: Waiting[], entry: Waiting) => {
    const at = queue.indexOf(entry)
    if (at !== -1) queue.splice(at, 1)
    if (queue.length === 0) queues.delete(group)
    clearTimeout(entry.timer)
    waiting--
  }

  const next = () => {
    const [first] = queues
    if (first === undefined || taken >= limit) return
    const [group, queue] = first
    const [entry] = queue
    if (entry === undefined) return
    drop(group, queue, entry)
    if (queue.length > 0) {
      // To the end of the turns.
      queues.delete(group)
      queues.set(group, queue)
    }
    entry.resolve(place())
  }

  return {
    get waiting() {
      return waiting
    },
    async take({ group, key }) {
      if (taken < limit) return place()
      if (waiting >= MAX_WAITING) throw busy('Too many commands wait to be started.')
      const queue = queues.get(group) ?? []
      queues.set(group, queue)
      return await new Promise<() => void>((resolve, reject) => {
        const timer = setTimeout(() => {
          drop(group, queue, entry)
          reject(busy(`The command waited ${Math.round(waitMs / 1000)} seconds for its turn.`))
        }, waitMs)
        const entry: Waiting = { key, timer, resolve, reject }
        queue.push(entry)
        waiting++
      })
    },
    cancel(matches) {
      for (const [group, queue] of Array.from(queues)) {
        for (const entry of queue.filter((each) => matches(each.key))) {
          drop(group, queue, entry)
          entry.reject(busy('The command was given up before it began.'))
        }
      }
    },
  }
}
