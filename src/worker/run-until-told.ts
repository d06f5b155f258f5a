import type { Log } from '../logger.ts'

/** As much of Temporal's worker as is needed to run it. */
interface Runnable {
  run(): Promise<void>
}

/**
 * Runs Temporal's worker until it is told to end. True: it ended with all of its work done or given back. False: it was
 * told to end, and its library gave up before that, as it does when a store or Temporal itself is away for longer than the
 * grace that a shutdown has; what was under way goes on elsewhere once its heartbeats are missed, and the process is to be
 * ended by its caller, since parts of the library may still run. Throws what ended a worker that nobody had told to.
 */
export async function runUntilTold(worker: Runnable, told: AbortSignal, log: Log): Promise<boolean> {
  try {
    await worker.run()
    return true
  } catch (error) {
    if (!told.aborted) throw error
    log.warn({ err: error }, 'the worker ends before its work did; another one goes on with it')
    return false
  }
}
