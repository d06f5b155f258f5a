import type { Db } from '../db/client.ts'
import { retireWorker, touchWorker } from '../db/task/workers.ts'
import type { Log } from '../logger.ts'
import { newId } from '../shared/ids.ts'

const EVERY_MS = 2_500

/** What keeps saying that a worker is there. */
export interface Liveness {
  /** Says that the worker takes no more tasks. Never rejects. */
  close(): Promise<void>
}

/**
 * Tells the servers every 2.5 seconds that this worker is there, for as long as `isWorking()`; a process that was killed
 * or frozen falls silent. A failing word is only logged: while Postgres is away nobody can ask either.
 */
export function startLiveness(deps: { readonly db: Db; readonly log: Log; isWorking(): boolean }): Liveness {
  const { db, log, isWorking } = deps
  const workerId = newId('wrk')
  let saying: Promise<void> | undefined
  const say = (what: (db: Db, id: string) => Promise<void>): Promise<void> =>
    what(db, workerId).catch((error: unknown) => log.debug({ err: error }, 'the worker could not say that it is alive'))
  const touch = (): void => {
    if (!isWorking()) return
    saying ??= say(touchWorker).finally(() => {
      saying = undefined
    })
  }
  const timer = setInterval(touch, EVERY_MS)
  timer.unref()
  touch()
  return {
    async close() {
      clearInterval(timer)
      await saying
      await say(retireWorker)
    },
  }
}
