/** What a project's commands run in: saved versions, and the run of its set-up that all its tasks share. */

import type { NewEvent } from '../../events/topics.ts'
import type { Environment, EnvironmentBody } from '../../shared/environment.ts'
import { newId } from '../../shared/ids.ts'
import { versionMoved } from '../../shared/refusals.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import { addToOutbox } from '../task/accept-message.ts'
import { inProject, type Tx } from '../transaction.ts'

/** A run counts as under way this long after it was last renewed. */
export const SETUP_LEASE_MS = 20_000

/** The newest environment that a person has saved for the project, or null: then the built-in one holds. */
export async function savedEnvironment(db: Db, projectId: string): Promise<Environment | null> {
  const text = 'SELECT body FROM environments WHERE project_id = $1 ORDER BY version DESC LIMIT 1'
  const [row] = await query<{ body: string }>(db, text, [projectId])
  return row ? (JSON.parse(row.body) as Environment) : null
}

/** Whether a person asked for the project's set-up and it has not run since. */
export async function isSetupRequested(db: Db, projectId: string): Promise<boolean> {
  const text = 'SELECT 1 FROM setups WHERE project_id = $1 AND requested_at IS NOT NULL'
  return (await query(db, text, [projectId])).length > 0
}

/**
 * Saves an environment as the version after `expected`. Throws `not_found`, and `version_conflict` when `expected` is not
 * the newest (0: none was saved yet). Not idempotent: the same call again meets the version that it made.
 */
export async function saveEnvironment(
  db: Db,
  projectId: string,
  expected: number,
  body: EnvironmentBody,
): Promise<Environment> {
  return await inProject(db, projectId, async (tx) => {
    const [newest] = await tx.query<{ version: number }>(
      'SELECT coalesce(max(version), 0)::int AS version FROM environments WHERE project_id = $1',
      [projectId],
    )
    const current = newest?.version ?? 0
    if (current !== expected) throw versionMoved('environment', current, expected)
    // A body that says nothing of approvals leaves them as they are: clients of the version before know of none.
    const approvals = body.approvals ?? (await newestIn(tx, projectId))?.approvals
    return await insertVersion(tx, projectId, { ...body, ...(approvals ? { approvals } : {}), version: current + 1 })
  })
}

async function newestIn(tx: Tx, projectId: string): Promise<Environment | null> {
  const text = 'SELECT body FROM environments WHERE project_id = $1 ORDER BY version DESC LIMIT 1'
  const [row] = await tx.query<{ body: string }>(text, [projectId])
  return row ? (JSON.parse(row.body) as Environment) : null
}

async function insertVersion(tx: Tx, projectId: string, saved: Environment): Promise<Environment> {
  await tx.query('INSERT INTO environments (project_id, version, body) VALUES ($1, $2, $3)', [
    projectId,
    saved.version,
    JSON.stringify(saved),
  ])
  return saved
}

/**
 * Under the project's lock: a new version of the newest environment, as `change` makes it. Does nothing when none was
 * saved, or when `change` gives null.
 */
export async function changeEnvironment(
  tx: Tx,
  projectId: string,
  change: (environment: Environment) => EnvironmentBody | null,
): Promise<void> {
  const newest = await newestIn(tx, projectId)
  const changed = newest === null ? null : change(newest)
  if (newest !== null && changed !== null)
    await insertVersion(tx, projectId, { ...changed, version: newest.version + 1 })
}

/** How a project's set-up stands. */
export interface SetupRow {
  readonly state: 'never' | 'running' | 'ready' | 'failed'
  readonly inputsHash: string | null
  readonly sandbox: string | null
  readonly isRequested: boolean
  readonly finishedAt: Date | null
  readonly durationMs: number | null
  readonly exitCode: number | null
  readonly output: string | null
  /** Whether the last run took what an earlier one had installed. */
  readonly fromCache: boolean
  /** Who ran it last, or runs it. */
  readonly owner: string | null
  /** Whether what is under way was written down; runs that the version before began were not. */
  readonly hasPlan: boolean
  /** The activity that ended the last run. */
  readonly endedBy: string | null
}

const NEVER: SetupRow = {
  state: 'never',
  inputsHash: null,
  sandbox: null,
  isRequested: false,
  finishedAt: null,
  durationMs: null,
  exitCode: null,
  output: null,
  fromCache: false,
  owner: null,
  hasPlan: false,
  endedBy: null,
}

/** The last run of the project's set-up, or the one under way. A run that was left without an end counts as `never`. */
export async function readSetup(db: Db, projectId: string): Promise<SetupRow> {
  const text = `SELECT CASE WHEN state = 'running' AND expires_at < now() THEN 'never' ELSE state END AS state,
      inputs_hash AS "inputsHash", sandbox, requested_at IS NOT NULL AS "isRequested", finished_at AS "finishedAt",
      duration_ms AS "durationMs", exit_code AS "exitCode", output, from_cache AS "fromCache", owner,
      plan IS NOT NULL AS "hasPlan", ended_by AS "endedBy"
    FROM setups WHERE project_id = $1`
  const [row] = await query<SetupRow>(db, text, [projectId])
  return row ?? NEVER
}

/**
 * Takes the project's set-up for `owner` for the next seconds, with what is to be run: `plan`, or what the same owner wrote
 * down before for the run that is under way. Returns what holds; null: somebody else's run is under way. Safe to repeat.
 */
export async function beginSetup(
  db: Db,
  at: { readonly projectId: string; readonly owner: string },
  plan: string,
): Promise<string | null> {
  const text = `INSERT INTO setups (project_id, state, owner, plan, expires_at)
    VALUES ($1, 'running', $2, $3, now() + $4 * interval '1 millisecond')
    ON CONFLICT (project_id) DO UPDATE SET state = 'running', owner = $2, expires_at = EXCLUDED.expires_at,
      plan = CASE WHEN setups.state = 'running' AND setups.owner = $2 THEN coalesce(setups.plan, $3) ELSE $3 END
    WHERE setups.state <> 'running' OR setups.owner = $2 OR setups.expires_at < now() RETURNING plan`
  const [row] = await query<{ plan: string }>(db, text, [at.projectId, at.owner, plan, SETUP_LEASE_MS])
  return row?.plan ?? null
}

/** What `owner` wrote down for the run that it has under way, which is held again; null: it has none. Safe to repeat. */
export async function resumeSetup(db: Db, projectId: string, owner: string): Promise<string | null> {
  const text = `UPDATE setups SET expires_at = now() + $3 * interval '1 millisecond'
    WHERE project_id = $1 AND owner = $2 AND state = 'running' AND plan IS NOT NULL RETURNING plan`
  const [row] = await query<{ plan: string }>(db, text, [projectId, owner, SETUP_LEASE_MS])
  return row?.plan ?? null
}

/** Holds the run that `owner` began for the next seconds. Does nothing when it is over or another's. Safe to repeat. */
export async function renewSetup(db: Db, projectId: string, owner: string): Promise<void> {
  const text = `UPDATE setups SET expires_at = now() + $3 * interval '1 millisecond'
    WHERE project_id = $1 AND owner = $2 AND state = 'running'`
  await query(db, text, [projectId, owner, SETUP_LEASE_MS])
}

/** How a run of the set-up ended; `output` is the end of what it printed. */
export interface SetupEnd {
  readonly state: 'ready' | 'failed'
  readonly inputsHash: string
  /** Which sandbox it holds for. */
  readonly sandbox: string
  readonly durationMs: number
  readonly exitCode: number | null
  readonly output: string
  readonly fromCache: boolean
}

/** Records how `owner`'s run ended, with its events. A run that was taken over meanwhile records nothing. Safe to repeat. */
export async function finishSetup(
  db: Db,
  at: { readonly projectId: string; readonly owner: string; readonly endedBy: string },
  end: SetupEnd,
  events: readonly NewEvent[],
): Promise<void> {
  await inProject(db, at.projectId, async (tx) => {
    const done = await tx.query(
      `UPDATE setups SET state = $3, inputs_hash = $4, sandbox = $5, duration_ms = $6, exit_code = $7, output = $8,
         finished_at = now(), expires_at = NULL, requested_at = NULL, plan = NULL, ended_by = $9, from_cache = $10
       WHERE project_id = $1 AND owner = $2 AND state = 'running' RETURNING project_id`,
      [
        at.projectId,
        at.owner,
        end.state,
        end.inputsHash,
        end.sandbox,
        end.durationMs,
        end.exitCode,
        end.output,
        at.endedBy,
        end.fromCache,
      ],
    )
    if (done.length > 0) tx.emit(...events)
  })
}

/** Stores events of a set-up that no task asked for. Safe to repeat: each has a key. */
export async function tellProject(db: Db, projectId: string, events: readonly NewEvent[]): Promise<void> {
  await inProject(db, projectId, async (tx) => tx.emit(...events))
}

/**
 * Has the set-up run again: by the running task at its next turn boundary, or alone when none runs. Throws `not_found`.
 * Asking again while one request waits is harmless.
 */
export async function requestSetup(db: Db, projectId: string): Promise<{ taskId: string | null }> {
  return await inProject(db, projectId, async (tx) => {
    await tx.query(
      `INSERT INTO setups (project_id, state, requested_at) VALUES ($1, 'never', now())
       ON CONFLICT (project_id) DO UPDATE SET requested_at = now()`,
      [projectId],
    )
    const taskId = tx.project.activeTaskId
    if (taskId === null) {
      await addToOutbox(tx, { kind: 'set_up', projectId, taskId, payload: { by: 'user', requestId: newId('req') } })
    }
    return { taskId }
  })
}
