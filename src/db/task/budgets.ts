/** Budgets: what a task, its project and its project's day may use, what they have used, and who waits for more. */

import {
  BUDGET_SCOPES,
  type BudgetMark,
  type BudgetReading,
  type BudgetScope,
  type BudgetsByScope,
  type BudgetUse,
  limitName,
  type ProjectBudget,
  parseProjectBudget,
  toLimits,
} from '../../shared/budget.ts'
import { noSuch } from '../../shared/refusals.ts'
import type { Budget } from '../../shared/task.ts'
import type { Db } from '../client.ts'
import { query } from '../query.ts'
import { inProject, inTask } from '../transaction.ts'
import { addToOutbox } from './accept-message.ts'
import type { Attempt } from './attempt.ts'

/** The first instant of the UTC day, for SQL. */
const DAY_BEGAN = `date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'`

/** What a task's own row says of its limits and use. */
export interface OwnBudgetRow {
  project_id: string
  budget: string | null
  max_usd: number | null
  max_turns: number | null
  max_minutes: number | null
  usd: number
  turns: number
  minutes: number
}

/**
 * A task's limits and use, its project's and its project's day's, as they are now. Time that the task waited for a
 * budget is no minute of work; the reviewer's calls count. `defaults` hold where the project names nothing. Throws
 * `not_found`, `store_unavailable`.
 */
export async function readBudget(
  db: Db,
  taskId: string,
  defaults: Pick<BudgetsByScope, 'project' | 'day'>,
): Promise<BudgetReading> {
  const text = `SELECT ${OWN_BUDGET} WHERE t.id = $1`
  const rows = await query<OwnBudgetRow>(db, { name: 'read_budget', text }, [taskId])
  const row = rows[0]
  if (!row) throw noSuch('task')
  return await toReading(row, defaults, async (use) => {
    return await query<UseRow>(db, { name: 'read_project_use', text: use.text }, [...use.values])
  })
}

/** Columns and tables of an {@link OwnBudgetRow}; `t` is the task. */
export const OWN_BUDGET = `t.project_id, p.budget, t.max_usd, t.max_turns, t.max_minutes, t.cost_usd AS usd, t.turn AS turns,
  greatest(0, extract(epoch FROM now() - coalesce(t.started_at, now())) - coalesce((
    SELECT sum(extract(epoch FROM coalesce(w.ended_at, now()) - w.began_at))
    FROM budget_waits w WHERE w.task_id = t.id), 0))::float8 / 60 AS minutes
  FROM tasks t JOIN projects p ON p.id = t.project_id`

/** The reading of a task's row; `query` is asked for its project's use where that is limited. */
export async function toReading(
  row: OwnBudgetRow,
  defaults: Pick<BudgetsByScope, 'project' | 'day'>,
  query: (use: { readonly text: string; readonly values: readonly unknown[] }) => Promise<UseRow[]>,
): Promise<BudgetReading> {
  const own = parseProjectBudget(row.budget)
  const project = { ...defaults.project, ...own.project }
  const day = { ...defaults.day, ...own.day }
  const isLimited = Object.keys(project).length + Object.keys(day).length > 0
  const [use] = isLimited ? await query({ text: PROJECT_USE, values: [row.project_id] }) : []
  return {
    task: {
      limits: { maxUsd: row.max_usd, maxTurns: row.max_turns, maxMinutes: row.max_minutes },
      use: { usd: row.usd, turns: row.turns, minutes: row.minutes },
    },
    project: {
      limits: toLimits(project),
      use: use ? { usd: use.usd, turns: use.turns, minutes: use.minutes } : NOTHING,
    },
    day: {
      limits: toLimits(day),
      use: use ? { usd: use.usd_today, turns: use.turns_today, minutes: use.minutes_today } : NOTHING,
    },
  }
}

const NOTHING: BudgetUse = { usd: 0, turns: 0, minutes: 0 }

/** Alternatives count as work of the project whose task they are tries at. What a call cost that never became a reply stands on its task alone; it counts on the day on which the task began. */
const PROJECT_USE = `
  WITH day AS (SELECT ${DAY_BEGAN} AS began),
  own AS (SELECT coalesce(alternative_of, id) AS origin FROM projects WHERE id = $1),
  worked AS (
    SELECT t.id, t.cost_usd, t.turn, t.started_at AS began, coalesce(t.finished_at, now()) AS ended
    FROM tasks t WHERE t.started_at IS NOT NULL AND t.project_id IN (
      SELECT origin FROM own UNION ALL SELECT p.id FROM own JOIN projects p ON p.alternative_of = own.origin)),
  waited AS (
    SELECT w.task_id, sum(extract(epoch FROM coalesce(w.ended_at, k.ended) - w.began_at)) AS seconds,
      sum(greatest(0, extract(epoch FROM coalesce(w.ended_at, k.ended) - greatest(w.began_at, day.began)))) AS today
    FROM worked k JOIN budget_waits w ON w.task_id = k.id CROSS JOIN day GROUP BY w.task_id),
  called AS (
    SELECT u.task_id, sum(u.cost_usd) AS usd, sum(u.cost_usd) FILTER (WHERE u.replied_at >= day.began) AS usd_today,
      count(*) FILTER (WHERE u.started_at >= day.began) AS turns_today
    FROM worked k JOIN turns u ON u.task_id = k.id CROSS JOIN day WHERE k.ended >= day.began GROUP BY u.task_id)
  SELECT coalesce(sum(k.cost_usd), 0)::float8 AS usd, coalesce(sum(k.turn), 0)::int AS turns,
    coalesce(sum(greatest(0, extract(epoch FROM k.ended - k.began) - coalesce(w.seconds, 0))), 0)::float8 / 60 AS minutes,
    coalesce(sum(coalesce(c.usd_today, 0) +
      CASE WHEN k.began >= day.began THEN greatest(0, k.cost_usd - coalesce(c.usd, 0)) ELSE 0 END), 0)::float8 AS usd_today,
    coalesce(sum(c.turns_today), 0)::int AS turns_today,
    coalesce(sum(greatest(0, extract(epoch FROM k.ended - greatest(k.began, day.began)) - coalesce(w.today, 0))), 0)::float8
      / 60 AS minutes_today
  FROM worked k CROSS JOIN day LEFT JOIN waited w ON w.task_id = k.id LEFT JOIN called c ON c.task_id = k.id`

type UseRow = BudgetUse & { usd_today: number; turns_today: number; minutes_today: number }

/**
 * Shows that a task waits for a larger budget and begins to count the wait; the next attempt that takes the task over
 * ends it. Safe to repeat: each limit is told once, and a task waits once at a time. Returns how many milliseconds it has
 * waited in all since its last reply.
 */
export async function setBudgetReached(attempt: Attempt, marks: readonly BudgetMark[]): Promise<number> {
  const { scope } = attempt
  const { taskId, projectId } = scope
  return await attempt.tx(async (tx) => {
    await tx.query(
      `WITH task AS (
         UPDATE tasks SET status = 'needs_budget' WHERE id = $1 AND status IN ('running', 'needs_budget') RETURNING id)
       INSERT INTO budget_waits (task_id, project_id, scopes) SELECT id, $2, $3 FROM task
       WHERE NOT EXISTS (SELECT 1 FROM budget_waits WHERE task_id = $1 AND ended_at IS NULL) ON CONFLICT DO NOTHING`,
      [taskId, projectId, BUDGET_SCOPES.filter((scope) => marks.some((mark) => mark.scope === scope)).join(',')],
    )
    for (const mark of marks) {
      tx.emit({
        type: 'budget.reached',
        key: `budget.reached:${taskId}:${nameOf(mark)}:${mark.limit}`,
        scope,
        payload: mark,
      })
    }
    const [row] = await tx.query<{ ms: number }>(
      `SELECT coalesce(extract(epoch FROM now() - min(began_at)) * 1000, 0)::float8 AS ms FROM budget_waits
       WHERE task_id = $1 AND scopes <> 'answer' AND began_at > coalesce((SELECT max(replied_at) FROM turns WHERE task_id = $1), '-infinity')`,
      [taskId],
    )
    return Math.max(0, row?.ms ?? 0)
  })
}

/** A day's limit is told once each day. */
function nameOf(mark: BudgetMark): string {
  return mark.scope === 'day' ? `${new Date().toISOString().slice(0, 10)}:${limitName(mark)}` : limitName(mark)
}

/** New limits by scope; null takes a limit of the project's own away, so that the server's default holds again. */
export type BudgetPatch = {
  readonly [Scope in BudgetScope]?: { readonly [Key in keyof Budget]?: number | null | undefined } | undefined
}

/**
 * Sets the limits that `patch` names and wakes the project's task, which may wait for them. A new `task` limit holds for
 * tasks that come after. Throws `not_found`. Safe to repeat.
 */
export async function setProjectBudget(db: Db, projectId: string, patch: BudgetPatch): Promise<void> {
  await inProject(db, projectId, async (tx) => {
    const [row] = await tx.query<{ budget: string | null }>('SELECT budget FROM projects WHERE id = $1', [projectId])
    const budget = mergeBudget(parseProjectBudget(row?.budget ?? null), patch)
    await tx.query('UPDATE projects SET budget = $2 WHERE id = $1', [projectId, JSON.stringify(budget)])
    const taskId = tx.project.activeTaskId
    if (taskId === null) return
    await tx.query(`UPDATE tasks SET budget_warned = '' WHERE id = $1`, [taskId])
    await addToOutbox(tx, { kind: 'wake', projectId, taskId })
  })
}

function mergeBudget(own: ProjectBudget, patch: BudgetPatch): ProjectBudget {
  const scopes = BUDGET_SCOPES.map((scope) => {
    const limits = Object.entries({ ...own[scope], ...patch[scope] })
    return [scope, Object.fromEntries(limits.filter(([, limit]) => typeof limit === 'number'))] as const
  })
  return Object.fromEntries(scopes.filter(([, limits]) => Object.keys(limits).length > 0))
}

const MAX_WOKEN = 500

/**
 * Wakes the tasks that have waited for a day's limit since an earlier UTC day. Returns how many. Several processes may do
 * so at once, and a wake too many is harmless.
 */
export async function wakeForNewDay(db: Db): Promise<number> {
  const text = `
    SELECT t.id AS "taskId", t.project_id AS "projectId" FROM tasks t JOIN budget_waits w ON w.task_id = t.id
    WHERE t.status = 'needs_budget' AND w.ended_at IS NULL AND w.began_at < ${DAY_BEGAN}
      AND 'day' = ANY(string_to_array(w.scopes, ','))
      AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.task_id = t.id AND o.kind = 'wake' AND o.created_at >= ${DAY_BEGAN})
    LIMIT ${MAX_WOKEN}`
  const rows = await query<{ taskId: string; projectId: string }>(db, text)
  for (const at of rows) await inTask(db, at, (tx) => addToOutbox(tx, { kind: 'wake', ...at }))
  return rows.length
}
