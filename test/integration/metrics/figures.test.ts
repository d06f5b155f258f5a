import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readMetrics } from '../../../src/db/metrics.ts'
import type { MetricsBucket } from '../../../src/shared/metrics.ts'
import { aDb, type TestDb } from '../../support/database.ts'
import { aProject } from '../../support/tasks.ts'
import { handCount, handCountFindings, handCountTools } from './hand-count.ts'
import { DAY, PLAN, type PlannedTask, playTask } from './scripted-day.ts'

const HOUR_MS = 3_600_000

let db: TestDb
const projects: string[] = []
beforeAll(async () => {
  db = await aDb()
  projects.push(await aProject(db), await aProject(db))
  for (const plan of PLAN) await playTask(db, projects[plan.project] ?? '', plan)
})
afterAll(() => db.close())

const range = (fromHour: number, toHour: number, bucket: MetricsBucket) => ({
  from: new Date(DAY + fromHour * HOUR_MS),
  to: new Date(DAY + toHour * HOUR_MS),
  bucket,
})
const shown = ({ from, to, bucket }: ReturnType<typeof range>) => ({
  from: from.toISOString(),
  to: to.toISOString(),
  bucket,
})

function counted(tasks: readonly PlannedTask[], asked: ReturnType<typeof range>, stepHours: number): object {
  const hours = (asked.to.getTime() - asked.from.getTime()) / HOUR_MS
  const firstHour = (asked.from.getTime() - DAY) / HOUR_MS
  const figures = handCount(tasks)
  const byOutcome: Record<string, number> = {}
  for (const { end } of tasks) {
    if (!['failed', 'cancelled', 'running'].includes(end)) byOutcome[end] = (byOutcome[end] ?? 0) + 1
  }
  return {
    range: shown(asked),
    ...figures,
    tasks: { ...figures.tasks, byOutcome },
    findings: handCountFindings(tasks),
    tools: handCountTools(tasks),
    series: Array.from({ length: hours / stepHours }, (_, index) => {
      const hour = firstHour + index * stepHours
      const own = tasks.filter((task) => task.hour >= hour && task.hour < hour + stepHours)
      return { from: new Date(DAY + hour * HOUR_MS).toISOString(), ...handCount(own) }
    }),
  }
}

describe('the figures of a scripted day of 30 tasks', () => {
  test('agree with a count by hand, over all projects and hour by hour', async () => {
    const asked = range(0, 24, 'hour')
    expect(PLAN).toHaveLength(30)
    expect(await readMetrics(db, null, asked)).toEqual(counted(PLAN, asked, 1))
  })

  test('agree with a count by hand for each project alone', async () => {
    const asked = range(-24, 48, 'day')
    for (const project of [0, 1] as const) {
      const own = PLAN.filter((task) => task.project === project)
      expect(await readMetrics(db, projects[project] ?? '', asked)).toEqual(counted(own, asked, 24))
    }
  })

  test('say what a person would count on paper', async () => {
    const figures = await readMetrics(db, null, range(0, 24, 'day'))
    expect({
      tasks: figures.tasks,
      review: { ...figures.review, timeShare: 0, costShare: 0 },
      bySeverity: figures.findings.bySeverity,
      precision: Object.entries(figures.findings.byCriterion).map(([id, { precision }]) => [id, precision]),
      unpricedCalls: figures.unpricedCalls,
    }).toEqual({
      tasks: {
        total: 30,
        completed: 26,
        failed: 1,
        cancelled: 2,
        unfinished: 1,
        byOutcome: {
          approved: 15,
          approved_with_notes: 2,
          inconclusive: 2,
          issues_remaining: 2,
          no_changes: 3,
          unreviewed: 2,
        },
      },
      review: {
        // 10 with one round, 5 + 2 + 2 with two, 2 with an inconclusive one.
        tasksReviewed: 21,
        rounds: 30,
        firstPassApprovalRate: 0.4762,
        approvedAfterFixes: 7,
        issuesRemaining: 2,
        inconclusive: 2,
        skipped: 5,
        // 15 approved; 2 with notes, 2 with issues; 2 inconclusive, 2 unreviewed.
        evidence: { verified: 15, partly: 4, unverified: 4 },
        verifiedRate: 0.6522,
        timeShare: 0,
        costShare: 0,
      },
      bySeverity: { blocking: 9, important: 5, note: 2 },
      // 5 + 2 confirmed and 2 dismissed; 5 dismissed; nobody looked at the notes.
      precision: [
        ['correctness', 0.7778],
        ['tests', 0],
        ['(none)', null],
      ],
      unpricedCalls: 4,
    })
  })

  test('leave out what was accepted before or after', async () => {
    const asked = range(3, 9, 'hour')
    const own = PLAN.filter((task) => task.hour >= 3 && task.hour < 9)
    expect(await readMetrics(db, null, asked)).toEqual({
      ...counted(own, asked, 1),
      findings: expect.anything(),
      tools: expect.anything(),
    })
  })
})

test('of nothing no rate is known, and nothing was spent', async () => {
  const figures = await readMetrics(db, await aProject(db), range(0, 24, 'day'))
  const none = { p50: null, p95: null, n: 0 }
  expect(figures).toMatchObject({
    review: { tasksReviewed: 0, firstPassApprovalRate: null, timeShare: null, costShare: null },
    cacheHitRatio: null,
    costUsd: 0,
    unpricedCalls: 0,
    tools: {},
    findings: { byCriterion: {} },
    durationsMs: { firstEvent: none, firstToken: none, firstChange: none, task: none },
  })
})

test('calls of a model without a price are counted, and their cost is not known', async () => {
  const projectId = await aProject(db)
  const plan = PLAN.find((task) => task.costUsd === null)
  if (plan) await playTask(db, projectId, { ...plan, hour: 30 })
  expect(await readMetrics(db, projectId, range(24, 48, 'day'))).toMatchObject({
    costUsd: null,
    unpricedCalls: 2,
    turns: { total: 2 },
  })
})

describe('buckets', () => {
  test('begin at whole weeks, on Mondays, and hold what comes before the range’s first instant of theirs', async () => {
    // 2026-11-02 is a Monday.
    const asked = { from: new Date(DAY + 30 * HOUR_MS), to: new Date(DAY + 9 * 24 * HOUR_MS), bucket: 'week' as const }
    const { series } = await readMetrics(db, null, asked)
    expect(series.map(({ from }) => from)).toEqual(['2026-11-02T00:00:00.000Z', '2026-11-09T00:00:00.000Z'])
  })

  test.each([
    ['too many', range(0, 401, 'hour'), { bucket: expect.stringMatching(/401 buckets.*at most 400.*larger bucket/) }],
    ['none', range(5, 5, 'hour'), { from: 'must be before to' }],
  ])('%s: refused with the field and the way out', async (_, asked, details) => {
    await expect(readMetrics(db, null, asked)).rejects.toMatchObject({ code: 'bad_request', details })
  })

  test('400 are possible', async () => {
    expect((await readMetrics(db, null, range(0, 400, 'hour'))).series).toHaveLength(400)
  })
})
