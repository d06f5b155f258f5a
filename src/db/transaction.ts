/**
 * Transactions under a project's lock. Every write that assigns event numbers, moves a task or touches the journal runs
 * here, so three things hold: (1) the project's row is locked first, always, so there is one order of locks; (2) events
 * are stored in the transaction that makes them true; (3) they are published only after its commit.
 */

import type pg from 'pg'
import { type NewEvent, type StoredEvent, topicOf } from '../events/topics.ts'
import { AppError } from '../shared/errors.ts'
import { type Db, toDbError } from './client.ts'

/** A worker's right to write for a task. Each attempt of an activity takes a higher one; a lower one is refused. */
export interface Lease {
  readonly projectId: string
  readonly conversationId: string
  readonly taskId: string
  readonly lease: number
}

export interface LockedProject {
  readonly id: string
  readonly activeTaskId: string | null
  readonly contextHash: string | null
  readonly sandboxProvider: string
}

export interface Tx {
  readonly project: LockedProject
  query<Row extends object>(text: string, values: readonly unknown[]): Promise<Row[]>
  /** Events to store with this transaction, in order, directly before its commit. */
  emit(...events: NewEvent[]): void
  /** Stores the events emitted so far at once and returns those that were new, numbered. */
  flush(): Promise<StoredEvent[]>
}

interface ProjectRow {
  id: string
  active_task_id: string | null
  context_hash: string | null
  sandbox_provider: string
}

const LOCK_PROJECT = `
  SELECT id, active_task_id, context_hash, sandbox_provider FROM projects
  WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE`

const APPEND_EVENTS = 'SELECT seq, topic, type, task_id AS "taskId", data FROM append_events($1, $2)'

/**
 * Runs `work` with the project locked. Throws `not_found` when there is no such project, `store_unavailable` (retryable)
 * when Postgres is away; whatever `work` throws rolls everything back.
 */
export async function inProject<T>(db: Db, projectId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  const stored: StoredEvent[] = []
  let client: pg.PoolClient
  try {
    client = await db.pool.connect()
  } catch (error) {
    throw toDbError(error)
  }
  // A checked-out client that loses its connection emits 'error' besides failing the query; unheard, it ends the process.
  let lost: Error | undefined
  const onError = (error: Error) => {
    lost = error
  }
  client.on('error', onError)
  try {
    await client.query('BEGIN')
    const result = await runLocked(client, projectId, stored, work)
    await client.query('COMMIT')
    client.removeListener('error', onError)
    client.release()
    if (stored.length > 0) db.onEvents(projectId, stored)
    return result
  } catch (error) {
    await rollBack(client, onError, lost)
    throw toDbError(error)
  }
}

async function runLocked<T>(
  client: pg.PoolClient,
  projectId: string,
  stored: StoredEvent[],
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  const locked = await client.query<ProjectRow>({ name: 'lock_project', text: LOCK_PROJECT, values: [projectId] })
  const row = locked.rows[0]
  if (!row) throw new AppError('not_found', 'There is no such project.')
  let pending: NewEvent[] = []
  const tx: Tx = {
    project: {
      id: row.id,
      activeTaskId: row.active_task_id,
      contextHash: row.context_hash,
      sandboxProvider: row.sandbox_provider,
    },
    async query<Row extends object>(text: string, values: readonly unknown[]): Promise<Row[]> {
      const result = await client.query<Row>({ text, values: [...values] })
      return result.rows
    },
    emit(...events) {
      pending.push(...events)
    },
    async flush() {
      if (pending.length === 0) return []
      const values = [projectId, JSON.stringify(pending.map(toRow))]
      pending = []
      const appended = await client.query<StoredEvent>({ name: 'append_events', text: APPEND_EVENTS, values })
      stored.push(...appended.rows)
      return appended.rows
    },
  }
  const result = await work(tx)
  await tx.flush()
  return result
}

async function rollBack(
  client: pg.PoolClient,
  onError: (error: Error) => void,
  lost: Error | undefined,
): Promise<void> {
  let broken: Error | undefined = lost
  if (!broken) {
    try {
      await client.query('ROLLBACK')
    } catch (error) {
      broken = error instanceof Error ? error : new Error(String(error))
    }
  }
  client.removeListener('error', onError)
  client.release(broken)
}

/**
 * Like {@link inProject} for one task, and only while `lease` is still the task's newest: otherwise `lease_lost`, which
 * ends the attempt that is no longer wanted.
 */
export async function withLease<T>(db: Db, lease: Lease, work: (tx: Tx) => Promise<T>): Promise<T> {
  return await inProject(db, lease.projectId, async (tx) => {
    const [task] = await tx.query<{ lease: number }>('SELECT lease FROM tasks WHERE id = $1', [lease.taskId])
    if (task?.lease !== lease.lease) throw new AppError('lease_lost', 'Another attempt has taken over this task.')
    return await work(tx)
  })
}

interface EventRow {
  key: string
  taskId: string | null
  topic: string
  type: string
  data: string
}

function toRow(event: NewEvent): EventRow {
  const { projectId, conversationId, taskId, turn } = event.scope
  const frame = {
    v: 1,
    type: event.type,
    projectId,
    ...(conversationId ? { conversationId } : {}),
    ...(taskId ? { taskId } : {}),
    ...(turn ? { turn } : {}),
    at: Date.now(),
    ...event.payload,
  }
  return { key: event.key, taskId, topic: topicOf(event.type), type: event.type, data: JSON.stringify(frame) }
}
