import type { LeftOut } from '../../shared/left-out.ts'
import type { PlanItem } from '../../shared/plan.ts'
import { noSuch } from '../../shared/refusals.ts'
import type { Evidence, EvidenceGap, ReviewState } from '../../shared/review.ts'
import type { DiffStat, Outcome, Phase, TaskReason, TaskStatus, Usage } from '../../shared/task.ts'
import type { Db } from '../client.ts'
import { type Page, toPage } from '../project/projects.ts'
import { query } from '../query.ts'
import { type UsageColumns, usageOf } from '../usage-columns.ts'

/** A task, as it is stored. */
export interface Task {
  readonly id: string
  readonly projectId: string
  readonly conversationId: string
  readonly status: TaskStatus
  readonly phase: Phase
  readonly turn: number
  readonly round: number
  readonly model: string
  readonly outcome: Outcome | null
  readonly reason: TaskReason | null
  readonly forceContext: boolean
  readonly maxUsd: number | null
  readonly maxTurns: number | null
  readonly maxMinutes: number | null
  readonly budgetWarned: readonly string[]
  readonly usage: Usage
  /** null when a call of this task had no known price. */
  readonly costUsd: number | null
  /** The part of the cost that stands for replies which broke off before the model said what they cost. */
  readonly estimatedUsd: number
  readonly review: ReviewState
  readonly lease: number
  readonly contextHash: string | null
  readonly startTree: string | null
  readonly latestTree: string | null
  readonly diffStat: DiffStat
  /** What changed in places that checkpoints do not hold, as of the last look. */
  readonly leftOut: readonly LeftOut[]
  /** Of the latest tree: checks of another one prove nothing of it. */
  readonly evidence: Evidence
  /** What is missing for `verified`; empty as long as no checks ran on the latest tree. */
  readonly evidenceGaps: readonly EvidenceGap[]
  /** What the agent means to do, as it said last; empty as long as it has not. */
  readonly plan: readonly PlanItem[]
  readonly cancelRequestedAt: Date | null
  readonly cancelReason: string | null
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly finishedAt: Date | null
}

/** The row of a task as Postgres gives it. */
export interface TaskRow extends UsageColumns {
  id: string
  project_id: string
  conversation_id: string
  status: TaskStatus
  phase: Phase
  turn: number
  round: number
  model: string
  outcome: Outcome | null
  reason_code: string | null
  reason_message: string | null
  force_context: boolean
  max_usd: number | null
  max_turns: number | null
  max_minutes: number | null
  budget_warned: string
  cost_usd: number
  unpriced_calls: number
  estimated_usd: number
  review: string
  lease: number
  context_hash: string | null
  start_tree: string | null
  latest_tree: string | null
  left_out: string | null
  evidence: Evidence
  evidence_tree: string | null
  evidence_gaps: string | null
  files_changed: number
  lines_added: number
  lines_removed: number
  plan: string | null
  cancel_requested_at: Date | null
  cancel_reason: string | null
  created_at: Date
  started_at: Date | null
  finished_at: Date | null
}

/** A row as a task. Pure. */
export function toTask(row: TaskRow): Task {
  return {
    id: row.id,
    projectId: row.project_id,
    conversationId: row.conversation_id,
    status: row.status,
    phase: row.phase,
    turn: row.turn,
    round: row.round,
    model: row.model,
    outcome: row.outcome,
    reason: row.reason_code === null ? null : { code: row.reason_code, message: row.reason_message ?? '' },
    forceContext: row.force_context,
    maxUsd: row.max_usd,
    maxTurns: row.max_turns,
    maxMinutes: row.max_minutes,
    budgetWarned: row.budget_warned === '' ? [] : row.budget_warned.split(','),
    usage: usageOf(row),
    costUsd: row.unpriced_calls > 0 ? null : row.cost_usd,
    estimatedUsd: row.estimated_usd,
    review: JSON.parse(row.review) as ReviewState,
    lease: row.lease,
    contextHash: row.context_hash,
    startTree: row.start_tree,
    latestTree: row.latest_tree,
    ...evidenceIn(row),
    leftOut: row.left_out === null ? [] : (JSON.parse(row.left_out) as LeftOut[]),
    diffStat: { files: row.files_changed, added: row.lines_added, removed: row.lines_removed },
    plan: row.plan === null ? [] : (JSON.parse(row.plan) as PlanItem[]),
    cancelRequestedAt: row.cancel_requested_at,
    cancelReason: row.cancel_reason,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  }
}

function evidenceIn(row: TaskRow): Pick<Task, 'evidence' | 'evidenceGaps'> {
  if (row.evidence_tree === null || row.evidence_tree !== row.latest_tree)
    return { evidence: 'unverified', evidenceGaps: [] }
  const gaps = row.evidence_gaps === null ? [] : (JSON.parse(row.evidence_gaps) as EvidenceGap[])
  return { evidence: row.evidence, evidenceGaps: gaps }
}

/** Which of these tasks are not over; names that are no task's are left out. Throws `store_unavailable`. */
export async function unfinishedAmong(db: Db, taskIds: readonly string[]): Promise<ReadonlySet<string>> {
  const text = `SELECT id FROM tasks WHERE id = ANY($1) AND status NOT IN ('completed', 'failed', 'cancelled')`
  const rows = await query<{ id: string }>(db, text, [taskIds])
  return new Set(rows.map((row) => row.id))
}

/** Throws `not_found`, also when the task's project was deleted. */
export async function getTask(db: Db, taskId: string): Promise<Task> {
  const text = `
    SELECT t.* FROM tasks t JOIN projects p ON p.id = t.project_id AND p.deleted_at IS NULL WHERE t.id = $1`
  const rows = await query<TaskRow>(db, { name: 'get_task', text }, [taskId])
  if (!rows[0]) throw noSuch('task')
  return toTask(rows[0])
}

/** A project's tasks that are not over, youngest first. */
export async function unfinishedTasks(db: Db, projectId: string): Promise<Task[]> {
  const text = `
    SELECT * FROM tasks WHERE project_id = $1 AND status NOT IN ('completed', 'failed', 'cancelled') ORDER BY position DESC`
  const rows = await query<TaskRow>(db, text, [projectId])
  return rows.map(toTask)
}

/**
 * Tasks that should have a running workflow: each is its project's active one, is not over, and Temporal was told of it
 * at least `seconds` ago. At most `limit`, oldest first.
 */
export async function tasksThatShouldRun(db: Db, options: { seconds: number; limit: number }): Promise<Task[]> {
  const text = `
    SELECT t.* FROM tasks t JOIN projects p ON p.active_task_id = t.id
    WHERE t.status NOT IN ('completed', 'failed', 'cancelled') AND t.created_at < now() - $1 * interval '1 second'
      -- An alternative is started by its comparison, which sees to it.
      AND NOT (p.alternative_of IS NOT NULL AND t.lease = 0)
      AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.task_id = t.id AND o.kind = 'start' AND o.done_at IS NULL)
    ORDER BY t.position LIMIT $2`
  const rows = await query<TaskRow>(db, text, [options.seconds, options.limit])
  return rows.map(toTask)
}

/** A conversation's tasks, oldest first; those that a fork inherited come before its own. */
export async function conversationTasks(db: Db, conversationId: string): Promise<Task[]> {
  const text = `
    SELECT t.* FROM tasks t LEFT JOIN inherited_tasks h ON h.conversation_id = $1 AND h.task_id = t.id
    WHERE t.id IN (SELECT id FROM tasks WHERE conversation_id = $1
                   UNION ALL SELECT task_id FROM inherited_tasks WHERE conversation_id = $1)
    ORDER BY h.position NULLS LAST, t.position`
  const rows = await query<TaskRow>(db, { name: 'conversation_tasks', text }, [conversationId])
  return rows.map(toTask)
}

/** A project's tasks; `after` is a task id. */
export async function listTasks(
  db: Db,
  projectId: string,
  options: { after?: string | undefined; limit: number; order: 'oldest' | 'newest' },
): Promise<Page<Task>> {
  const [than, direction] = options.order === 'oldest' ? ['>', 'ASC'] : ['<', 'DESC']
  const text = `
    SELECT * FROM tasks WHERE project_id = $1
      AND ($2::text IS NULL OR position ${than} (SELECT a.position FROM tasks a WHERE a.id = $2 AND a.project_id = $1))
    ORDER BY position ${direction} LIMIT $3`
  const rows = await query<TaskRow>(db, text, [projectId, options.after ?? null, options.limit + 1])
  return toPage(rows.map(toTask), options.limit, (task) => task.id)
}
