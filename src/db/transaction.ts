/**
 * Transactions under a project's lock. Every write that assigns event numbers, moves a task or touches the journal runs
 * here, so three things hold: (1) the project's row is locked first, always, so there is one order of locks; (2) events
 * are stored in the transaction that makes them true; (3) they are published only after its commit.
 */

import pg from 'pg'
import { type NewEvent, type StoredEvent, topicOf } from '../events/topics.ts'
import type { AppError } from '../shared/errors.ts'
import { leaseLost, noSuch, replyStored, toolCallIdTaken } from '../shared/refusals.ts'
import { type Db, refusesWrites, toDbError } from './client.ts'
import { holdConnection } from './connection.ts'
import type { Statement } from './statement.ts'

/** The row of the project that a transaction holds locked. */
export interface LockedProject {
  readonly id: string
  readonly activeTaskId: string | null
  readonly contextHash: string | null
  readonly sandboxProvider: string
  /** JSON of its own limits. */
  readonly budget: string | null
  /** The project whose task it is a try at; null: a project of its own. */
  readonly alternativeOf: string | null
}

/**
 * A transaction that holds its project's row locked, so that the events of a project are numbered one transaction after the
 * other.
 */
export interface Tx {
  readonly project: LockedProject
  /** How many turns the locked task has had; null when no task was asked for. */
  readonly taskTurn: number | null
  query<Row extends object>(text: string, values: readonly unknown[]): Promise<Row[]>
  /** Events to store with this transaction, in order, directly before its commit. */
  emit(...events: NewEvent[]): void
  /** Stores the events emitted so far at once and returns those that were new, numbered. */
  flush(): Promise<StoredEvent[]>
  /** Makes the statement's changes and stores the events emitted so far, both in one. */
  write(statement: Statement): Promise<void>
}

interface ProjectRow {
  id: string
  active_task_id: string | null
  context_hash: string | null
  sandbox_provider: string
  budget: string | null
  alternative_of: string | null
  /** null when no task was asked for. */
  lease: number | null
  turn: number | null
}

/** Begins and locks in one round trip, which only the simple protocol allows: hence literals instead of parameters. */
function beginText(projectId: string, taskId: string | null): string {
  // A deleted project is gone for people, but its running task must still be able to end.
  const project = pg.escapeLiteral(projectId)
  const columns = 'p.id, p.active_task_id, p.context_hash, p.sandbox_provider, p.budget, p.alternative_of'
  // The task is locked too, since a row that is only joined would be read as it was before the wait for the lock.
  return taskId === null
    ? `BEGIN; SELECT ${columns}, NULL::int AS lease, NULL::int AS turn FROM projects p
       WHERE p.id = ${project} AND p.deleted_at IS NULL FOR NO KEY UPDATE`
    : `BEGIN; SELECT ${columns}, t.lease, t.turn FROM projects p JOIN tasks t ON t.id = ${pg.escapeLiteral(taskId)}
       WHERE p.id = ${project} AND t.project_id = p.id FOR NO KEY UPDATE OF p, t`
}

const EVENT_COLUMNS = 'seq, topic, type, task_id AS "taskId", data'
const APPEND_EVENTS = `SELECT ${EVENT_COLUMNS} FROM append_events($1, $2)`

/**
 * Runs `work` with the project locked. Throws `not_found` when there is no such project, `store_unavailable` (retryable)
 * when Postgres is away; whatever `work` throws rolls everything back.
 */
export async function inProject<T>(db: Db, projectId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  return await runTransaction(db, { projectId, taskId: null, lease: null }, work)
}

/** Like {@link inProject} for one of its tasks, also when the project was deleted meanwhile. */
export async function inTask<T>(
  db: Db,
  at: { projectId: string; taskId: string },
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  return await runTransaction(db, { ...at, lease: null }, work)
}

interface At {
  readonly projectId: string
  readonly taskId: string | null
  /** Demanded as the task's newest. */
  readonly lease: number | null
}

async function runTransaction<T>(db: Db, at: At, work: (tx: Tx) => Promise<T>): Promise<T> {
  const stored: StoredEvent[] = []
  const { client, release } = await holdConnection(db)
  try {
    const tx = createTx(client, await beginLocked(client, at), stored)
    const result = await work(tx)
    await tx.flush()
    await client.query('COMMIT')
    await release()
    if (stored.length > 0) {
      db.refusedWrites.succeeded()
      db.onEvents(at.projectId, stored)
    }
    return result
  } catch (error) {
    if (refusesWrites(error)) db.refusedWrites.failed()
    await release('ROLLBACK')
    throw toDbError(error)
  }
}

async function beginLocked(
  client: pg.PoolClient,
  { projectId, taskId, lease }: At,
): Promise<{ readonly project: LockedProject; readonly taskTurn: number | null }> {
  // Several statements in one text come back as several results, which the types do not say.
  const results: unknown = await client.query(beginText(projectId, taskId))
  const row = (results as pg.QueryResult<ProjectRow>[])[1]?.rows[0]
  if (!row) throw noSuch('project')
  if (lease !== null && row.lease !== lease) {
    throw leaseLost()
  }
  const project = {
    id: row.id,
    activeTaskId: row.active_task_id,
    contextHash: row.context_hash,
    sandboxProvider: row.sandbox_provider,
    budget: row.budget,
    alternativeOf: row.alternative_of,
  }
  return { project, taskTurn: row.turn }
}

function createTx(
  client: pg.PoolClient,
  { project, taskTurn }: Pick<Tx, 'project' | 'taskTurn'>,
  stored: StoredEvent[],
): Tx {
  let pending: NewEvent[] = []
  return {
    project,
    taskTurn,
    async query<Row extends object>(text: string, values: readonly unknown[]): Promise<Row[]> {
      const result = await client.query<Row>({ name: statementName(text), text, values: values.map(withoutNul) })
      return result.rows
    },
    emit(...events) {
      pending.push(...events)
    },
    async flush() {
      if (pending.length === 0) return []
      const values = [project.id, JSON.stringify(pending.map(toRow))]
      pending = []
      const appended = await client.query<StoredEvent>({ name: 'append_events', text: APPEND_EVENTS, values })
      stored.push(...appended.rows)
      return appended.rows
    },
    async write(statement) {
      if (statement.isEmpty) return void (await this.flush())
      const { parts } = statement
      const events = `append_events(${statement.value(project.id)}, ${statement.value(JSON.stringify(pending.map(toRow)))})`
      const text = `WITH ${parts} SELECT ${EVENT_COLUMNS} FROM ${events}`
      pending = []
      const values = statement.values.map(withoutNul)
      stored.push(...(await client.query<StoredEvent>({ name: statementName(text), text, values })).rows)
    },
  }
}

/** Postgres has no NUL in texts; models and programs do write it. JSON texts hold it as an escape and keep it. */
function withoutNul(value: unknown): unknown {
  return typeof value === 'string' ? value.replaceAll('\0', '\u{FFFD}') : value
}

const statementNames = new Map<string, string>()

/** One name for each text, so that every connection prepares it once. All texts are literals in src/db. */
function statementName(text: string): string {
  const known = statementNames.get(text)
  if (known !== undefined) return known
  const name = `tx_${statementNames.size}`
  statementNames.set(text, name)
  return name
}

/** An attempt at a task, by its place and its fencing token. */
export interface AttemptAt {
  readonly projectId: string
  readonly taskId: string
  readonly lease: number
}

/**
 * Like {@link inTask}, and only while the attempt's token is still the task's newest: otherwise `lease_lost`, which ends
 * the attempt that is no longer wanted. `Attempt.tx` is what calls it.
 */
export async function inAttempt<T>(db: Db, at: AttemptAt, work: (tx: Tx) => Promise<T>): Promise<T> {
  return await runTransaction(db, at, work)
}

/** What functions of the migrations say when they refuse, by SQLSTATE. */
const REFUSALS: Readonly<Record<string, (cause: unknown) => AppError>> = {
  KE404: () => noSuch('task'),
  KE409: leaseLost,
  KE410: replyStored,
  KE411: toolCallIdTaken,
}

/**
 * Calls a function of the migrations which does all that {@link inAttempt} does by itself: it takes project, task and
 * lease first and the events last, and returns those that were new. One statement, and a transaction of its own. Throws
 * what `inAttempt` throws, and what the function refuses.
 */
export async function callAsAttempt(
  db: Db,
  at: AttemptAt,
  name: 'store_reply',
  values: readonly unknown[],
  events: readonly NewEvent[],
): Promise<void> {
  const all = [at.projectId, at.taskId, at.lease, ...values, JSON.stringify(events.map(toRow))]
  const text = `SELECT ${EVENT_COLUMNS} FROM ${name}(${all.map((_, index) => `$${index + 1}`).join(', ')})`
  try {
    const { rows } = await db.pool.query<StoredEvent>({ name: statementName(text), text, values: all.map(withoutNul) })
    if (rows.length === 0) return
    db.refusedWrites.succeeded()
    db.onEvents(at.projectId, rows)
  } catch (error) {
    if (refusesWrites(error)) db.refusedWrites.failed()
    const refuse = error instanceof pg.DatabaseError ? REFUSALS[error.code ?? ''] : undefined
    throw refuse === undefined ? toDbError(error) : refuse(error)
  }
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
