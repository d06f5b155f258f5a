/** Figures by SQL from the tasks, the journal and the events: nothing is counted twice, nothing is kept beside them. */

import { HOUR_MS } from '../shared/durations.ts'
import { AppError } from '../shared/errors.ts'
import type {
  CriterionFigures,
  DurationFigures,
  Fate,
  Figures,
  Metrics,
  MetricsBucket,
  MetricsRange,
  ToolFigures,
} from '../shared/metrics.ts'
import type { Db } from './client.ts'
import { query } from './query.ts'

const MAX_BUCKETS = 400
const BUCKET_MS: Readonly<Record<MetricsBucket, number>> = { hour: HOUR_MS, day: 24 * HOUR_MS, week: 168 * HOUR_MS }
/** 1970 began on a Thursday; weeks begin on Mondays. */
const WEEK_SHIFT_MS = 4 * BUCKET_MS.day

/**
 * The figures of the tasks that were accepted in the range, of one project or (null) of all, deleted ones included, since
 * they cost what they cost. Four statements at once. Throws `bad_request` for an empty range or one of more than 400
 * buckets, `store_unavailable`. Whether the project exists is for the caller to know.
 */
export async function readMetrics(db: Db, projectId: string | null, range: MetricsRange): Promise<Metrics> {
  const starts = bucketStarts(range)
  const values = [range.from, range.to, ...(projectId === null ? [] : [projectId])]
  const inScope = `t.created_at >= $1 AND t.created_at < $2${projectId === null ? '' : ' AND t.project_id = $3'}`
  const suffix = projectId === null ? 'all' : 'project'
  const ask = async <Row extends object>(name: string, text: string): Promise<Row[]> =>
    await query<Row>(db, { name: `metrics_${name}_${suffix}`, text }, values)
  const [figures, outcomes, findings, tools] = await Promise.all([
    ask<FigureRow>(`figures_${range.bucket}`, figuresSql(inScope, range.bucket)),
    ask<{ outcome: string; count: number }>('outcomes', outcomesSql(inScope)),
    ask<FindingRow>('findings', findingsSql(inScope)),
    ask<ToolRow>('tools', toolsSql(inScope)),
  ])
  return assemble(range, starts, { figures, outcomes, findings, tools })
}

function bucketStarts({ from, to, bucket }: MetricsRange): number[] {
  if (from >= to) {
    throw new AppError('bad_request', 'from: must be before to', { details: { from: 'must be before to' } })
  }
  const stepMs = BUCKET_MS[bucket]
  const shiftMs = bucket === 'week' ? WEEK_SHIFT_MS : 0
  const first = Math.floor((from.getTime() - shiftMs) / stepMs) * stepMs + shiftMs
  const count = Math.ceil((to.getTime() - first) / stepMs)
  if (count > MAX_BUCKETS) {
    const problem = `gives ${count} buckets of a ${bucket}, at most ${MAX_BUCKETS} are possible: ask for a shorter time or a larger bucket`
    throw new AppError('bad_request', `bucket: ${problem}`, { details: { bucket: problem } })
  }
  return Array.from({ length: count }, (_, index) => first + index * stepMs)
}

interface FigureRow {
  /** null in the row of all buckets together. */
  bucket: Date | null
  total: number
  completed: number
  failed: number
  cancelled: number
  reviewed: number
  rounds: number
  first_pass: number
  after_fixes: number
  issues_remaining: number
  inconclusive: number
  skipped: number
  verified: number
  partly: number
  unverified: number
  review_seconds: number
  work_seconds: number
  reviewer_usd: number
  over_usd: number
  input: number
  output: number
  cache_read: number
  cache_write: number
  usd: number
  unpriced: number
  turns: number
  reviewer_turns: number
  repeated: number
  lost: number
  cancels: number
  first_event: number[] | null
  first_event_n: number
  first_token: number[] | null
  first_token_n: number
  first_change: number[] | null
  first_change_n: number
  task: number[] | null
  task_n: number
}

/** A completed task with something to prove. */
const CHANGED = `status = 'completed' AND outcome <> 'no_changes'`
const IS_OVER = `IN ('completed', 'failed', 'cancelled')`
/** When an event was told, in milliseconds: its row's own time is that of its transaction's beginning. */
const TOLD_AT = `(substring(e.data FROM '"at":([0-9]+)'))::float8`

function percentiles(column: string): string {
  return `percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY ${column}_ms) AS ${column}, count(${column}_ms)::int AS ${column}_n`
}

function sumOf(expression: string, type: 'int' | 'float8' = 'int'): string {
  return `coalesce(sum(${expression}), 0)::${type}`
}

/** Milliseconds from the acceptance on; the clocks of two machines may differ by a few. null stays null. */
function since(column: string): string {
  return `CASE WHEN f.${column} IS NOT NULL THEN greatest(0, f.${column} - f.accepted_at)::float8 END`
}

function figuresSql(inScope: string, bucket: MetricsBucket): string {
  return `
  WITH scope AS MATERIALIZED (
    SELECT t.id, t.status, t.outcome, t.created_at, t.started_at, t.finished_at, t.cancel_requested_at, t.cost_usd,
      t.unpriced_calls, t.input_tokens, t.output_tokens, t.cache_read_tokens, t.cache_write_tokens, t.files_changed,
      CASE WHEN t.evidence_tree = t.latest_tree THEN t.evidence ELSE 'unverified' END AS evidence,
      date_trunc('${bucket}', t.created_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS bucket
    FROM tasks t WHERE ${inScope}),
  rounds AS (
    SELECT r.task_id, count(*) AS n, (array_agg(r.verdict ORDER BY r.round))[1] IN ('approved', 'approved_with_notes') AS first_pass,
      sum(extract(epoch FROM r.finished_at - r.created_at)) AS seconds
    FROM scope s JOIN review_rounds r ON r.task_id = s.id WHERE r.verdict IS NOT NULL GROUP BY r.task_id),
  waits AS (
    SELECT w.task_id, sum(extract(epoch FROM w.ended_at - w.began_at)) AS seconds
    FROM scope s JOIN budget_waits w ON w.task_id = s.id GROUP BY w.task_id),
  calls AS (
    SELECT u.task_id, count(*) AS n, count(*) FILTER (WHERE u.lane <> 'coder') AS reviewer,
      count(*) FILTER (WHERE u.attempts > 1) AS repeated, sum(u.cost_usd) FILTER (WHERE u.lane <> 'coder') AS reviewer_usd,
      min(extract(epoch FROM u.replied_at) * 1000 - u.duration_ms + u.first_token_ms) FILTER (WHERE u.lane = 'coder') AS first_token_at
    FROM scope s JOIN turns u ON u.task_id = s.id GROUP BY u.task_id),
  lost AS (
    SELECT c.task_id, count(*) AS n FROM scope s JOIN tool_calls c ON c.task_id = s.id
    WHERE c.is_error AND c.name = 'bash' AND c.result LIKE 'outcome unknown:%' GROUP BY c.task_id),
  changed AS (SELECT DISTINCT k.task_id FROM scope s JOIN checkpoints k ON k.task_id = s.id AND k.files > 0),
  figures AS (
    SELECT s.*, extract(epoch FROM s.created_at) * 1000 AS accepted_at, s.status ${IS_OVER} AS is_over,
      r.n AS rounds, r.first_pass, r.seconds AS review_seconds, coalesce(w.seconds, 0) AS wait_seconds,
      c.n AS turns, c.reviewer, c.repeated, c.reviewer_usd, c.first_token_at, l.n AS lost,
      (SELECT ${TOLD_AT} FROM events e WHERE e.task_id = s.id ORDER BY e.seq LIMIT 1) AS first_event_at,
      CASE WHEN k.task_id IS NOT NULL THEN (
        SELECT ${TOLD_AT} FROM events e WHERE e.task_id = s.id AND e.type = 'file.changed' ORDER BY e.seq LIMIT 1) END AS first_change_at
    FROM scope s LEFT JOIN rounds r ON r.task_id = s.id LEFT JOIN waits w ON w.task_id = s.id
      LEFT JOIN calls c ON c.task_id = s.id LEFT JOIN lost l ON l.task_id = s.id LEFT JOIN changed k ON k.task_id = s.id),
  timed AS (
    SELECT f.*, ${since('first_event_at')} AS first_event_ms, ${since('first_token_at')} AS first_token_ms,
      ${since('first_change_at')} AS first_change_ms,
      (extract(epoch FROM f.finished_at) * 1000 - f.accepted_at)::float8 AS task_ms,
      greatest(0, extract(epoch FROM f.finished_at - f.started_at) - f.wait_seconds) AS work_seconds
    FROM figures f)
  SELECT bucket, count(*)::int AS total, count(*) FILTER (WHERE status = 'completed')::int AS completed,
    count(*) FILTER (WHERE status = 'failed')::int AS failed, count(*) FILTER (WHERE status = 'cancelled')::int AS cancelled,
    count(rounds)::int AS reviewed, ${sumOf('rounds')} AS rounds, count(*) FILTER (WHERE first_pass)::int AS first_pass,
    count(*) FILTER (WHERE NOT first_pass AND outcome IN ('approved', 'approved_with_notes'))::int AS after_fixes,
    count(*) FILTER (WHERE outcome = 'issues_remaining')::int AS issues_remaining,
    count(*) FILTER (WHERE outcome = 'inconclusive')::int AS inconclusive,
    count(*) FILTER (WHERE outcome IN ('no_changes', 'unreviewed'))::int AS skipped,
    ${['verified', 'partly', 'unverified'].map((each) => `count(*) FILTER (WHERE ${CHANGED} AND evidence = '${each}')::int AS ${each}`).join(', ')},
    coalesce(sum(review_seconds) FILTER (WHERE is_over), 0)::float8 AS review_seconds, ${sumOf('work_seconds', 'float8')} AS work_seconds,
    coalesce(sum(reviewer_usd) FILTER (WHERE is_over), 0)::float8 AS reviewer_usd,
    coalesce(sum(cost_usd) FILTER (WHERE is_over), 0)::float8 AS over_usd,
    ${sumOf('input_tokens', 'float8')} AS input, ${sumOf('output_tokens', 'float8')} AS output,
    ${sumOf('cache_read_tokens', 'float8')} AS cache_read, ${sumOf('cache_write_tokens', 'float8')} AS cache_write,
    ${sumOf('cost_usd', 'float8')} AS usd, ${sumOf('unpriced_calls')} AS unpriced,
    ${sumOf('turns')} AS turns, ${sumOf('reviewer')} AS reviewer_turns, ${sumOf('repeated')} AS repeated, ${sumOf('lost')} AS lost,
    count(cancel_requested_at)::int AS cancels,
    ${percentiles('first_event')}, ${percentiles('first_token')}, ${percentiles('first_change')}, ${percentiles('task')}
  FROM timed GROUP BY GROUPING SETS ((bucket), ())`
}

function outcomesSql(inScope: string): string {
  return `SELECT t.outcome, count(*)::int AS count FROM tasks t WHERE ${inScope} AND t.outcome IS NOT NULL GROUP BY 1 ORDER BY 1`
}

interface FindingRow {
  criterion: string | null
  severity: 'blocking' | 'important' | 'note'
  state: Fate
  human: 'confirm' | 'dismiss' | null
  count: number
}

function findingsSql(inScope: string): string {
  return `
    SELECT f.criterion_id AS criterion, f.severity, f.state, f.human_verdict AS human, count(*)::int AS count
    FROM tasks t JOIN findings f ON f.task_id = t.id WHERE ${inScope} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`
}

interface ToolRow {
  name: string
  calls: number
  errors: number
  ms: number[] | null
  n: number
}

function toolsSql(inScope: string): string {
  return `
    SELECT c.name, count(*)::int AS calls, count(*) FILTER (WHERE c.is_error)::int AS errors,
      percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY c.duration_ms) AS ms, count(c.duration_ms)::int AS n
    FROM tasks t JOIN tool_calls c ON c.task_id = t.id WHERE ${inScope} GROUP BY c.name ORDER BY calls DESC, c.name LIMIT 100`
}

interface Rows {
  readonly figures: readonly FigureRow[]
  readonly outcomes: readonly { outcome: string; count: number }[]
  readonly findings: readonly FindingRow[]
  readonly tools: readonly ToolRow[]
}

function assemble(range: MetricsRange, starts: readonly number[], rows: Rows): Metrics {
  const byStart = new Map(rows.figures.map((row) => [row.bucket?.getTime() ?? null, row]))
  const all = toFigures(byStart.get(null))
  return {
    range: { from: range.from.toISOString(), to: range.to.toISOString(), bucket: range.bucket },
    ...all,
    tasks: { ...all.tasks, byOutcome: Object.fromEntries(rows.outcomes.map((row) => [row.outcome, row.count])) },
    findings: toFindings(rows.findings),
    tools: Object.fromEntries(rows.tools.map((row) => [row.name, toTool(row)])),
    series: starts.map((start) => ({ from: new Date(start).toISOString(), ...toFigures(byStart.get(start)) })),
  }
}

const EMPTY: FigureRow = {
  bucket: null,
  total: 0,
  completed: 0,
  failed: 0,
  cancelled: 0,
  reviewed: 0,
  rounds: 0,
  first_pass: 0,
  after_fixes: 0,
  issues_remaining: 0,
  inconclusive: 0,
  skipped: 0,
  verified: 0,
  partly: 0,
  unverified: 0,
  review_seconds: 0,
  work_seconds: 0,
  reviewer_usd: 0,
  over_usd: 0,
  input: 0,
  output: 0,
  cache_read: 0,
  cache_write: 0,
  usd: 0,
  unpriced: 0,
  turns: 0,
  reviewer_turns: 0,
  repeated: 0,
  lost: 0,
  cancels: 0,
  first_event: null,
  first_event_n: 0,
  first_token: null,
  first_token_n: 0,
  first_change: null,
  first_change_n: 0,
  task: null,
  task_n: 0,
}

function toFigures(row: FigureRow = EMPTY): Figures {
  const { total, completed, failed, cancelled, input, output } = row
  return {
    tasks: { total, completed, failed, cancelled, unfinished: total - completed - failed - cancelled },
    review: {
      tasksReviewed: row.reviewed,
      rounds: row.rounds,
      firstPassApprovalRate: rate(row.first_pass, row.reviewed),
      approvedAfterFixes: row.after_fixes,
      issuesRemaining: row.issues_remaining,
      inconclusive: row.inconclusive,
      skipped: row.skipped,
      evidence: { verified: row.verified, partly: row.partly, unverified: row.unverified },
      verifiedRate: rate(row.verified, row.verified + row.partly + row.unverified),
      timeShare: rate(row.review_seconds, row.work_seconds),
      costShare: rate(row.reviewer_usd, row.over_usd),
    },
    tokens: { input, output, cacheRead: row.cache_read, cacheWrite: row.cache_write },
    cacheHitRatio: rate(row.cache_read, input + row.cache_read + row.cache_write),
    costUsd: row.unpriced > 0 && row.usd === 0 ? null : toUsd(row.usd),
    unpricedCalls: row.unpriced,
    turns: { total: row.turns, coder: row.turns - row.reviewer_turns, reviewer: row.reviewer_turns },
    cancels: row.cancels,
    recoveries: { turnsRepeated: row.repeated, toolsLost: row.lost },
    durationsMs: {
      firstEvent: toDuration(row.first_event, row.first_event_n),
      firstToken: toDuration(row.first_token, row.first_token_n),
      firstChange: toDuration(row.first_change, row.first_change_n),
      task: toDuration(row.task, row.task_n),
    },
  }
}

/** Four places, which is more than any of these figures is good for; null of nothing. */
function rate(part: number, whole: number): number | null {
  return whole > 0 ? Math.round((part / whole) * 10_000) / 10_000 : null
}

/** To a millionth of a dollar, so that a sum shows no rounding of its parts. */
function toUsd(usd: number): number {
  return Math.round(usd * 1e6) / 1e6
}

function toDuration(ms: readonly number[] | null, n: number): DurationFigures {
  const [p50, p95] = ms ?? []
  return { p50: p50 === undefined ? null : Math.round(p50), p95: p95 === undefined ? null : Math.round(p95), n }
}

function toTool({ calls, errors, ms, n }: ToolRow): ToolFigures {
  return { calls, errors, durationMs: toDuration(ms, n) }
}

const NO_FATES: Readonly<Record<Fate, number>> = { open: 0, fixed: 0, disputed: 0, dismissed: 0 }

function toFindings(rows: readonly FindingRow[]): Metrics['findings'] {
  const names = [...new Set(rows.map((row) => row.criterion))]
  const severities = (['blocking', 'important', 'note'] as const).map((severity) => {
    return [severity, countOf(rows.filter((row) => row.severity === severity))] as const
  })
  return {
    byCriterion: Object.fromEntries(
      names.map((name) => [name ?? '(none)', toCriterion(rows.filter((row) => row.criterion === name))]),
    ),
    bySeverity: Object.fromEntries(severities) as Metrics['findings']['bySeverity'],
    byFate: fatesOf(rows),
  }
}

function toCriterion(rows: readonly FindingRow[]): CriterionFigures {
  const confirmed = countOf(rows.filter((row) => row.human === 'confirm'))
  const dismissed = countOf(rows.filter((row) => row.human === 'dismiss'))
  const precision = rate(confirmed, confirmed + dismissed)
  return { total: countOf(rows), byFate: fatesOf(rows), confirmed, dismissed, precision }
}

function fatesOf(rows: readonly FindingRow[]): Record<Fate, number> {
  const fates = { ...NO_FATES }
  for (const row of rows) fates[row.state] += row.count
  return fates
}

function countOf(rows: readonly { readonly count: number }[]): number {
  return rows.reduce((sum, row) => sum + row.count, 0)
}
