import { type Db, toDbError } from './client.ts'

/**
 * Notes that a setup token was used, by its hash; false when it had been used before, by whichever server process.
 * Throws `store_unavailable`; then nothing was noted.
 */
export async function claimSetupToken(db: Db, hash: string): Promise<boolean> {
  try {
    const { rowCount } = await db.pool.query(
      'INSERT INTO used_setup_tokens (hash) VALUES ($1) ON CONFLICT DO NOTHING',
      [hash],
    )
    return rowCount === 1
  } catch (error) {
    throw toDbError(error)
  }
}
