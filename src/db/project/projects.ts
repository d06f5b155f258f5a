import { type ProjectBudget, parseProjectBudget } from '../../shared/budget.ts'
import { newId } from '../../shared/ids.ts'
import { noSuch } from '../../shared/refusals.ts'
import { type Db, toDbError } from '../client.ts'
import type { Project as ProjectRow } from '../generated/client.ts'
import { query } from '../query.ts'

/** Where a project's files come from, as it was posted; `files` is at most 1 MiB in all. */
export type ProjectSource =
  | { readonly kind: 'sample'; readonly name?: string | undefined }
  | { readonly kind: 'empty' }
  | { readonly kind: 'files'; readonly files: Readonly<Record<string, string>> }
  | {
      readonly kind: 'git'
      readonly url: string
      readonly ref?: string | undefined
      readonly depth?: number | undefined
      readonly credentialId?: string | undefined
    }
  | { readonly kind: 'path'; readonly path: string }
  /**
   * Made by a fork: the files were stored with it, since the project they came from may be deleted. With `fromCheckpoint` they
   * were too many for that and are read from the checkpoint.
   */
  | {
      readonly kind: 'fork'
      readonly checkpointId: string
      readonly projectId: string
      readonly fromCheckpoint?: true | undefined
    }

/** What became of a project's source when its files were brought in. */
export interface SourceReport {
  readonly files: number
  readonly sizeBytes: number
  /** What was left out or changed on the way, a sentence each. */
  readonly notes: readonly string[]
  /** What was checked out, for git. */
  readonly commit?: string
}

/** A project, as it is stored. */
export interface Project {
  readonly id: string
  readonly name: string
  readonly source: ProjectSource
  /** Null until the files were brought in, which happens when they are first needed. */
  readonly sourceReport: SourceReport | null
  readonly sandboxProvider: string
  readonly activeTaskId: string | null
  readonly contextHash: string | null
  /** The limits that it names itself. */
  readonly budget: ProjectBudget
  /** The project whose task this one tries again; null for all but tries. */
  readonly alternativeOf: string | null
  readonly createdAt: Date
}

/** A part of a listing. */
export interface Page<Item> {
  readonly items: Item[]
  /** Pass it as `after` to go on; null at the end. */
  readonly nextAfter: string | null
}

/** Turns limit + 1 rows into a page of at most `limit`. */
export function toPage<Item>(rows: readonly Item[], limit: number, cursorOf: (item: Item) => string): Page<Item> {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, nextAfter: rows.length > limit && last !== undefined ? cursorOf(last) : null }
}

function toProject(row: ProjectRow): Project {
  return {
    id: row.id,
    name: row.name,
    source: JSON.parse(row.source) as ProjectSource,
    sourceReport: row.sourceReport === null ? null : (JSON.parse(row.sourceReport) as SourceReport),
    sandboxProvider: row.sandboxProvider,
    activeTaskId: row.activeTaskId,
    contextHash: row.contextHash,
    budget: parseProjectBudget(row.budget),
    alternativeOf: row.alternativeOf,
    createdAt: row.createdAt,
  }
}

/**
 * Stores a new project; its files are brought in when they are first needed. Not safe to repeat: each call makes another one.
 */
export async function createProject(
  db: Db,
  input: { name: string; source: ProjectSource; sandboxProvider: string },
): Promise<Project> {
  try {
    const row = await db.prisma.project.create({
      data: {
        id: newId('prj'),
        name: input.name,
        source: JSON.stringify(input.source),
        sandboxProvider: input.sandboxProvider,
      },
    })
    return toProject(row)
  } catch (error) {
    throw toDbError(error)
  }
}

/** Throws `not_found`, also for a deleted project. */
export async function getProject(db: Db, projectId: string): Promise<Project> {
  let row: ProjectRow | null
  try {
    row = await db.prisma.project.findFirst({ where: { id: projectId, deletedAt: null } })
  } catch (error) {
    throw toDbError(error)
  }
  if (!row) throw noSuch('project')
  return toProject(row)
}

/** Oldest first, without those that hold alternatives; `after` is a project id. */
export async function listProjects(
  db: Db,
  options: { after?: string | undefined; limit: number },
): Promise<Page<Project>> {
  try {
    const rows = await db.prisma.project.findMany({
      where: { deletedAt: null, alternativeOf: null, ...(options.after ? { id: { gt: options.after } } : {}) },
      orderBy: { id: 'asc' },
      take: options.limit + 1,
    })
    return toPage(rows.map(toProject), options.limit, (project) => project.id)
  } catch (error) {
    throw toDbError(error)
  }
}

/** Throws `not_found`. */
export async function renameProject(db: Db, projectId: string, name: string): Promise<Project> {
  try {
    await db.prisma.project.updateMany({ where: { id: projectId, deletedAt: null }, data: { name } })
  } catch (error) {
    throw toDbError(error)
  }
  return await getProject(db, projectId)
}

/** Stores what became of the source; the newest report counts. Safe to repeat. */
export async function recordSourceReport(db: Db, projectId: string, report: SourceReport): Promise<void> {
  try {
    const sourceReport = JSON.stringify(report)
    await db.prisma.project.updateMany({ where: { id: projectId }, data: { sourceReport } })
  } catch (error) {
    throw toDbError(error)
  }
}

/**
 * Marks the project as deleted; its rows stay until the sweep has destroyed its sandbox. Publications of it that wait for a
 * person, and its comparisons, are woken, so that they end. Safe to repeat.
 */
export async function deleteProject(db: Db, projectId: string): Promise<void> {
  const text = `
    WITH gone AS (UPDATE projects SET deleted_at = now() WHERE id = $1 AND deleted_at IS NULL RETURNING id),
    compared AS (
      INSERT INTO outbox (id, kind, project_id, payload)
      SELECT 'obx_' || c.id, 'wake', c.project_id, json_build_object('comparisonId', c.id)::text
      FROM comparisons c JOIN gone ON gone.id = c.project_id WHERE c.ended_at IS NULL ON CONFLICT DO NOTHING)
    INSERT INTO outbox (id, kind, project_id, task_id, payload)
    SELECT 'obx_' || a.id, 'wake', a.project_id, a.task_id, json_build_object('publicationId', a.detail::json->>'publicationId')::text
    FROM approvals a JOIN gone ON gone.id = a.project_id WHERE a.state = 'open' AND a.kind = 'publish'
    ON CONFLICT DO NOTHING`
  await query(db, text, [projectId])
}
