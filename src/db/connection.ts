import type pg from 'pg'
import { type Db, toDbError } from './client.ts'

/** A connection of the pool that belongs to one caller until it is released. */
export interface HeldConnection {
  readonly client: pg.PoolClient
  /**
   * Gives it back, after one last statement when one is named. One that was lost, or whose last statement fails, is ended
   * instead of being used again. Never rejects; call it once.
   */
  release(lastStatement?: string): Promise<void>
}

/** Takes a connection out of the pool. Throws `store_unavailable` when there is none to be had. */
export async function holdConnection(db: Db): Promise<HeldConnection> {
  let client: pg.PoolClient
  try {
    client = await db.pool.connect()
  } catch (error) {
    throw toDbError(error)
  }
  // Besides failing its query, a client that loses its connection says so here; it must not go back into the pool.
  let lost: Error | undefined
  const onError = (error: Error) => {
    lost = error
  }
  client.on('error', onError)
  return {
    client,
    async release(lastStatement) {
      try {
        if (lastStatement !== undefined && !lost) await client.query(lastStatement)
      } catch (error) {
        lost = error instanceof Error ? error : new Error(String(error))
      }
      client.removeListener('error', onError)
      client.release(lost)
    },
  }
}
