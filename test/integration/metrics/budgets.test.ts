import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { getProject } from '../../../src/db/project/projects.ts'
import { readBudget, setBudgetReached, setProjectBudget, wakeForNewDay } from '../../../src/db/task/budgets.ts'
import { closeTask } from '../../../src/db/task/lifecycle.ts'
import { getTask } from '../../../src/db/task/tasks.ts'
import { recordSpent } from '../../../src/db/turn/model-calls.ts'
import type { BudgetsByScope } from '../../../src/shared/budget.ts'
import { NO_USAGE } from '../../../src/shared/task.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { NO_LIMITS } from '../../support/no-limits.ts'
import { aProject, aRunningTask, framesOf, post, type RunningTask, takeOver } from '../../support/tasks.ts'
import { PLAN, playTask } from './scripted-day.ts'

let db: TestDb
beforeAll(async () => {
  db = await aDb()
})
afterAll(() => db.close())

const NONE = { project: {}, day: {} }
const DAY_MARK = { scope: 'day', kind: 'usd', used: 2, limit: 2 } as const

let task: RunningTask
beforeEach(async () => {
  await db.pool.query('DELETE FROM outbox')
  await db.pool.query('DELETE FROM budget_waits')
  task = await aRunningTask(db)
})

const read = (defaults: Pick<BudgetsByScope, 'project' | 'day'> = NONE) => readBudget(db, task.taskId, defaults)

async function wakes(): Promise<unknown[]> {
  const { rows } = await db.pool.query<{ task_id: string }>(`SELECT task_id FROM outbox WHERE kind = 'wake'`)
  return rows.map((row) => row.task_id)
}

/** Puts a task's beginning, and a wait of it, into the past. */
async function move(taskId: string, minutes: { began: number; waitBegan?: number; waitEnded?: number }): Promise<void> {
  const ago = (value: number | undefined) => (value === undefined ? null : new Date(Date.now() - value * 60_000))
  await db.pool.query('UPDATE tasks SET started_at = $2 WHERE id = $1', [taskId, ago(minutes.began)])
  if (minutes.waitBegan === undefined) return
  await db.pool.query(
    `INSERT INTO budget_waits (task_id, project_id, scopes, began_at, ended_at)
     SELECT id, project_id, 'task', $2, $3 FROM tasks WHERE id = $1`,
    [taskId, ago(minutes.waitBegan), ago(minutes.waitEnded)],
  )
}

describe('what is used', () => {
  test('of a task counts broken calls, every lane’s turns, and no minute that it waited for a budget', async () => {
    await recordSpent(task.attempt, { usage: NO_USAGE, costUsd: 0.25 })
    await db.pool.query('UPDATE tasks SET turn = 7, max_usd = 1 WHERE id = $1', [task.taskId])
    await move(task.taskId, { began: 100, waitBegan: 90, waitEnded: 20 })
    expect(await read()).toEqual({
      task: {
        limits: { maxUsd: 1, maxTurns: null, maxMinutes: null },
        use: { usd: 0.25, turns: 7, minutes: expect.closeTo(30, 0) as number },
      },
      project: { limits: NO_LIMITS, use: { usd: 0, turns: 0, minutes: 0 } },
      day: { limits: NO_LIMITS, use: { usd: 0, turns: 0, minutes: 0 } },
    })
  })

  test('of a project adds its tasks up, of its day only what this UTC day saw, and other projects nothing', async () => {
    const plan = PLAN.find((one) => one.rounds.length === 2 && one.end === 'approved' && !one.brokenUsd)
    if (!plan) throw new Error('the plan has no such task')
    await db.pool.query('UPDATE tasks SET cost_usd = 0.5, turn = 2 WHERE id = $1', [task.taskId])
    await closeTask(task.attempt, { kind: 'failed', reason: { code: 'internal', message: 'x' } })
    // Three turns of the coder for two cents and three of the reviewer for 0.4, weeks ago: its reviewer counts too.
    await playTask(db, task.projectId, plan)
    await playTask(db, await aProject(db), plan)
    const current = await aRunningTask(db, { projectId: task.projectId })
    const reading = await readBudget(db, current.taskId, { project: { maxUsd: 5 }, day: { maxTurns: 9 } })
    expect({ project: reading.project, day: reading.day }).toEqual({
      project: {
        limits: { ...NO_LIMITS, maxUsd: 5 },
        use: { usd: expect.closeTo(0.5 + 0.072, 6) as number, turns: 8, minutes: expect.closeTo(2, 0) as number },
      },
      day: {
        limits: { ...NO_LIMITS, maxTurns: 9 },
        use: {
          usd: expect.closeTo(0.5, 6) as number,
          turns: expect.any(Number) as number,
          minutes: expect.closeTo(0, 0) as number,
        },
      },
    })
  })

  test('a project’s own limits go before the server’s, kind by kind', async () => {
    await setProjectBudget(db, task.projectId, { project: { maxUsd: 3 }, day: { maxMinutes: 60 } })
    const { project, day } = await read({ project: { maxUsd: 1, maxTurns: 10 }, day: {} })
    expect([project.limits, day.limits]).toEqual([
      { maxUsd: 3, maxTurns: 10, maxMinutes: null },
      { ...NO_LIMITS, maxMinutes: 60 },
    ])
  })
})

describe('a project’s limits', () => {
  test('are merged field by field; null takes one away', async () => {
    const { projectId } = task
    await setProjectBudget(db, projectId, { project: { maxUsd: 10, maxTurns: 100 }, task: { maxUsd: 2 } })
    await setProjectBudget(db, projectId, { project: { maxTurns: null, maxMinutes: 30 }, task: { maxUsd: null } })
    expect((await getProject(db, projectId)).budget).toEqual({ project: { maxUsd: 10, maxMinutes: 30 } })
  })

  test('wake the project’s task and no other, and throw not_found without a project', async () => {
    await aRunningTask(db)
    await setProjectBudget(db, task.projectId, { day: { maxUsd: 4 } })
    expect(await wakes()).toEqual([task.taskId])
    await expect(setProjectBudget(db, 'prj_none', { day: {} })).rejects.toMatchObject({ code: 'not_found' })
  })

  test('for tasks hold for those that come after, unless their message says otherwise', async () => {
    const projectId = await aProject(db)
    await setProjectBudget(db, projectId, { task: { maxUsd: 2, maxTurns: 20 } })
    const { taskId } = await post(db, {
      projectId,
      budget: { maxTurns: 3 },
      defaultBudget: { maxUsd: 5, maxMinutes: 60 },
    })
    expect(await getTask(db, taskId)).toMatchObject({ maxUsd: 2, maxTurns: 3, maxMinutes: 60 })
  })
})

describe('a wait', () => {
  const reach = () => setBudgetReached(task.attempt, [DAY_MARK])

  test('begins once however often it is told, and ends when an attempt takes the task over', async () => {
    db.published.length = 0
    await reach()
    await reach()
    const told = framesOf(db.published).map(({ type, scope, kind, used, limit }) => ({
      type,
      scope,
      kind,
      used,
      limit,
    }))
    const { rows } = await db.pool.query('SELECT scopes, ended_at FROM budget_waits WHERE task_id = $1', [task.taskId])
    expect([(await getTask(db, task.taskId)).status, told, rows]).toEqual([
      'needs_budget',
      [{ type: 'budget.reached', ...DAY_MARK }],
      [{ scopes: 'day', ended_at: null }],
    ])
    await takeOver(db, task)
    const ended = await db.pool.query('SELECT ended_at FROM budget_waits WHERE task_id = $1', [task.taskId])
    expect([(await getTask(db, task.taskId)).status, ended.rows]).toEqual([
      'running',
      [{ ended_at: expect.any(Date) as Date }],
    ])
  })

  test('counts from its first, over wakes that brought nothing, until the next reply', async () => {
    await move(task.taskId, { began: 300, waitBegan: 120, waitEnded: 60 })
    expect(await reach()).toBeGreaterThanOrEqual(120 * 60_000)
    await db.pool.query(
      `INSERT INTO turns (task_id, turn, lane, message_id, user_content, replied_at)
       VALUES ($1, 1, 'coder', 'msg_1', '[]', now() - interval '30 minutes')`,
      [task.taskId],
    )
    expect(await reach()).toBeLessThan(60_000)
  })

  test('for a day’s limit ends with the day, once; one for another limit does not', async () => {
    const other = await aRunningTask(db)
    await setBudgetReached(other.attempt, [{ ...DAY_MARK, scope: 'project' }])
    await reach()
    expect(await wakeForNewDay(db)).toBe(0)
    await db.pool.query(`UPDATE budget_waits SET began_at = now() - interval '1 day' WHERE ended_at IS NULL`)
    expect([await wakeForNewDay(db), await wakeForNewDay(db), await wakes()]).toEqual([1, 0, [task.taskId]])
  })
})
