/**
 * Every metric of ours in one table, by name: what is created, what docs/metrics.md lists and what the dashboard may ask
 * for. Labels have few values each: never a user, a project, a task or a path.
 */

interface Spec {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels?: readonly string[]
  /** Upper bounds in seconds; histograms only. */
  readonly buckets?: readonly number[]
}

const QUICK = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const LONG = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

/** What both processes count: each of them what it has committed itself, so that the sum over processes is right. */
export const SHARED_METRICS = {
  keelson_events_total: { kind: 'counter', help: 'Durable events stored', labels: ['topic'] },
  keelson_tasks_ended_total: {
    kind: 'counter',
    help: 'Tasks that ended, by outcome, failed or cancelled',
    labels: ['outcome'],
  },
  keelson_turns_total: { kind: 'counter', help: 'Turns that ended', labels: ['role'] },
  keelson_tasks_resumed_total: { kind: 'counter', help: 'Attempts that took over from one that was gone' },
  keelson_model_retries_total: {
    kind: 'counter',
    help: 'Times that a task had to wait for the model',
    labels: ['code'],
  },
  keelson_review_verdicts_total: { kind: 'counter', help: 'Review rounds that ended', labels: ['verdict'] },
  keelson_tasks_evidence_total: {
    kind: 'counter',
    help: 'Completed tasks that changed something, by what the checks of their files proved',
    labels: ['evidence'],
  },
  keelson_tool_calls_total: { kind: 'counter', help: 'Tool calls that ended', labels: ['tool', 'status'] },
  keelson_tool_call_seconds: { kind: 'histogram', help: 'Time of a tool call', labels: ['tool'], buckets: LONG },
  keelson_sandbox_starts_total: {
    kind: 'counter',
    help: 'Sandboxes made or opened for a task',
    labels: ['provider', 'reused'],
  },
  keelson_sandbox_start_seconds: {
    kind: 'histogram',
    help: 'Time to a usable sandbox',
    labels: ['provider', 'reused'],
    buckets: LONG,
  },
  keelson_sandboxes_lost_total: { kind: 'counter', help: 'Sandboxes that were gone', labels: ['provider'] },
  keelson_budgets_reached_total: { kind: 'counter', help: 'Limits that stopped a task', labels: ['scope', 'kind'] },
  keelson_redis_up: { kind: 'gauge', help: '1 while this part of the live path has Redis', labels: ['part'] },
  keelson_publish_failures_total: { kind: 'counter', help: 'Calls to Redis that failed; readers then read Postgres' },
} as const satisfies Record<string, Spec>

/**
 * What a worker counts besides {@link SHARED_METRICS}. Names and labels are a contract with dashboards;
 * `docs/metrics.md` lists them.
 */
export const WORKER_METRICS = {
  keelson_activities_running: { kind: 'gauge', help: 'Activities that run in this worker now', labels: ['activity'] },
  keelson_model_calls_total: {
    kind: 'counter',
    help: 'Model calls, ok or by error code',
    labels: ['model', 'outcome'],
  },
  keelson_model_call_seconds: { kind: 'histogram', help: 'Time of a whole reply', labels: ['model'], buckets: LONG },
  keelson_model_first_token_seconds: {
    kind: 'histogram',
    help: 'Time to the first token',
    labels: ['model'],
    buckets: LONG,
  },
  keelson_tokens_total: { kind: 'counter', help: 'Tokens, broken calls included', labels: ['model', 'kind'] },
  keelson_cost_usd_total: { kind: 'counter', help: 'Dollars spent on calls with a known price', labels: ['model'] },
  keelson_unpriced_calls_total: { kind: 'counter', help: 'Calls whose price is not known', labels: ['model'] },
} as const satisfies Record<string, Spec>

/** What the server counts besides {@link SHARED_METRICS}. */
export const SERVER_METRICS = {
  keelson_http_requests_total: { kind: 'counter', help: 'Requests answered', labels: ['method', 'route', 'status'] },
  keelson_http_request_seconds: {
    kind: 'histogram',
    help: 'Time to the answer; of a stream to its headers',
    labels: ['method', 'route'],
    buckets: QUICK,
  },
  keelson_sse_connections: { kind: 'gauge', help: 'Open event streams' },
  keelson_sse_closed_total: { kind: 'counter', help: 'Event streams that ended', labels: ['reason'] },
  keelson_sse_frames_total: { kind: 'counter', help: 'Frames sent on streams that have ended' },
  keelson_sse_bytes_total: { kind: 'counter', help: 'Bytes sent on streams that have ended' },
  keelson_event_delivery_seconds: {
    kind: 'histogram',
    help: 'From an event being told to its being handed to the readers of this process',
    buckets: QUICK,
  },
  keelson_stream_feeds: { kind: 'gauge', help: 'Projects whose stream somebody reads' },
  keelson_stream_degraded: { kind: 'gauge', help: '1 while readers are served from Postgres alone' },
  keelson_stream_backstop_total: { kind: 'counter', help: 'Events that Postgres had and the live path did not bring' },
  keelson_stream_resyncs_total: { kind: 'counter', help: 'Readers whose cursor was impossible' },
  keelson_tasks: { kind: 'gauge', help: 'Tasks that are not over, from the database', labels: ['status'] },
  keelson_outbox_entries: { kind: 'gauge', help: 'Words to Temporal that are still to be said, from the database' },
  keelson_outbox_oldest_seconds: { kind: 'gauge', help: 'Age of the oldest of them, 0 for none' },
  keelson_database_refuses_writes: { kind: 'gauge', help: '1 while Postgres takes no writes' },
  keelson_scrape_failures_total: { kind: 'counter', help: 'Times that the database could not be asked for a scrape' },
} as const satisfies Record<string, Spec>

/** Metrics by their name. */
export type Catalog = Readonly<Record<string, Spec>>
