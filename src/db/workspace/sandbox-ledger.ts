import type { CheckpointStore, SandboxLedger } from '../../sandbox/e2b/ledger.ts'
import type { SandboxRef } from '../../sandbox/types.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'

/** Packs of one project together; about what a hundred checkpoints of a middling project take. */
const MAX_PROJECT_BYTES = 64 * 1024 * 1024

const LATEST = 'SELECT id, trees FROM sandbox_checkpoints WHERE project_id = $1 ORDER BY id DESC LIMIT 1'

/** Adds on top of the newest, which `$2` must name; `over` says that the cap stood in the way. */
const APPEND = `
  WITH latest AS (${LATEST}),
    used AS (SELECT coalesce(sum(size_bytes), 0) AS bytes FROM sandbox_checkpoints WHERE project_id = $1),
    added AS (
      INSERT INTO sandbox_checkpoints (project_id, trees, pack, size_bytes)
      SELECT $1::text, $3::text[], $4::bytea, $5::int FROM latest, used
      WHERE latest.trees[array_upper(latest.trees, 1)] = $2::text AND used.bytes + $5::int <= $6::bigint RETURNING id)
  SELECT (SELECT count(*) FROM added)::int AS added, (SELECT bytes FROM used) + $5::int > $6::bigint AS over`

const REPLACE = `
  WITH old AS (SELECT max(id) AS id FROM sandbox_checkpoints WHERE project_id = $1),
    gone AS (DELETE FROM sandbox_checkpoints s USING old WHERE s.project_id = $1 AND s.id <= old.id)
  INSERT INTO sandbox_checkpoints (project_id, trees, pack, size_bytes) VALUES ($1, $2, $3, $4)`

/** Postgres as the authority on a project's VM and as the place of its checkpoints. Throws `store_unavailable`. */
export function createSandboxLedger(db: Db, maxBytes = MAX_PROJECT_BYTES): SandboxLedger & CheckpointStore {
  let deployment: Promise<string> | null = null

  const readDeployment = async () => {
    const [row] = await query<{ id: string }>(db, 'SELECT id FROM deployment')
    if (!row) throw new Error('the table deployment is empty')
    return row.id
  }
  const refOf = async (projectId: string, generation: number): Promise<SandboxRef | null> => {
    const text = 'SELECT ref FROM sandboxes WHERE project_id = $1 AND generation = $2'
    const [row] = await query<{ ref: string | null }>(db, text, [projectId, generation])
    return row?.ref ? (JSON.parse(row.ref) as SandboxRef) : null
  }

  return {
    async deployment() {
      deployment ??= readDeployment().catch((error: unknown) => {
        deployment = null
        throw error
      })
      return await deployment
    },
    current: refOf,
    async claim(ref) {
      const text = 'UPDATE sandboxes SET ref = $3 WHERE project_id = $1 AND generation = $2 AND ref IS NULL RETURNING 1'
      const won = await query(db, text, [ref.projectId, ref.generation, JSON.stringify(ref)])
      if (won.length > 0) return ref
      return await refOf(ref.projectId, ref.generation)
    },
    async trees(projectId) {
      const text = 'SELECT trees FROM sandbox_checkpoints WHERE project_id = $1 ORDER BY id'
      return (await query<{ trees: string[] }>(db, text, [projectId])).flatMap((row) => row.trees)
    },
    async packs(projectId) {
      const text = 'SELECT pack FROM sandbox_checkpoints WHERE project_id = $1 ORDER BY id'
      return (await query<{ pack: Buffer }>(db, text, [projectId])).map((row) => row.pack)
    },
    async append(projectId, base, { trees, data }) {
      const values = [projectId, base, trees, Buffer.from(data), data.length, maxBytes]
      const [row] = await query<{ added: number; over: boolean }>(db, APPEND, values)
      if (row?.added === 1) return 'stored'
      return row?.over ? 'full' : 'moved'
    },
    async replace(projectId, { trees, data }) {
      if (data.length > maxBytes) return 'full'
      await query(db, REPLACE, [projectId, trees, Buffer.from(data), data.length])
      return 'stored'
    },
    async confirm(projectId, tree) {
      const text = `UPDATE sandbox_checkpoints SET confirmed_at = now() WHERE id = (${LATEST.replace('id, trees', 'id')})
        AND trees[array_upper(trees, 1)] = $2`
      await query(db, text, [projectId, tree])
    },
  }
}
