/**
 * Comparisons: further tries at a task's request, decided once when they were asked for. Invariants: (1) the ids of all that
 * a comparison makes stand in its row before anything is made, so that a repeat makes nothing twice; (2) every change of its
 * state happens under the project's lock and is told by one `comparison.updated`; (3) it is decided once.
 */

import type { NewEvent } from '../../events/topics.ts'
import { type AlternativeResult, type Chooser, COMPARISON_DAYS, type ComparisonState } from '../../shared/comparison.ts'
import { nothingToBeginFrom, tooManyComparisons } from '../../shared/comparison-words.ts'
import { newId } from '../../shared/ids.ts'
import { idTaken, noSuch, taskRunning } from '../../shared/refusals.ts'
import { isOver } from '../../shared/task.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import { inProject, type Tx } from '../transaction.ts'
import { addToOutbox } from './accept-message.ts'
import { requireOwnProject } from './require-own-project.ts'
import { type Task, type TaskRow, toTask } from './tasks.ts'

/** Comparisons that are not over, of a project and of the installation: each keeps up to five sandboxes. */
const MAX_OPEN_A_PROJECT = 2
const MAX_OPEN = 20
/** User messages of one task that its alternatives are given. */
export const MAX_REQUESTS = 50

/** A try as it was planned; index 0 is the task's own result. */
export interface PlannedAlternative {
  readonly index: number
  readonly projectId: string
  readonly conversationId: string
  readonly taskId: string
  readonly model: string
  /** Sentences in the place of the project's criteria; null: those of the project. */
  readonly criteria: readonly string[] | null
}

/** What is kept of an alternative when its project is removed. */
export interface KeptResult extends AlternativeResult {
  /** The tree it left, null when it took no checkpoint. */
  readonly tree: string | null
  /** The last words of its agent, at most 2,000 characters. */
  readonly words: string
}

/** A comparison of alternatives, as it is stored. */
export interface Comparison {
  readonly id: string
  readonly projectId: string
  readonly conversationId: string
  readonly taskId: string
  readonly checkpointId: string
  readonly choose: Chooser
  readonly state: ComparisonState
  readonly version: number
  readonly items: readonly PlannedAlternative[]
  /** null until all have ended. */
  readonly results: readonly KeptResult[] | null
  readonly chosenIndex: number | null
  readonly chosenBy: Chooser | null
  readonly reason: string | null
  readonly isCancelRequested: boolean
  readonly createdAt: Date
  readonly expiresAt: Date
}

/** The row of a comparison as Postgres gives it; `items` and `results` are JSON. */
export interface ComparisonRow {
  id: string
  project_id: string
  conversation_id: string
  task_id: string
  checkpoint_id: string
  request: string
  choose: Chooser
  state: ComparisonState
  version: number
  items: string
  results: string | null
  chosen_index: number | null
  chosen_by: Chooser | null
  reason: string | null
  cancel_requested_at: Date | null
  created_at: Date
  expires_at: Date
}

/** Pure. */
export function toComparison(row: ComparisonRow): Comparison {
  return {
    id: row.id,
    projectId: row.project_id,
    conversationId: row.conversation_id,
    taskId: row.task_id,
    checkpointId: row.checkpoint_id,
    choose: row.choose,
    state: row.state,
    version: row.version,
    items: JSON.parse(row.items) as PlannedAlternative[],
    results: row.results === null ? null : (JSON.parse(row.results) as KeptResult[]),
    chosenIndex: row.chosen_index,
    chosenBy: row.chosen_by,
    reason: row.reason,
    isCancelRequested: row.cancel_requested_at !== null,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  }
}

/** What is asked for when a task's request is tried again. */
export interface NewComparison {
  readonly projectId: string
  readonly taskId: string
  /** 1 to 5. */
  readonly alternatives: readonly {
    readonly model?: string | undefined
    readonly criteria?: readonly string[] | undefined
  }[]
  /** Whether the task's own result stands beside them when it has one. */
  readonly include: boolean
  readonly choose: Chooser
  readonly clientComparisonId?: string | undefined
}

/**
 * Stores a comparison and has its workflow started. The same `clientComparisonId` again gives the same one. Throws
 * `idempotency_mismatch` for the same id with another wish, `task_running` while the task is not over, `checkpoint_gone` when
 * the files before it are not kept, `comparison_limit`, `is_alternative`, `not_found`.
 */
export async function createComparison(db: Db, ask: NewComparison): Promise<Comparison> {
  const { projectId, taskId, clientComparisonId, ...wish } = ask
  const request = JSON.stringify({ taskId, ...wish })
  return await inProject(db, projectId, async (tx) => {
    const known = await sameWish(tx, clientComparisonId, request)
    if (known !== null) return known
    requireOwnProject(tx)
    const [row] = await tx.query<TaskRow>('SELECT * FROM tasks WHERE id = $1 AND project_id = $2', [taskId, projectId])
    if (row === undefined) throw noSuch('task')
    const task = toTask(row)
    if (!isOver(task.status)) throw taskRunning(taskId, 'This task')
    const checkpointId = await startOf(tx, taskId)
    await requireRoom(tx)
    const [made] = await tx.query<ComparisonRow>(
      `INSERT INTO comparisons (id, project_id, conversation_id, task_id, checkpoint_id, client_comparison_id, request, choose,
         items, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + $10 * interval '1 day') RETURNING *`,
      [
        newId('cmp'),
        projectId,
        task.conversationId,
        taskId,
        checkpointId,
        clientComparisonId ?? null,
        request,
        ask.choose,
        JSON.stringify(planOf(task, ask)),
        COMPARISON_DAYS,
      ],
    )
    if (made === undefined) throw new Error('an insert returned no row')
    const comparison = toComparison(made)
    tx.emit(updatedEvent(comparison))
    await addToOutbox(tx, { kind: 'compare', projectId, taskId: null, payload: { comparisonId: comparison.id } })
    return comparison
  })
}

async function sameWish(tx: Tx, clientId: string | undefined, request: string): Promise<Comparison | null> {
  if (clientId === undefined) return null
  const [known] = await tx.query<ComparisonRow>(
    'SELECT * FROM comparisons WHERE project_id = $1 AND client_comparison_id = $2',
    [tx.project.id, clientId],
  )
  if (known === undefined) return null
  if (known.request === request) return toComparison(known)
  const details = { clientComparisonId: 'belongs to another wish; use a new one' }
  throw idTaken('clientComparisonId', 'comparison', details)
}

/** The checkpoint before the task. */
async function startOf(tx: Tx, taskId: string): Promise<string> {
  const [start] = await tx.query<{ id: string; dropped_at: Date | null }>(
    'SELECT id, dropped_at FROM checkpoints WHERE task_id = $1 ORDER BY position LIMIT 1',
    [taskId],
  )
  if (start !== undefined && start.dropped_at === null) return start.id
  throw nothingToBeginFrom(taskId, { wasKept: start !== undefined })
}

async function requireRoom(tx: Tx): Promise<void> {
  const [open] = await tx.query<{ own: number; all: number }>(
    `SELECT count(*) FILTER (WHERE project_id = $1)::int AS own, count(*)::int AS "all" FROM comparisons
     WHERE state IN ('running', 'waiting', 'choosing')`,
    [tx.project.id],
  )
  if ((open?.own ?? 0) >= MAX_OPEN_A_PROJECT) throw tooManyComparisons('project', MAX_OPEN_A_PROJECT)
  if ((open?.all ?? 0) >= MAX_OPEN) throw tooManyComparisons('server', MAX_OPEN)
}

function planOf(task: Task, { alternatives, include }: NewComparison): PlannedAlternative[] {
  const own: PlannedAlternative = {
    index: 0,
    projectId: task.projectId,
    conversationId: task.conversationId,
    taskId: task.id,
    model: task.model,
    criteria: null,
  }
  const further = alternatives.map(({ model, criteria }, at) => ({
    index: at + 1,
    projectId: newId('prj'),
    conversationId: newId('cnv'),
    taskId: newId('tsk'),
    model: model ?? task.model,
    criteria: criteria ?? null,
  }))
  return [...(include && task.status === 'completed' ? [own] : []), ...further]
}

/** Throws `not_found`, also when its project was deleted. */
export async function getComparison(db: Db, comparisonId: string): Promise<Comparison> {
  const text = `SELECT c.* FROM comparisons c JOIN projects p ON p.id = c.project_id AND p.deleted_at IS NULL WHERE c.id = $1`
  const [row] = await query<ComparisonRow>(db, text, [comparisonId])
  if (row === undefined) throw noSuch('comparison')
  return toComparison(row)
}

/** A task's comparisons, newest first, at most `limit`. */
export async function comparisonsOfTask(db: Db, taskId: string, limit: number): Promise<Comparison[]> {
  const text = 'SELECT * FROM comparisons WHERE task_id = $1 ORDER BY position DESC LIMIT $2'
  return (await query<ComparisonRow>(db, text, [taskId, limit])).map(toComparison)
}

/** What its alternatives came to: what was kept at their end, or how they stand now. */
export async function resultsOf(db: Db, { items, results }: Comparison): Promise<readonly KeptResult[]> {
  return results ?? (await readResults(items, (text, values) => query<ResultRow>(db, text, values)))
}

/** The same, in a transaction. */
export async function resultsIn(tx: Tx, { items, results }: Comparison): Promise<readonly KeptResult[]> {
  return results ?? (await readResults(items, (text, values) => tx.query<ResultRow>(text, values)))
}

type ResultRow = TaskRow & { words: string | null }

const MAX_WORDS = 2_000
const RESULTS = `
  SELECT t.*, (SELECT left(m.text, ${MAX_WORDS}) FROM messages m WHERE m.task_id = t.id AND m.role = 'assistant'
    AND m.status = 'completed' AND m.text <> '' ORDER BY m.turn DESC LIMIT 1) AS words
  FROM tasks t WHERE t.id = ANY($1)`

/** How the alternatives stand; those that were not made yet count as accepted. */
async function readResults(
  items: readonly PlannedAlternative[],
  read: (text: string, values: readonly unknown[]) => Promise<ResultRow[]>,
): Promise<KeptResult[]> {
  const rows = await read(RESULTS, [items.map(({ taskId }) => taskId)])
  const known = new Map(rows.map((row) => [row.id, row]))
  return items.map(({ index, taskId }) => {
    const row = known.get(taskId)
    return row === undefined ? { ...NOT_MADE, index } : toResult(index, toTask(row), row.words ?? '')
  })
}

/** How an alternative stands before it is made. */
export const NOT_MADE: Omit<KeptResult, 'index'> = {
  status: 'accepted',
  outcome: null,
  evidence: null,
  openFindings: null,
  failedChecks: null,
  diffStat: null,
  costUsd: null,
  durationMs: null,
  error: null,
  tree: null,
  words: '',
}

function toResult(index: number, task: Task, words: string): KeptResult {
  const { status, outcome, review, startedAt, finishedAt, diffStat, costUsd } = task
  const ended = isOver(status)
  const judged = review.history.findLast(({ treeHash }) => treeHash === task.latestTree)
  return {
    index,
    status,
    outcome,
    evidence: ended ? task.evidence : null,
    openFindings: judged === undefined ? null : review.findings.open,
    failedChecks: judged?.checksFailed ?? null,
    diffStat: task.latestTree === null ? null : diffStat,
    costUsd,
    durationMs: startedAt === null ? null : (finishedAt ?? new Date()).getTime() - startedAt.getTime(),
    error: task.reason?.message ?? null,
    tree: task.latestTree,
    words: words.toWellFormed(),
  }
}

/** Under the project's lock. Throws `not_found`. */
export async function lockedComparison(tx: Tx, comparisonId: string): Promise<Comparison> {
  const [row] = await tx.query<ComparisonRow>('SELECT * FROM comparisons WHERE id = $1 AND project_id = $2', [
    comparisonId,
    tx.project.id,
  ])
  if (row === undefined) throw noSuch('comparison')
  return toComparison(row)
}

/** The change of a comparison, as the stream of its task's conversation is told. Pure. */
export function updatedEvent({
  id,
  version,
  projectId,
  conversationId,
  taskId,
  state,
  chosenIndex,
}: Comparison): NewEvent {
  return {
    type: 'comparison.updated',
    key: `comparison.updated:${id}:${version}`,
    // The task's own stream has ended.
    scope: { projectId, conversationId, taskId: null },
    payload: { comparisonId: id, taskId, state, chosenIndex },
  }
}
