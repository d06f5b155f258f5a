import type { SandboxRef } from '../../sandbox/types.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'

/** The authority on a project's sandbox: which one it is and whether the project's source was put into it. */
export interface SandboxRow {
  readonly projectId: string
  readonly provider: string
  readonly generation: number
  readonly ref: SandboxRef | null
  readonly filled: boolean
}

/** The same, and whether somebody has begun to put the source into this generation. */
export interface TouchedSandbox extends SandboxRow {
  readonly fillBegun: boolean
}

const UPSERT = `
  INSERT INTO sandboxes (project_id, provider) VALUES ($1, $2)
  ON CONFLICT (project_id) DO UPDATE SET last_used_at = now()
  RETURNING project_id AS "projectId", provider, generation, ref, filled, fill_begun_at IS NOT NULL AS "fillBegun"`

/** Reads the project's row, made when there is none. */
export async function touchSandbox(db: Db, projectId: string, provider: string): Promise<TouchedSandbox> {
  const rows = await query<Omit<TouchedSandbox, 'ref'> & { ref: string | null }>(
    db,
    { name: 'touch_sandbox', text: UPSERT },
    [projectId, provider],
  )
  const row = rows[0]
  if (!row) throw new Error('an upsert returned no row')
  return { ...row, ref: row.ref === null ? null : (JSON.parse(row.ref) as SandboxRef) }
}

/** Compare-and-set: stores the ref unless another generation won meanwhile; false tells the caller that it lost. */
export async function saveSandboxRef(db: Db, ref: SandboxRef, filled: boolean): Promise<boolean> {
  const text =
    'UPDATE sandboxes SET ref = $3, filled = filled OR $4 WHERE project_id = $1 AND generation = $2 RETURNING 1'
  return (await query(db, text, [ref.projectId, ref.generation, JSON.stringify(ref), filled])).length === 1
}

/** Notes that the source is being put into a sandbox; false when another generation won meanwhile. Safe to repeat. */
export async function beginFill(db: Db, ref: SandboxRef): Promise<boolean> {
  const text = `UPDATE sandboxes SET ref = $3, fill_begun_at = now()
    WHERE project_id = $1 AND generation = $2 AND NOT filled RETURNING 1`
  return (await query(db, text, [ref.projectId, ref.generation, JSON.stringify(ref)])).length === 1
}

/**
 * Gives up a sandbox that was never filled to its end: the project gets the next generation, so that whoever still writes
 * to the old one cannot record it. Changes nothing once it is filled or another generation won. Safe to repeat.
 */
export async function discardFill(db: Db, ref: Pick<SandboxRef, 'projectId' | 'generation'>): Promise<void> {
  const text = `UPDATE sandboxes SET generation = generation + 1, ref = NULL, fill_begun_at = NULL
    WHERE project_id = $1 AND generation = $2 AND NOT filled`
  await query(db, text, [ref.projectId, ref.generation])
}

/** Sandboxes whose project was deleted (of `only` these, when given): they are destroyed and then forgotten. */
export async function orphanedSandboxes(db: Db, only: readonly string[] | null = null): Promise<SandboxRow[]> {
  const text = `
    SELECT s.project_id AS "projectId", s.provider, s.generation, s.ref, s.filled FROM sandboxes s
    JOIN projects p ON p.id = s.project_id WHERE p.deleted_at IS NOT NULL AND ($1::text[] IS NULL OR p.id = ANY($1)) LIMIT 100`
  const rows = await query<Omit<SandboxRow, 'ref'> & { ref: string | null }>(db, text, [only])
  return rows.map((row) => ({ ...row, ref: row.ref === null ? null : (JSON.parse(row.ref) as SandboxRef) }))
}

/** Ids of the sandboxes of a provider that projects have. */
export async function knownSandboxIds(db: Db, provider: string): Promise<Set<string>> {
  const text = 'SELECT ref FROM sandboxes WHERE provider = $1 AND ref IS NOT NULL'
  const rows = await query<{ ref: string }>(db, text, [provider])
  return new Set(rows.map((row) => (JSON.parse(row.ref) as SandboxRef).id))
}

/** One line of the ledger of sandboxes. */
export interface SandboxRecord extends SandboxRow {
  readonly createdAt: Date
  readonly lastUsedAt: Date
  readonly isDeleted: boolean
}

/** All recorded sandboxes, oldest first, at most 10,000, and this installation's name. */
export async function listSandboxes(db: Db): Promise<{ deployment: string; records: SandboxRecord[] }> {
  const text = `
    SELECT s.project_id AS "projectId", s.provider, s.generation, s.ref, s.filled, s.created_at AS "createdAt",
      s.last_used_at AS "lastUsedAt", p.deleted_at IS NOT NULL AS "isDeleted"
    FROM sandboxes s JOIN projects p ON p.id = s.project_id ORDER BY s.created_at, s.project_id LIMIT 10000`
  const names = await query<{ id: string }>(db, 'SELECT id FROM deployment')
  const rows = await query<Omit<SandboxRecord, 'ref'> & { ref: string | null }>(db, text)
  const records = rows.map((row) => ({ ...row, ref: row.ref === null ? null : (JSON.parse(row.ref) as SandboxRef) }))
  return { deployment: names[0]?.id ?? '', records }
}

/** Removes what is stored of a project's sandbox, its losses and checkpoints outside it. Safe to repeat. */
export async function forgetSandbox(db: Db, projectId: string): Promise<void> {
  await query(
    db,
    `WITH packs AS (DELETE FROM sandbox_checkpoints WHERE project_id = $1),
         losses AS (DELETE FROM sandbox_losses WHERE project_id = $1)
       DELETE FROM sandboxes WHERE project_id = $1`,
    [projectId],
  )
}
