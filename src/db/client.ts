import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import type { StoredEvent } from '../events/topics.ts'
import { AppError } from '../shared/errors.ts'
import { RecentFailure } from '../shared/recent-failure.ts'
import { PrismaClient } from './generated/client.ts'

/** How a process reaches Postgres, and whom it tells. */
export interface DbOptions {
  readonly url: string
  /** Shown in pg_stat_activity: `keelson-server`, `keelson-worker`. */
  readonly applicationName: string
  readonly poolSize: number
  /** Told of every durable event after the transaction that stored it was committed. Must not throw. */
  onEvents(projectId: string, events: readonly StoredEvent[]): void
  /** Told when an idle connection is lost; the pool replaces it by itself. Must not throw. */
  onConnectionError(error: Error): void
}

/**
 * The database as the rest of the code sees it. Prisma serves what is not hot; the journal, the events and whatever
 * must happen under a project's lock use the same pool through `transaction.ts`.
 */
export interface Db {
  readonly pool: pg.Pool
  readonly prisma: PrismaClient
  readonly onEvents: DbOptions['onEvents']
  /** Writes that Postgres refused although it answers; events that were stored are the proof that it takes them again. */
  readonly refusedWrites: RecentFailure
  close(): Promise<void>
}

const REFUSED_WRITE_COUNTS_MS = 5_000

/** Opens nothing until the first query, so it succeeds while Postgres is away. Whoever creates it closes it. */
export function createDb(options: DbOptions): Db {
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: options.applicationName,
    max: options.poolSize,
    connectionTimeoutMillis: 3_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    query_timeout: 12_000,
    statement_timeout: 10_000,
    // A process that is frozen in the middle of a transaction must not keep a project's lock.
    idle_in_transaction_session_timeout: 5_000,
    lock_timeout: 8_000,
  })
  pool.on('error', options.onConnectionError)
  // The pool takes its own listener off before whoever waits for a connection can add one. An end that comes in the same
  // packet as the beginning is heard by nobody then, which would end the process; its queries fail all the same.
  pool.on('connect', (client) => client.on('error', () => undefined))
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
  return {
    pool,
    prisma,
    onEvents: options.onEvents,
    refusedWrites: new RecentFailure({ forMs: REFUSED_WRITE_COUNTS_MS }),
    async close() {
      await prisma.$disconnect()
      await pool.end()
    },
  }
}

/** SQLSTATE classes and socket errors that mean: the database is away or going away; the same call may work later. */
const AWAY_SQLSTATES = /^(08|53|57P0|57014|40001|40P01|55P03|25P03|25006|58030)/
/** It answers and takes no writes: the disk is full or broken, or it was demoted or closed for writing. */
const REFUSES_WRITES_SQLSTATES = /^(53100|58030|25006)/
const AWAY_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'P2024',
])
const AWAY_MESSAGES =
  /timeout exceeded when trying to connect|Connection terminated|Query read timeout|Client has encountered a connection error/

/**
 * The one place where a database failure becomes an {@link AppError}: `store_unavailable` (retryable) when Postgres is
 * away, restarting, out of connections, closed for writing or too slow; anything else is a defect and is returned as it is.
 */
export function toDbError(error: unknown): unknown {
  if (error instanceof AppError || !(error instanceof Error)) return error
  const isAway = codesOf(error).some((code) => AWAY_SQLSTATES.test(code) || AWAY_CODES.has(code))
  if (isAway || AWAY_MESSAGES.test(error.message)) {
    return new AppError('store_unavailable', 'The database cannot be reached right now.', {
      cause: error,
      retryAfterMs: 2_000,
    })
  }
  return error
}

/** Whether Postgres answered this call by saying that it takes no writes now. */
export function refusesWrites(error: unknown): boolean {
  return error instanceof Error && codesOf(error).some((code) => REFUSES_WRITES_SQLSTATES.test(code))
}

/** Its own code, and the one that Postgres gave when Prisma has wrapped it under a code that says only "database error". */
function codesOf(error: Error): string[] {
  const { code, meta } = error as { code?: unknown; meta?: { driverAdapterError?: { cause?: unknown } } }
  const { originalCode } = (meta?.driverAdapterError?.cause ?? {}) as { originalCode?: unknown }
  return [code, originalCode].filter((one) => typeof one === 'string')
}
