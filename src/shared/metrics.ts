/** What the figures of a project, or of all, look like. Types only. A rate of nothing is null: not known, never 0. */

export const METRICS_BUCKETS = ['hour', 'day', 'week'] as const
/** How wide a bar of a chart is. */
export type MetricsBucket = (typeof METRICS_BUCKETS)[number]

/** `from` inclusive, `to` exclusive. Buckets begin at whole hours, days or Mondays in UTC. */
export interface MetricsRange {
  readonly from: Date
  readonly to: Date
  readonly bucket: MetricsBucket
}

/** Milliseconds over `n` measurements; without any, p50 and p95 are null. */
export interface DurationFigures {
  readonly p50: number | null
  readonly p95: number | null
  readonly n: number
}

/** The figures of the tasks that were accepted in a time, whenever what they count happened. */
export interface Figures {
  readonly tasks: {
    readonly total: number
    readonly completed: number
    readonly failed: number
    readonly cancelled: number
    readonly unfinished: number
  }
  readonly review: {
    /** Tasks with at least one finished round. */
    readonly tasksReviewed: number
    /** Finished rounds, those that failing checks ended included. */
    readonly rounds: number
    /** Approved in their first round among the reviewed tasks; an inconclusive round did not approve. */
    readonly firstPassApprovalRate: number | null
    /** Tasks that ended approved, though not in their first round. */
    readonly approvedAfterFixes: number
    readonly issuesRemaining: number
    readonly inconclusive: number
    /** Tasks that ended without a review: nothing had changed, or it was switched off. */
    readonly skipped: number
    /** Completed tasks that changed something, by what the checks of their delivered files proved. */
    readonly evidence: { readonly verified: number; readonly partly: number; readonly unverified: number }
    /** The verified ones among them. */
    readonly verifiedRate: number | null
    /** Checks and reviewer: their share of the time and cost of the tasks that are over. */
    readonly timeShare: number | null
    readonly costShare: number | null
  }
  readonly tokens: {
    readonly input: number
    readonly output: number
    readonly cacheRead: number
    readonly cacheWrite: number
  }
  /** Tokens read from the cache among all tokens of prompts. */
  readonly cacheHitRatio: number | null
  /** Of the priced calls; null when calls were made and none of them had a known price. */
  readonly costUsd: number | null
  readonly unpricedCalls: number
  readonly turns: { readonly total: number; readonly coder: number; readonly reviewer: number }
  /** Tasks that somebody asked to end. */
  readonly cancels: number
  readonly recoveries: {
    /** Turns whose model call was made more than once. */
    readonly turnsRepeated: number
    /** Commands whose outcome nobody knows. */
    readonly toolsLost: number
  }
  /** From the task's acceptance to its first event, its first token, its first changed file, and its end. */
  readonly durationsMs: {
    readonly firstEvent: DurationFigures
    readonly firstToken: DurationFigures
    readonly firstChange: DurationFigures
    readonly task: DurationFigures
  }
}

/** What became of a finding. */
export type Fate = 'open' | 'fixed' | 'disputed' | 'dismissed'

/** What one criterion's findings came to. */
export interface CriterionFigures {
  readonly total: number
  readonly byFate: Readonly<Record<Fate, number>>
  /** What people said about its findings. */
  readonly confirmed: number
  readonly dismissed: number
  /** confirmed / (confirmed + dismissed). */
  readonly precision: number | null
}

/** How often a tool was called and failed, and how long it took. */
export interface ToolFigures {
  readonly calls: number
  readonly errors: number
  readonly durationMs: DurationFigures
}

/** The figures of a range of time, as `GET /api/metrics` answers them. */
export interface Metrics extends Figures {
  readonly range: { readonly from: string; readonly to: string; readonly bucket: MetricsBucket }
  readonly tasks: Figures['tasks'] & { readonly byOutcome: Readonly<Record<string, number>> }
  readonly findings: {
    /** By criterion id; `(none)` for findings that name none. */
    readonly byCriterion: Readonly<Record<string, CriterionFigures>>
    readonly bySeverity: Readonly<Record<'blocking' | 'important' | 'note', number>>
    readonly byFate: Readonly<Record<Fate, number>>
  }
  /** By name, the 100 most used. */
  readonly tools: Readonly<Record<string, ToolFigures>>
  /** One entry a bucket, empty ones included; `from` is the bucket's first instant. */
  readonly series: readonly (Figures & { readonly from: string })[]
}
