import type { Db } from './client.ts'
import { query } from './query.ts'

/**
 * Notes that a setup token was used, by its hash; false when it had been used before, by whichever server process.
 * Throws `store_unavailable`; then nothing was noted.
 */
export async function claimSetupToken(db: Db, hash: string): Promise<boolean> {
  const text = 'INSERT INTO used_setup_tokens (hash) VALUES ($1) ON CONFLICT DO NOTHING RETURNING 1'
  return (await query(db, text, [hash])).length === 1
}
