import { createHash } from 'node:crypto'
import type { Db } from './client.ts'
import { query } from './query.ts'

/** Ends all sign-ins that are older. */
const ALL = '*'

const hashOf = (sessionId: string): string => createHash('sha256').update(sessionId).digest('hex')

/**
 * Whether a browser's sign-in was ended before its time. `signedInAt` in milliseconds since 1970. Throws
 * `store_unavailable`.
 */
export async function isSessionEnded(
  db: Db,
  session: { readonly id: string; readonly signedInAt: number },
): Promise<boolean> {
  const text = `SELECT 1 FROM ended_sessions WHERE hash = $1 OR (hash = '${ALL}' AND ended_at >= to_timestamp($2::float8 / 1000))`
  const values = [hashOf(session.id), session.signedInAt]
  return (await query(db, { name: 'ended_session', text }, values)).length > 0
}

/**
 * Ends one sign-in, or with `all` every one up to now; `now` in milliseconds since 1970, of the clock that signs in. Rows of
 * sign-ins that are over anyway, after `keptSeconds`, are removed. Doing it twice is safe. Throws `store_unavailable`.
 */
export async function endSession(
  db: Db,
  which: { readonly id: string } | 'all',
  { now, keptSeconds }: { readonly now: number; readonly keptSeconds: number },
): Promise<void> {
  const hash = which === 'all' ? ALL : hashOf(which.id)
  const at = [now, keptSeconds]
  await query(
    db,
    `WITH over AS (
         DELETE FROM ended_sessions
         WHERE hash NOT IN ('${ALL}', $3) AND ended_at < to_timestamp($1::float8 / 1000) - make_interval(secs => $2)
       )
       INSERT INTO ended_sessions (hash, ended_at) VALUES ($3, to_timestamp($1::float8 / 1000))
       ON CONFLICT (hash) DO UPDATE SET ended_at = greatest(ended_sessions.ended_at, excluded.ended_at)`,
    [...at, hash],
  )
}
