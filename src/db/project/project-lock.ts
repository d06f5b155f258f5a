/**
 * Locks of a project as rows with a lease. Nobody keeps a connection while files are made, filled or restored, which may
 * take minutes: the owner renews its row from a timer, and a row that is not renewed is anybody's soon after.
 *
 * A process that slept may believe in a lock that it lost. So whoever changes files under one asks {@link HeldLock.check}
 * before each step, and what is recorded at the end is compared with what the database holds.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { AppError } from '../../shared/errors.ts'
import { newId } from '../../shared/ids.ts'
import { stillPrepared } from '../../shared/still-prepared.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'

type LockKind = 'sandbox' | 'restore'

/** A lock counts this long after it was last renewed. Shorter than Temporal's notice of a dead worker, so that the next attempt finds it free. */
const LEASE_MS = 5_000
const RENEW_MS = 1_000
const FIRST_POLL_MS = 50
const MAX_POLL_MS = 500

/** What {@link whileRestoring} answers when somebody else works on the project's files. */
export const TAKEN = Symbol('taken')

/** A lock that is held while some work runs. */
export interface HeldLock {
  /** Throws `sandbox_busy` (retryable) when the lease has run out or belongs to somebody else by now. */
  check(): void
}

/** How long whoever wants a project's lock waits for it. */
export interface LockWait {
  /** How long to wait for somebody else to finish, in milliseconds. */
  readonly waitMs: number
  /** Called at each look at a lock that is taken, a few times a second: whoever waits is alive. Must not throw. */
  onWait?(): void
}

/**
 * Runs `work` while no other process prepares the same project's sandbox; waits for one that does, holding nothing. Throws
 * `sandbox_busy` (retryable) when that takes longer than `waitMs`, and `store_unavailable`.
 */
export async function withSandboxLock<T>(
  db: Db,
  projectId: string,
  work: (held: HeldLock) => Promise<T>,
  { waitMs, onWait }: LockWait,
): Promise<T> {
  const deadline = performance.now() + waitMs
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(pollMs * 2, MAX_POLL_MS)) {
    const answer = await whileHolding(db, projectId, 'sandbox', work)
    if (answer !== TAKEN) return answer
    if (performance.now() > deadline) throw stillPrepared()
    onWait?.()
    await delay(pollMs)
  }
}

/**
 * Runs `work` while no other process restores the same project's files. {@link TAKEN} when one does, as soon as it has been
 * seen to be alive: within about a second. What a dead one left is waited for, at most as long as its lease runs.
 */
export async function whileRestoring<T>(
  db: Db,
  projectId: string,
  work: (held: HeldLock) => Promise<T>,
): Promise<T | typeof TAKEN> {
  const deadline = performance.now() + 2 * LEASE_MS
  let first: Holder | null = null
  for (;;) {
    const answer = await whileHolding(db, projectId, 'restore', work)
    if (answer !== TAKEN) return answer
    const holder = await holderOf(db, projectId, 'restore')
    first ??= holder
    const isAlive = holder !== null && first !== null && (holder.owner !== first.owner || holder.until > first.until)
    if (isAlive || performance.now() > deadline) return TAKEN
    await delay(FIRST_POLL_MS)
  }
}

interface Holder {
  readonly owner: string
  readonly until: number
}

async function holderOf(db: Db, projectId: string, kind: LockKind): Promise<Holder | null> {
  const text = 'SELECT owner, expires_at AS "expiresAt" FROM project_locks WHERE project_id = $1 AND kind = $2'
  const rows = await query<{ owner: string; expiresAt: Date }>(db, text, [projectId, kind])
  return rows[0] ? { owner: rows[0].owner, until: rows[0].expiresAt.getTime() } : null
}

async function whileHolding<T>(
  db: Db,
  projectId: string,
  kind: LockKind,
  work: (held: HeldLock) => Promise<T>,
): Promise<T | typeof TAKEN> {
  const lease = await takeLease(db, projectId, kind)
  if (lease === null) return TAKEN
  try {
    return await work(lease)
  } finally {
    await lease.release()
  }
}

interface Lease extends HeldLock {
  /** Gives the lock back; never rejects, since a row that stays expires by itself. */
  release(): Promise<void>
}

async function takeLease(db: Db, projectId: string, kind: LockKind): Promise<Lease | null> {
  const owner = newId('lck')
  const values = [projectId, kind, owner, LEASE_MS]
  let validUntil = performance.now() + LEASE_MS
  const text = `INSERT INTO project_locks (project_id, kind, owner, expires_at)
    VALUES ($1, $2, $3, now() + $4 * interval '1 millisecond')
    ON CONFLICT (project_id, kind) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at
      WHERE project_locks.expires_at < now()
    RETURNING 1`
  if ((await query(db, text, values)).length === 0) return null

  let renewal: Promise<void> | undefined
  const renew = async (): Promise<void> => {
    const asked = performance.now()
    const extend = `UPDATE project_locks SET expires_at = now() + $4 * interval '1 millisecond'
      WHERE project_id = $1 AND kind = $2 AND owner = $3
      RETURNING 1`
    try {
      validUntil = (await query(db, extend, values)).length === 1 ? asked + LEASE_MS : 0
    } catch {
      // Out of reach now: the next one is tried in time, and without it the lease runs out by the clock.
    }
  }
  const timer = setInterval(() => {
    renewal ??= renew().finally(() => {
      renewal = undefined
    })
  }, RENEW_MS)
  return {
    check() {
      if (performance.now() < validUntil) return
      throw new AppError('sandbox_busy', 'This process lost its hold on the project’s files; it is tried again.')
    },
    async release() {
      clearInterval(timer)
      await renewal
      try {
        await query(db, 'DELETE FROM project_locks WHERE project_id = $1 AND kind = $2 AND owner = $3', [
          projectId,
          kind,
          owner,
        ])
      } catch {
        // Nothing renews it any more, so it is free within the lease's time.
      }
    },
  }
}
