import type pg from 'pg'
import { type Db, toDbError } from './client.ts'

/** Tells this lock of a project from its sandbox's, under which one may be taken while the other is held. */
const LOCK_SEED = 8

/** What {@link whileRestoring} answers when somebody else works on the project's files. */
export const TAKEN = Symbol('taken')

/**
 * Runs `work` while no other process restores the same project's files; {@link TAKEN} at once when one does. The lock
 * belongs to a connection of its own and ends with it, so a killed process never keeps it.
 */
export async function whileRestoring<T>(db: Db, projectId: string, work: () => Promise<T>): Promise<T | typeof TAKEN> {
  let client: pg.PoolClient
  try {
    client = await db.pool.connect()
  } catch (error) {
    throw toDbError(error)
  }
  let lost: Error | undefined
  const onError = (error: Error) => {
    lost = error
  }
  client.on('error', onError)
  try {
    const { rows } = await client.query<{ taken: boolean }>(
      'SELECT pg_try_advisory_lock(hashtextextended($1, $2)) AS taken',
      [projectId, LOCK_SEED],
    )
    return rows[0]?.taken === true ? await work() : TAKEN
  } catch (error) {
    throw toDbError(error)
  } finally {
    try {
      // Harmless when it was not taken: the connection holds no lock of this kind then.
      if (!lost) await client.query('SELECT pg_advisory_unlock_all()')
    } catch (error) {
      lost = error instanceof Error ? error : new Error(String(error))
    }
    client.removeListener('error', onError)
    client.release(lost)
  }
}
