import type { OpenAPIHono } from '@hono/zod-openapi'
import { z } from '@hono/zod-openapi'
import { readMetrics } from '../../db/metrics.ts'
import { getProject } from '../../db/project/projects.ts'
import { DAY_MS } from '../../shared/durations.ts'
import { METRICS_BUCKETS, type MetricsRange } from '../../shared/metrics.ts'
import type { AppDeps } from '../deps.ts'
import { addRoute } from '../route.ts'
import { ProjectParams } from '../schemas/fields.ts'

const DEFAULT_DAYS = 30

const Instant = z
  .preprocess(
    (value) => (value === '' ? undefined : value),
    z
      .union([z.iso.datetime({ offset: true }), z.iso.date()], {
        error: 'must be an ISO 8601 time such as 2026-11-22T00:00:00Z, or a date',
      })
      .optional(),
  )
  .transform((text) => (text === undefined ? undefined : new Date(text)))
  .refine((time) => time === undefined || isUsable(time), 'must be a time between 1970 and 9999')

const MetricsQuery = z.object({
  from: Instant.openapi({ type: 'string', description: 'ISO 8601; 30 days before `to` when left out' }),
  to: Instant.openapi({ type: 'string', description: 'ISO 8601, exclusive; now when left out' }),
  bucket: z.preprocess((value) => (value === '' ? undefined : value), z.enum(METRICS_BUCKETS).default('day')),
})

const Count = z.number()
const Rate = z.number().nullable()
const Duration = z.object({ p50: Rate, p95: Rate, n: Count }).openapi('DurationFigures')
const Fates = z.object({ open: Count, fixed: Count, disputed: Count, dismissed: Count })

const FigureFields = {
  tasks: z.object({ total: Count, completed: Count, failed: Count, cancelled: Count, unfinished: Count }),
  review: z.object({
    tasksReviewed: Count,
    rounds: Count,
    firstPassApprovalRate: Rate,
    approvedAfterFixes: Count,
    issuesRemaining: Count,
    inconclusive: Count,
    skipped: Count,
    evidence: z.object({ verified: Count, partly: Count, unverified: Count }),
    verifiedRate: Rate,
    timeShare: Rate,
    costShare: Rate,
  }),
  tokens: z.object({ input: Count, output: Count, cacheRead: Count, cacheWrite: Count }),
  cacheHitRatio: Rate,
  costUsd: Rate.openapi({ description: 'Of the priced calls; null when there were only unpriced ones' }),
  unpricedCalls: Count,
  turns: z.object({ total: Count, coder: Count, reviewer: Count }),
  cancels: Count,
  recoveries: z.object({ turnsRepeated: Count, toolsLost: Count }),
  durationsMs: z.object({ firstEvent: Duration, firstToken: Duration, firstChange: Duration, task: Duration }),
}

const MetricsSchema = z
  .object({
    ...FigureFields,
    range: z.object({ from: z.iso.datetime(), to: z.iso.datetime(), bucket: z.enum(METRICS_BUCKETS) }),
    tasks: FigureFields.tasks.extend({ byOutcome: z.record(z.string(), Count) }),
    findings: z.object({
      byCriterion: z.record(
        z.string(),
        z.object({ total: Count, byFate: Fates, confirmed: Count, dismissed: Count, precision: Rate }),
      ),
      bySeverity: z.object({ blocking: Count, important: Count, note: Count }),
      byFate: Fates,
    }),
    tools: z.record(z.string(), z.object({ calls: Count, errors: Count, durationMs: Duration })),
    series: z.array(z.object({ from: z.iso.datetime(), ...FigureFields })),
  })
  .openapi('Metrics')

/** The figures as JSON, of one project and of all, and this process's for Prometheus. */
export function addMetricsRoutes(app: OpenAPIHono, deps: AppDeps): void {
  const shared = {
    method: 'get',
    tag: 'metrics',
    query: MetricsQuery,
    responses: {
      200: { description: 'The figures of the tasks that were accepted in this time', schema: MetricsSchema },
    },
  } as const

  addRoute(
    app,
    {
      ...shared,
      path: '/api/workspace/{projectId}/metrics',
      summary: 'Read the figures of a project: tasks, reviews, tokens, cost, times',
      params: ProjectParams,
    },
    async ({ c, params, query }) => {
      const { id } = await getProject(deps.db, params.projectId)
      return c.json(await readMetrics(deps.db, id, rangeOf(query)))
    },
  )
  addRoute(
    app,
    { ...shared, path: '/api/metrics', summary: 'Read the figures of all projects, deleted ones included' },
    async ({ c, query }) => c.json(await readMetrics(deps.db, null, rangeOf(query))),
  )
  const { metrics } = deps
  if (metrics === undefined) return
  addRoute(
    app,
    {
      method: 'get',
      path: '/metrics',
      summary: 'Read the figures of this process, for Prometheus',
      tag: 'metrics',
      responses: { 200: { description: 'Prometheus text format', schema: z.string(), mediaType: 'text/plain' } },
    },
    async ({ c }) =>
      c.body(await metrics.text(), 200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }),
  )
}

function rangeOf({ from, to, bucket }: z.output<typeof MetricsQuery>): MetricsRange {
  const end = to ?? new Date()
  return { from: from ?? new Date(end.getTime() - DEFAULT_DAYS * DAY_MS), to: end, bucket }
}

function isUsable(time: Date): boolean {
  const ms = time.getTime()
  return ms >= 0 && ms < Date.UTC(10_000, 0)
}
