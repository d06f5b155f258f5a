import { ChartColumn } from 'lucide-react'
import { type ReactNode, useMemo, useState } from 'react'
import { api } from '../api/client.ts'
import type { Metrics, MetricsBucket } from '../api/types.ts'
import { useQuery } from '../api/use-query.ts'
import { VisibleText } from '../code/visible-text.tsx'
import { formatCost, formatCount, formatDuration } from '../ui/format.ts'
import { Select } from '../ui/select.tsx'
import { Skeleton } from '../ui/spinner.tsx'
import { EmptyState, ErrorState } from '../ui/states.tsx'
import { Chart, type ChartSeries } from './metrics/chart.tsx'
import type { PanelProps } from './panel.ts'

const HOUR_MS = 3_600_000
const SPANS = {
  day: { label: 'Last 24 hours', hours: 24, bucket: 'hour' },
  week: { label: 'Last 7 days', hours: 168, bucket: 'day' },
  month: { label: 'Last 30 days', hours: 720, bucket: 'day' },
  year: { label: 'Last 12 months', hours: 8_760, bucket: 'week' },
} as const satisfies Record<string, { label: string; hours: number; bucket: MetricsBucket }>
type Span = keyof typeof SPANS

/** What the project's tasks came to: how often a change is right at first, what the reviewer found, time, tokens, cost. */
export default function MetricsPanel({ projectId, task }: PanelProps) {
  const [span, setSpan] = useState<Span>('week')
  const { hours, bucket } = SPANS[span]
  const metrics = useQuery(
    `metrics:${projectId}:${span}`,
    (signal) =>
      api.getMetrics(projectId, { from: new Date(Date.now() - hours * HOUR_MS).toISOString(), bucket }, signal),
    `${task?.id ?? ''}:${task?.status ?? ''}`,
  )
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex items-center justify-end border-b border-line px-3 py-1.5">
        <Select
          label="Time"
          isLabelHidden
          size="small"
          value={span}
          options={Object.entries(SPANS).map(([value, { label }]) => ({ value: value as Span, label }))}
          onChange={setSpan}
        />
      </div>
      {metrics.value === undefined ? (
        metrics.error === undefined ? (
          <Skeleton lines={6} label="Loading the metrics" />
        ) : (
          <ErrorState error={metrics.error} onRetry={metrics.reload} />
        )
      ) : metrics.value.tasks.total === 0 ? (
        <EmptyState title="No tasks in this time" icon={<ChartColumn />}>
          How often a change is right at first, what reviews found, time, tokens and cost stand here.
        </EmptyState>
      ) : (
        <Overview metrics={metrics.value} />
      )}
    </div>
  )
}

function Overview({ metrics }: { metrics: Metrics }) {
  const { tasks, review, tokens, durationsMs } = metrics
  const times = useMemo(() => metrics.series.map(({ from }) => Date.parse(from)), [metrics])
  const charts = useMemo(() => chartsOf(metrics), [metrics])
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section
      aria-label="Metrics"
      tabIndex={0}
      className="flex min-h-0 flex-1 flex-col gap-5 overflow-y-auto p-3 focus-visible:-outline-offset-2"
    >
      <dl className="grid grid-cols-2 gap-2 sm:grid-cols-3">
        <Figure
          name="Tasks"
          value={String(tasks.total)}
          note={`${tasks.completed} completed, ${tasks.failed} failed, ${tasks.cancelled} cancelled`}
        />
        <Figure
          name="Right at first"
          value={percent(review.firstPassApprovalRate)}
          note={`${review.approvedAfterFixes} more after fixes, of ${review.tasksReviewed} reviewed`}
        />
        <Figure
          name="Verified"
          value={percent(review.verifiedRate)}
          note={`${review.evidence.partly} partly, ${review.evidence.unverified} without a check`}
        />
        <Figure
          name="Review rounds"
          value={String(review.rounds)}
          note={`${review.issuesRemaining} ended with issues, ${review.inconclusive} inconclusive`}
        />
        <Figure
          name="Cost"
          value={formatCost(metrics.costUsd)}
          note={
            metrics.unpricedCalls === 0
              ? `${percent(review.costShare)} of it for reviews`
              : `${metrics.unpricedCalls} calls are unpriced`
          }
        />
        <Figure
          name="Cache hits"
          value={percent(metrics.cacheHitRatio)}
          note={`${formatCount(tokens.cacheRead)} tokens read from the cache`}
        />
        <Figure
          name="A task takes"
          value={duration(durationsMs.task.p50)}
          note={`p95 ${duration(durationsMs.task.p95)}; first change after ${duration(durationsMs.firstChange.p50)}`}
        />
      </dl>
      {charts.map(({ title, unit, series, format }) => (
        <Chart key={title} {...{ title, unit, times, series, format }} />
      ))}
      <FindingsTable metrics={metrics} />
      <ToolsTable metrics={metrics} />
    </section>
  )
}

function chartsOf(
  metrics: Metrics,
): { title: string; unit: string; series: ChartSeries[]; format: (value: number) => string }[] {
  const values = (pick: (entry: Metrics['series'][number]) => number): number[] => metrics.series.map(pick)
  return [
    {
      title: 'Tasks',
      unit: 'by how they ended',
      format: formatCount,
      series: [
        { label: 'completed', colour: '--good', values: values(({ tasks }) => tasks.completed) },
        { label: 'cancelled', colour: '--line-strong', values: values(({ tasks }) => tasks.cancelled) },
        { label: 'failed', colour: '--bad', values: values(({ tasks }) => tasks.failed) },
      ],
    },
    {
      title: 'Review rounds',
      unit: 'rounds',
      format: formatCount,
      series: [{ label: 'rounds', colour: '--accent', values: values(({ review }) => review.rounds) }],
    },
    {
      title: 'Tokens',
      unit: 'tokens',
      format: formatCount,
      series: [
        { label: 'from the cache', colour: '--good', values: values(({ tokens }) => tokens.cacheRead) },
        { label: 'new', colour: '--info', values: values(({ tokens }) => tokens.input + tokens.cacheWrite) },
        { label: 'written', colour: '--warn', values: values(({ tokens }) => tokens.output) },
      ],
    },
    {
      title: 'Cost',
      unit: 'US dollars, priced calls only',
      format: formatCost,
      series: [{ label: 'cost', colour: '--accent', values: values(({ costUsd }) => costUsd ?? 0) }],
    },
  ]
}

function percent(share: number | null): string {
  return share === null ? '–' : `${Math.round(share * 100)} %`
}

function duration(durationMs: number | null): string {
  return durationMs === null ? '–' : formatDuration(durationMs)
}

function Figure({ name, value, note }: { name: string; value: string; note: string }) {
  return (
    <div className="flex flex-col rounded-lg border border-line px-3 py-2">
      <dt className="text-xs text-muted">{name}</dt>
      <dd className="text-xl font-semibold tabular-nums">{value}</dd>
      <dd className="text-xs text-faint">{note}</dd>
    </div>
  )
}

function FindingsTable({ metrics }: { metrics: Metrics }) {
  const rows = Object.entries(metrics.findings.byCriterion).sort(([, left], [, right]) => right.total - left.total)
  if (rows.length === 0) return null
  return (
    <Table title="Findings by criterion" heads={['Criterion', 'all', 'fixed', 'open', 'disputed', 'right']}>
      {rows.map(([criterion, { total, byFate, precision }]) => (
        <Row
          key={criterion}
          name={criterion}
          cells={[total, byFate.fixed, byFate.open, byFate.disputed, percent(precision)]}
        />
      ))}
    </Table>
  )
}

function ToolsTable({ metrics }: { metrics: Metrics }) {
  const rows = Object.entries(metrics.tools).sort(([, left], [, right]) => right.calls - left.calls)
  if (rows.length === 0) return null
  return (
    <Table title="Tools" heads={['Tool', 'calls', 'errors', 'p50', 'p95']}>
      {rows.map(([tool, { calls, errors, durationMs }]) => (
        <Row key={tool} name={tool} cells={[calls, errors, duration(durationMs.p50), duration(durationMs.p95)]} />
      ))}
    </Table>
  )
}

function Table({ title, heads, children }: { title: string; heads: readonly string[]; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section aria-label={title} tabIndex={0} className="overflow-x-auto">
      <table className="w-full text-sm tabular-nums">
        <caption className="mb-1 text-left text-sm font-medium">{title}</caption>
        <thead className="text-xs text-muted">
          <tr>
            {heads.map((head, index) => (
              <th key={head} scope="col" className={index === 0 ? 'text-left font-normal' : 'text-right font-normal'}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  )
}

function Row({ name, cells }: { name: string; cells: readonly (string | number)[] }) {
  return (
    <tr className="border-t border-line">
      <th scope="row" className="py-1 text-left font-mono text-xs font-normal">
        <VisibleText text={name} />
      </th>
      {cells.map((cell, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the columns never move
        <td key={index} className="py-1 text-right">
          {cell}
        </td>
      ))}
    </tr>
  )
}
