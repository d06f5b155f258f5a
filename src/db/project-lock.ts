import type pg from 'pg'
import { type Db, toDbError } from './client.ts'
import { holdConnection } from './connection.ts'

/** Two locks of a project, under which one may be taken while the other is held. */
const SEEDS = { sandbox: 7, restore: 8 } as const

/** What {@link whileRestoring} answers when somebody else works on the project's files. */
export const TAKEN = Symbol('taken')

/** Runs `work` while no other process prepares the same project's sandbox; waits for one that does. */
export async function withSandboxLock<T>(db: Db, projectId: string, work: () => Promise<T>): Promise<T> {
  return await onOneConnection(db, async (client) => {
    const lock = [projectId, SEEDS.sandbox]
    await client.query('SELECT pg_advisory_lock(hashtextextended($1, $2))', lock)
    return await work()
  })
}

/** Runs `work` while no other process restores the same project's files; {@link TAKEN} at once when one does. */
export async function whileRestoring<T>(db: Db, projectId: string, work: () => Promise<T>): Promise<T | typeof TAKEN> {
  return await onOneConnection(db, async (client) => {
    const { rows } = await client.query<{ taken: boolean }>(
      'SELECT pg_try_advisory_lock(hashtextextended($1, $2)) AS taken',
      [projectId, SEEDS.restore],
    )
    return rows[0]?.taken === true ? await work() : TAKEN
  })
}

/** The lock belongs to a connection of its own and ends with it, so a killed process never keeps it. */
async function onOneConnection<T>(db: Db, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const held = await holdConnection(db)
  try {
    return await work(held.client)
  } catch (error) {
    throw toDbError(error)
  } finally {
    // Harmless when none was taken: the connection holds no lock of this kind then.
    await held.release('SELECT pg_advisory_unlock_all()')
  }
}
