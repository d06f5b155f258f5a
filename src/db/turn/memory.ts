/**
 * Memory in Postgres: the facts of a project, the summaries of tasks that ended, and what a task was told of both. Facts
 * change under the project's lock only, by the user's own words or by the user's list; the agent has no way to them.
 */

import { newId } from '../../shared/ids.ts'
import {
  addFacts,
  changeNotice,
  type Fact,
  type ProjectMemory,
  refusalNote,
  rememberedNotice,
  rememberedText,
} from '../../shared/memory.ts'
import { factOfAnother, factsMoved, noSuchFact } from '../../shared/refusals.ts'
import type { Db } from '../client.ts'
import { addNote } from '../project/notes.ts'
import { query } from '../query.ts'
import type { Attempt } from '../task/attempt.ts'
import { inProject, type Tx } from '../transaction.ts'
import { insertNotice } from './notices.ts'

interface MemoryRow {
  version: number
  facts: string
}

const SELECT_FACTS = 'SELECT version, facts FROM project_memories WHERE project_id = $1'
const NOTHING: ProjectMemory = { version: 0, facts: [] }

function toMemory(row: MemoryRow | undefined): ProjectMemory {
  return row ? { version: row.version, facts: JSON.parse(row.facts) as Fact[] } : NOTHING
}

/** What a project remembers; version 0 and no facts before the first. */
export async function projectMemory(db: Db, projectId: string): Promise<ProjectMemory> {
  const rows = await query<MemoryRow>(db, { name: 'project_memory', text: SELECT_FACTS }, [projectId])
  return toMemory(rows[0])
}

async function saveFacts(tx: Tx, version: number, facts: readonly Fact[]): Promise<void> {
  await tx.query(
    `INSERT INTO project_memories (project_id, version, facts) VALUES ($1, $2, $3)
     ON CONFLICT (project_id) DO UPDATE SET version = excluded.version, facts = excluded.facts, updated_at = now()`,
    [tx.project.id, version, JSON.stringify(facts)],
  )
}

/**
 * Stores what a message asks to remember, by its first line or by the call's field, in the transaction that stores the
 * message, and says what was stored as `memory.remembered`. A task that runs is told, unless it reads the words in its own
 * message. What does not fit is said in a note.
 */
export async function rememberFrom(
  tx: Tx,
  message: {
    readonly messageId: string
    readonly text: string
    /** What the caller's field holds; tidied already. */
    readonly remember?: string | undefined
    readonly conversationId: string
    readonly taskId: string
  },
): Promise<void> {
  const { remember, messageId, conversationId, taskId } = message
  const texts = [rememberedText(message.text), remember ?? null].filter((text) => text !== null)
  if (texts.length === 0) return
  const [row] = await tx.query<MemoryRow>(SELECT_FACTS, [tx.project.id])
  const before = toMemory(row)
  const createdAt = new Date().toISOString()
  const { facts, added, refused } = addFacts(before.facts, texts, (text) => ({ id: newId('fct'), text, createdAt }))
  if (added.length > 0) {
    const version = before.version + 1
    await saveFacts(tx, version, facts)
    tx.emit({
      type: 'memory.remembered',
      key: `memory.remembered:${messageId}`,
      scope: { projectId: tx.project.id, conversationId, taskId },
      payload: { messageId, version, facts: added.map(({ id, text }) => ({ id, text })) },
    })
    await tellRunningTasks(tx, version, rememberedNotice(added), remember === undefined ? taskId : null)
  }
  if (refused.length > 0) await addNote(tx, { ...message, text: refusalNote(refused) })
}

/** Text for tasks that have begun already; the others get the facts with their first message. */
async function tellRunningTasks(tx: Tx, version: number, text: string, except: string | null): Promise<void> {
  const tasks = await tx.query<{ id: string }>(
    `SELECT t.id FROM tasks t JOIN task_memories m ON m.task_id = t.id
     WHERE t.project_id = $1 AND t.status NOT IN ('completed', 'failed', 'cancelled') AND ($2::text IS NULL OR t.id <> $2)`,
    [tx.project.id, except],
  )
  for (const { id } of tasks) {
    await insertNotice(tx, id, { id: newId('req'), lane: 'coder', key: `remember:${version}`, text })
  }
}

/** A fact as a person edits the list: with the id of a known one, or without for a new one. */
export interface EditedFact {
  readonly id?: string | undefined
  readonly text: string
}

/**
 * Replaces a project's facts by the list that a person edited, and tells the running task. A known fact keeps its id and
 * time. Throws `not_found`, `version_conflict` (details hold the current ones) when the list moved since `version`,
 * `bad_request` for an id that is not one of this project's. The same list again changes the version and nothing else.
 */
export async function replaceFacts(
  db: Db,
  projectId: string,
  update: { readonly version: number; readonly facts: readonly EditedFact[] },
): Promise<ProjectMemory> {
  return await inProject(db, projectId, async (tx) => {
    const [row] = await tx.query<MemoryRow>(SELECT_FACTS, [projectId])
    const before = toMemory(row)
    if (before.version !== update.version) throw factsMoved(before)
    const facts = update.facts.map((edited, index) => keptFact(before.facts, edited, index))
    const version = before.version + 1
    await saveFacts(tx, version, facts)
    await tellRunningTasks(tx, version, changeNotice(facts), null)
    return { version, facts }
  })
}

/**
 * Forgets one fact and tells the running task; the undo of what a message stored. Returns the list as it is then. Throws
 * `not_found` for a fact that is not one of this project's, also when it was forgotten before.
 */
export async function forgetFact(db: Db, projectId: string, factId: string): Promise<ProjectMemory> {
  return await inProject(db, projectId, async (tx) => {
    const [row] = await tx.query<MemoryRow>(SELECT_FACTS, [projectId])
    const before = toMemory(row)
    const facts = before.facts.filter((fact) => fact.id !== factId)
    if (facts.length === before.facts.length) throw noSuchFact()
    const version = before.version + 1
    await saveFacts(tx, version, facts)
    await tellRunningTasks(tx, version, changeNotice(facts), null)
    return { version, facts }
  })
}

function keptFact(known: readonly Fact[], { id, text }: EditedFact, index: number): Fact {
  if (id === undefined) return { id: newId('fct'), text, createdAt: new Date().toISOString() }
  const fact = known.find((candidate) => candidate.id === id)
  if (fact) return { ...fact, text }
  throw factOfAnother(index)
}

/** What a task knows of earlier ones; fixed once. */
export interface TaskMemory {
  /** Earlier tasks whose messages are told to the model again, oldest first. */
  readonly whole: readonly string[]
  /** All that it knows besides messages: project context, facts, summaries. */
  readonly blocks: readonly string[]
  /**
   * Those of the blocks that its first message tells, the others being told already by the tasks in `whole`. null: a task of
   * an earlier version, whose static prefix holds `blocks` behind the project context.
   */
  readonly opening: readonly string[] | null
  readonly factsVersion: number
}

interface TaskMemoryRow {
  whole: string
  blocks: string
  opening: string | null
  facts_version: number
}

/** What a task was given at its first turn, or null before that. */
export async function taskMemory(db: Db, taskId: string): Promise<TaskMemory | null> {
  const rows = await query<TaskMemoryRow>(
    db,
    { name: 'task_memory', text: 'SELECT whole, blocks, opening, facts_version FROM task_memories WHERE task_id = $1' },
    [taskId],
  )
  return rows[0] ? toTaskMemory(rows[0]) : null
}

function toTaskMemory(row: TaskMemoryRow): TaskMemory {
  return {
    whole: JSON.parse(row.whole) as string[],
    blocks: JSON.parse(row.blocks) as string[],
    opening: row.opening === null ? null : (JSON.parse(row.opening) as string[]),
    factsVersion: row.facts_version,
  }
}

/** Fixes what a task is told, in place of what was fixed before; for a task that has not been told yet. */
export async function saveTaskMemory(attempt: Attempt, memory: TaskMemory): Promise<TaskMemory> {
  return await attempt.tx(async (tx) => {
    const [row] = await tx.query<TaskMemoryRow>(
      `INSERT INTO task_memories (task_id, whole, blocks, opening, facts_version) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (task_id) DO UPDATE SET whole = excluded.whole, blocks = excluded.blocks, opening = excluded.opening,
         facts_version = excluded.facts_version
       RETURNING whole, blocks, opening, facts_version`,
      [
        attempt.scope.taskId,
        JSON.stringify(memory.whole),
        JSON.stringify(memory.blocks),
        memory.opening === null ? null : JSON.stringify(memory.opening),
        memory.factsVersion,
      ],
    )
    return row ? toTaskMemory(row) : memory
  })
}

/** What a task's first message told besides the user's words. */
export interface ToldOpening {
  readonly taskId: string
  readonly blocks: readonly string[]
  readonly factsVersion: number
  /** It was told of a new project context while it ran. */
  readonly isContextRenewed: boolean
}

/** The openings of these tasks, in no order; tasks of versions that had none are left out. */
export async function toldOpenings(db: Db, taskIds: readonly string[]): Promise<ToldOpening[]> {
  const text = `
    SELECT m.task_id AS "taskId", m.opening, m.facts_version AS "factsVersion", EXISTS (
      SELECT 1 FROM notices n WHERE n.task_id = m.task_id AND n.key LIKE 'context:%' AND n.claimed_turn IS NOT NULL
    ) AS "isContextRenewed"
    FROM task_memories m WHERE m.task_id = ANY($1) AND m.opening IS NOT NULL`
  const rows = await query<Omit<ToldOpening, 'blocks'> & { opening: string }>(db, text, [taskIds])
  return rows.map(({ opening, ...row }) => ({ ...row, blocks: JSON.parse(opening) as string[] }))
}

/** Characters of what a task's coder was told and said, by task; tasks without turns are left out. */
export async function taskSizes(db: Db, taskIds: readonly string[]): Promise<Map<string, number>> {
  // octet_length of a stored text is known without reading it back.
  const text = `
    SELECT task_id, (sum(octet_length(user_content) + coalesce(octet_length(reply_content), 0)) +
      coalesce((SELECT octet_length(m.opening) FROM task_memories m WHERE m.task_id = turns.task_id), 0))::int AS bytes
    FROM turns WHERE task_id = ANY($1) AND lane = 'coder' GROUP BY task_id`
  const rows = await query<{ task_id: string; bytes: number }>(db, text, [taskIds])
  return new Map(rows.map((row) => [row.task_id, row.bytes]))
}

/** One ended task for the conversation's later ones: `name` in one line, `text` at most about 600 tokens. */
export interface TaskSummary {
  readonly taskId: string
  readonly name: string
  readonly text: string
}

/** The summaries there are of these tasks, in no order. */
export async function taskSummaries(db: Db, taskIds: readonly string[]): Promise<TaskSummary[]> {
  const text = 'SELECT task_id AS "taskId", name, text FROM task_summaries WHERE task_id = ANY($1)'
  const rows = await query<TaskSummary>(db, text, [taskIds])
  return rows
}

/** Stores summaries; a task that has one keeps it. */
export async function saveSummaries(db: Db, summaries: readonly TaskSummary[]): Promise<void> {
  const text = `
    INSERT INTO task_summaries (task_id, name, text)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING`
  const columns = [
    summaries.map((summary) => summary.taskId),
    summaries.map((summary) => summary.name.replaceAll('\0', '\u{FFFD}')),
    summaries.map((summary) => summary.text.replaceAll('\0', '\u{FFFD}')),
  ]
  await query(db, text, columns)
}
