import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../logger.ts'

const RETRY_MS = 1_000
const MAX_TRIES = 600

/** Connects, trying again each second for ten minutes: a worker may start before Temporal does. Throws the last failure. */
export async function connectWithPatience<T>(connect: () => Promise<T>, log: Log): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await connect()
    } catch (error) {
      if (tries === MAX_TRIES) throw error
      if (tries === 1) log.warn({ err: error }, 'Temporal cannot be reached yet, trying again')
      await sleep(RETRY_MS)
    }
  }
}
