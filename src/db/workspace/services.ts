/** A project's long-lived commands: who started them, where they stand, and which worker follows them. */

import { randomBytes } from 'node:crypto'
import type { EventScope, NewEvent } from '../../events/topics.ts'
import { AppError } from '../../shared/errors.ts'
import { newId } from '../../shared/ids.ts'
import { tooManyServices } from '../../shared/refusals.ts'
import { MAX_SERVICES_PER_PROJECT, type ServiceState } from '../../shared/service.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import { inProject, type Tx } from '../transaction.ts'

/** A worker that died is replaced after this long at the latest. */
export const SERVICE_LEASE_MS = 8_000
/** Ended ones that are still listed. */
const LISTED_ENDED = 10
const MAX_CLAIMED = 20

/** A service of a project, as it is stored. */
export interface ServiceRow {
  readonly id: string
  readonly projectId: string
  readonly name: string
  readonly command: string
  /** The port that whoever started it named. */
  readonly wantedPort: number | null
  readonly state: ServiceState
  readonly port: number | null
  readonly ports: readonly number[]
  readonly startedBy: 'user' | 'agent'
  readonly secret: string
  readonly execId: string
  readonly exitCode: number | null
  readonly reason: string | null
  /** The end of what it printed, once it has ended. */
  readonly tail: string
  readonly createdAt: Date
  readonly endedAt: Date | null
  readonly isStopRequested: boolean
}

const COLUMNS = `id, project_id AS "projectId", name, command, wanted_port AS "wantedPort", state, port, ports,
  started_by AS "startedBy", secret, exec_id AS "execId", exit_code AS "exitCode", reason, tail, created_at AS "createdAt",
  ended_at AS "endedAt", stop_requested_at IS NOT NULL AS "isStopRequested"`

type StoredRow = Omit<ServiceRow, 'ports'> & { readonly ports: string }

const toRow = (row: StoredRow): ServiceRow => ({ ...row, ports: JSON.parse(row.ports) as number[] })

/** A service that is to run. */
export interface NewService {
  /** Made from whoever asks, so that asking again is no second one; left out: a new one. */
  readonly id?: string
  readonly name: string
  readonly command: string
  readonly port?: number | undefined
  readonly startedBy: 'user' | 'agent'
  /** At a time on this host, of all projects. */
  readonly maxOnHost: number
}

/** A new service's id: also a name below a preview's domain, so without `_`. */
export function newServiceId(): string {
  return newId('svc').replace('_', '-')
}

/**
 * Notes a service that a worker is to start. One of the same command that runs already, or of the same id, is returned as
 * it is (`isNew` false). Throws `not_found`, and `service_limit` when the project or the host runs as many as they may.
 */
export async function addService(
  db: Db,
  projectId: string,
  { id = newServiceId(), name, command, port, startedBy, maxOnHost }: NewService,
): Promise<{ readonly service: ServiceRow; readonly isNew: boolean }> {
  return await inProject(db, projectId, async (tx) => {
    const known = await tx.query<StoredRow>(
      `SELECT ${COLUMNS} FROM services WHERE id = $1 AND project_id = $2
         OR (project_id = $2 AND ended_at IS NULL AND stop_requested_at IS NULL AND command = $3)
       ORDER BY (id = $1) DESC, id LIMIT 1`,
      [id, projectId, command],
    )
    if (known[0] !== undefined) return { service: toRow(known[0]), isNew: false }
    await refuseTooMany(tx, projectId, maxOnHost)
    const [row] = await tx.query<StoredRow>(
      `INSERT INTO services (id, project_id, name, command, wanted_port, state, started_by, secret, exec_id)
       VALUES ($1, $2, $3, $4, $5, 'starting', $6, $7, $8) RETURNING ${COLUMNS}`,
      [id, projectId, name, command, port ?? null, startedBy, randomBytes(32).toString('hex'), `service.${id}`],
    )
    if (row === undefined) throw new AppError('internal', 'A service could not be stored.')
    tx.emit(...startEvents(projectId, toRow(row)))
    return { service: toRow(row), isNew: true }
  })
}

async function refuseTooMany(tx: Tx, projectId: string, maxOnHost: number): Promise<void> {
  const [counts] = await tx.query<{ own: number; all: number }>(
    `SELECT count(*) FILTER (WHERE project_id = $1)::int AS own, count(*)::int AS "all"
     FROM services WHERE ended_at IS NULL`,
    [projectId],
  )
  if ((counts?.own ?? 0) >= MAX_SERVICES_PER_PROJECT) throw tooManyServices('project', MAX_SERVICES_PER_PROJECT)
  if ((counts?.all ?? 0) >= maxOnHost) throw tooManyServices('host', maxOnHost)
}

/** Ids of a service's part on the terminal topic. Pure. */
export function outputIds(serviceId: string): { readonly toolUseId: string; readonly partId: string } {
  return { toolUseId: serviceId, partId: `${serviceId}/output` }
}

/** A service belongs to no task. Pure. */
export function serviceScope(projectId: string): EventScope {
  return { projectId, conversationId: null, taskId: null }
}

function startEvents(projectId: string, { id, name, command, startedBy, wantedPort }: ServiceRow): NewEvent[] {
  const scope = serviceScope(projectId)
  const port = wantedPort === null ? {} : { port: wantedPort }
  const payload = { serviceId: id, name, command, startedBy, ...port }
  return [
    { type: 'service.started', key: `service.started:${id}`, scope, payload },
    { type: 'command.started', key: `command.started:${id}`, scope, payload: { ...outputIds(id), command, cwd: '' } },
  ]
}

/** The project's services that run, and the last ten that ended, oldest first. */
export async function listServices(db: Db, projectId: string): Promise<ServiceRow[]> {
  const rows = await query<StoredRow>(
    db,
    `(SELECT ${COLUMNS} FROM services WHERE project_id = $1 AND ended_at IS NULL)
     UNION ALL
     (SELECT ${COLUMNS} FROM services WHERE project_id = $1 AND ended_at IS NOT NULL ORDER BY created_at DESC LIMIT ${LISTED_ENDED})
     ORDER BY "createdAt", id`,
    [projectId],
  )
  return rows.map(toRow)
}

/** One service of a project. Throws `not_found`. */
export async function getService(db: Db, projectId: string, serviceId: string): Promise<ServiceRow> {
  const service = await findService(db, serviceId)
  if (service?.projectId === projectId) return service
  throw new AppError('not_found', 'The project has no such service.')
}

/** A service by its id, of whatever project that is still there, or null. */
export async function findService(db: Db, serviceId: string): Promise<ServiceRow | null> {
  const [row] = await query<StoredRow>(
    db,
    `SELECT ${COLUMNS} FROM services s
     WHERE id = $1 AND EXISTS (SELECT 1 FROM projects p WHERE p.id = s.project_id AND p.deleted_at IS NULL)`,
    [serviceId],
  )
  return row === undefined ? null : toRow(row)
}

/** Has the worker that follows a service end it. Safe to repeat; one that has ended stays as it is. */
export async function requestStop(db: Db, serviceId: string): Promise<void> {
  await query(
    db,
    'UPDATE services SET stop_requested_at = coalesce(stop_requested_at, now()) WHERE id = $1 AND ended_at IS NULL',
    [serviceId],
  )
}

/** Takes the services that nobody follows for `owner`, at most twenty at once, and returns them. Safe to repeat. */
export async function claimServices(db: Db, owner: string): Promise<ServiceRow[]> {
  const rows = await query<StoredRow>(
    db,
    `UPDATE services SET owner = $1, expires_at = now() + ${SERVICE_LEASE_MS} * interval '1 millisecond'
     WHERE id IN (
       SELECT id FROM services WHERE ended_at IS NULL AND (expires_at IS NULL OR expires_at < now())
       ORDER BY id LIMIT ${MAX_CLAIMED} FOR UPDATE SKIP LOCKED)
     RETURNING ${COLUMNS}`,
    [owner],
  )
  return rows.map(toRow)
}

/** Lets go of what `owner` follows, for others to take over at once. Safe to repeat. */
export async function releaseServices(db: Db, owner: string): Promise<void> {
  await query(db, 'UPDATE services SET expires_at = now() WHERE owner = $1 AND ended_at IS NULL', [owner])
}

/** What the worker that holds a service must know each time it looks. */
export interface HeldService {
  readonly isStopRequested: boolean
  readonly isProjectDeleted: boolean
  /** Since somebody looked at it, in milliseconds. */
  readonly unseenMs: number
}

/** Keeps a service for `owner`; null when somebody else follows it by now, or it has ended. Safe to repeat. */
export async function holdService(db: Db, serviceId: string, owner: string): Promise<HeldService | null> {
  const [row] = await query<HeldService>(
    db,
    `UPDATE services s SET expires_at = now() + ${SERVICE_LEASE_MS} * interval '1 millisecond'
     FROM projects p WHERE s.id = $1 AND s.owner = $2 AND s.ended_at IS NULL AND p.id = s.project_id
     RETURNING s.stop_requested_at IS NOT NULL AS "isStopRequested", p.deleted_at IS NOT NULL AS "isProjectDeleted",
       (extract(epoch FROM now() - s.viewed_at) * 1000)::float8 AS "unseenMs"`,
    [serviceId, owner],
  )
  return row ?? null
}

/** Notes what a service listens on. Ignored when `owner` does not follow it any more. Safe to repeat. */
export async function noteListening(
  db: Db,
  service: ServiceRow,
  owner: string,
  at: { readonly port: number; readonly ports: readonly number[] },
): Promise<void> {
  const { id, projectId, name } = service
  await inProject(db, projectId, async (tx) => {
    const ports = JSON.stringify(at.ports)
    const moved = await tx.query<{ id: string }>(
      `UPDATE services SET state = 'listening', port = $3, ports = $4
       WHERE id = $1 AND owner = $2 AND ended_at IS NULL AND (state <> 'listening' OR port <> $3 OR ports <> $4)
       RETURNING id`,
      [id, owner, at.port, ports],
    )
    const key = `service.listening:${id}:${at.port}:${at.ports.join(',')}`
    const payload = { serviceId: id, name, port: at.port, ports: at.ports }
    if (moved.length > 0) tx.emit({ type: 'service.listening', key, scope: serviceScope(projectId), payload })
  })
}

/** How a service ended; `tail` is the end of its output. */
export interface ServiceEnd {
  readonly state: 'exited' | 'stopped'
  readonly exitCode: number | null
  readonly reason: string | null
  readonly tail: string
}

/** Records how a service ended, with its events. Ignored when `owner` does not follow it any more. Safe to repeat. */
export async function finishService(
  db: Db,
  service: ServiceRow,
  owner: string,
  end: ServiceEnd,
  finished: NewEvent | null,
): Promise<void> {
  const { id, projectId, name } = service
  const text = `UPDATE services SET state = $3, exit_code = $4, reason = $5, tail = $6, ended_at = now(), expires_at = NULL
     WHERE id = $1 AND owner = $2 AND ended_at IS NULL RETURNING id`
  const values = [id, owner, end.state, end.exitCode, end.reason, end.tail]
  const { state, exitCode, reason } = end
  try {
    await inProject(db, projectId, async (tx) => {
      if ((await tx.query<{ id: string }>(text, values)).length === 0) return
      const scope = serviceScope(projectId)
      const payload = { serviceId: id, name, state, exitCode, ...(reason === null ? {} : { reason }) }
      if (finished !== null) tx.emit(finished)
      tx.emit({ type: 'service.stopped', key: `service.stopped:${id}`, scope, payload })
    })
  } catch (error) {
    // The project was deleted: nobody is left to be told.
    if (!(error instanceof AppError && error.code === 'not_found')) throw error
    await query(db, text, values)
  }
}
