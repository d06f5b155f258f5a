import { Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import type { StoredEvent } from '../../../src/events/topics.ts'
import { SHARED_METRICS, WORKER_METRICS } from '../../../src/metrics/catalog.ts'
import { createInstruments, createRegistry } from '../../../src/metrics/instruments.ts'
import { modelLabel, toolLabel } from '../../../src/metrics/labels.ts'
import { createMeasuredModel } from '../../../src/metrics/measured-model.ts'
import { createEventObserver } from '../../../src/metrics/observe-events.ts'
import { createServerMetrics, type ServerSources } from '../../../src/metrics/server-metrics.ts'
import type { Model, ModelRequest, StreamOptions } from '../../../src/model/types.ts'
import { AppError } from '../../../src/shared/errors.ts'
import { NO_USAGE } from '../../../src/shared/task.ts'
import { aReply } from '../../support/replies.ts'

/** The samples of our own metrics that are not 0, without the process's and a histogram's buckets. */
function samplesOf(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => /^keelson_(?!process|nodejs)/.test(line) && !line.includes('_bucket'))
  const samples = lines.map(
    (line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))] as const,
  )
  return Object.fromEntries(samples.filter(([, value]) => value !== 0))
}

function anEvent(type: StoredEvent['type'], topic: StoredEvent['topic'], payload: object): StoredEvent {
  const frame = { seq: 7, v: 1, type, projectId: 'prj_1', taskId: 'tsk_1', at: Date.now(), ...payload }
  return { seq: 7, topic, type, taskId: 'tsk_1', data: JSON.stringify(frame) }
}

describe('events', () => {
  const counted = async (...events: StoredEvent[]) => {
    const registry = createRegistry()
    createEventObserver(createInstruments(registry, SHARED_METRICS))(events)
    return samplesOf(await registry.metrics())
  }

  test('are counted by what they say', async () => {
    const status = (type: StoredEvent['type'], payload: object) => anEvent(type, 'status', payload)
    expect(
      await counted(
        status('task.completed', { outcome: 'approved' }),
        status('task.failed', { reason: {} }),
        status('turn.finished', { role: 'reviewer' }),
        status('review.verdict', { verdict: 'issues_found', summary: 'x' }),
        status('sandbox.ready', { provider: 'local-bwrap', reused: false, durationMs: 1_500 }),
        status('budget.reached', { scope: 'day', kind: 'usd', used: 1, limit: 1 }),
        anEvent('message.created', 'messages', { text: 'x' }),
      ),
    ).toEqual({
      'keelson_events_total{topic="status"}': 6,
      'keelson_events_total{topic="messages"}': 1,
      'keelson_tasks_ended_total{outcome="approved"}': 1,
      'keelson_tasks_ended_total{outcome="failed"}': 1,
      'keelson_turns_total{role="reviewer"}': 1,
      'keelson_review_verdicts_total{verdict="issues_found"}': 1,
      'keelson_sandbox_starts_total{provider="local-bwrap",reused="false"}': 1,
      'keelson_sandbox_start_seconds_sum{provider="local-bwrap",reused="false"}': 1.5,
      'keelson_sandbox_start_seconds_count{provider="local-bwrap",reused="false"}': 1,
      'keelson_budgets_reached_total{scope="day",kind="usd"}': 1,
    })
  })

  test('of tools tell name, fate and time, whatever the result and the model wrote', async () => {
    const tool = (name: string, isError: boolean, result: string) =>
      anEvent('tool.finished', 'messages', { toolUseId: 'toolu_1', name, result, isError, durationMs: 250 })
    const nasty = '"name":"read","isError":true,"durationMs":9}'.repeat(2_000)
    expect(await counted(tool('bash', false, nasty), tool('bash', true, 'no'), tool('my "tool"', true, nasty))).toEqual(
      {
        'keelson_events_total{topic="messages"}': 3,
        'keelson_tool_calls_total{tool="bash",status="ok"}': 1,
        'keelson_tool_calls_total{tool="bash",status="error"}': 1,
        'keelson_tool_calls_total{tool="other",status="error"}': 1,
        'keelson_tool_call_seconds_sum{tool="bash"}': 0.5,
        'keelson_tool_call_seconds_count{tool="bash"}': 2,
        'keelson_tool_call_seconds_sum{tool="other"}': 0.25,
        'keelson_tool_call_seconds_count{tool="other"}': 1,
      },
    )
  })
})

test('labels are known names, dated models are the models they are, the rest is other', () => {
  expect([
    modelLabel('claude-haiku-4-5-20251001'),
    modelLabel('somebody-elses'),
    toolLabel('submit_review'),
    toolLabel('rm'),
  ]).toEqual(['claude-haiku-4-5', 'other', 'submit_review', 'other'])
})

describe('a measured model', () => {
  const request = { model: 'claude-haiku-4-5', maxTokens: 1 } as ModelRequest
  const options = (signal = new AbortController().signal): StreamOptions => ({ signal, onDelta: () => undefined })
  const measure = (stream: Model['stream']) => {
    const registry = createRegistry()
    const model = createMeasuredModel({ kind: 'scripted', stream }, createInstruments(registry, WORKER_METRICS))
    return { model, samples: async () => samplesOf(await registry.metrics()) }
  }

  test('passes the reply on and counts its tokens, cost and times', async () => {
    const reply = aReply({ durationMs: 2_000, firstTokenMs: 500 })
    const { model, samples } = measure(() => Promise.resolve(reply))
    expect(await model.stream(request, options())).toBe(reply)
    const labels = 'model="claude-haiku-4-5"'
    expect(await samples()).toEqual({
      [`keelson_model_calls_total{${labels},outcome="ok"}`]: 1,
      [`keelson_model_call_seconds_sum{${labels}}`]: 2,
      [`keelson_model_call_seconds_count{${labels}}`]: 1,
      [`keelson_model_first_token_seconds_sum{${labels}}`]: 0.5,
      [`keelson_model_first_token_seconds_count{${labels}}`]: 1,
      [`keelson_tokens_total{${labels},kind="input"}`]: 10,
      [`keelson_tokens_total{${labels},kind="output"}`]: 20,
      [`keelson_tokens_total{${labels},kind="cache_read"}`]: 30,
      [`keelson_tokens_total{${labels},kind="cache_write"}`]: 40,
      [`keelson_cost_usd_total{${labels}}`]: 0.5,
    })
  })

  test('counts a failure by its code, an abort as such, and what either cost', async () => {
    const failure = new AppError('model_overloaded', 'Busy.')
    const spent = { usage: { ...NO_USAGE, outputTokens: 3 }, isEstimated: true, costUsd: null }
    const { model, samples } = measure((_, { onSpent }) => {
      onSpent?.(spent)
      return Promise.reject(failure)
    })
    const seen: unknown[] = []
    await expect(model.stream(request, { ...options(), onSpent: (one) => seen.push(one) })).rejects.toBe(failure)
    await expect(model.stream({ ...request, model: 'x' }, options(AbortSignal.abort()))).rejects.toBe(failure)
    expect([seen, await samples()]).toEqual([
      [spent],
      {
        'keelson_model_calls_total{model="claude-haiku-4-5",outcome="model_overloaded"}': 1,
        'keelson_model_calls_total{model="other",outcome="aborted"}': 1,
        'keelson_tokens_total{model="claude-haiku-4-5",kind="output"}': 3,
        'keelson_tokens_total{model="other",kind="output"}': 3,
        'keelson_unpriced_calls_total{model="claude-haiku-4-5"}': 1,
        'keelson_unpriced_calls_total{model="other"}': 1,
      },
    ])
  })
})

describe('the server', () => {
  const sources = (overrides: Partial<ServerSources> = {}): ServerSources => ({
    hub: { status: { redis: 'up', feeds: 2, viewers: 3, backstopDelivered: 5, resyncs: 1 } },
    sse: { openCount: 4 },
    publisher: { status: { redis: 'down', failures: 6 } },
    db: { refusedWrites: { isFailing: false } },
    readDepths: () =>
      Promise.resolve({
        tasks: { accepted: 1, running: 2, cancelling: 0, needs_budget: 3, needs_answer: 1 },
        outboxEntries: 7,
        outboxOldestSeconds: 8,
      }),
    ...overrides,
  })

  test('shows its parts’ state, and counts what they counted once however often it is scraped', async () => {
    const metrics = createServerMetrics()
    await metrics.text(sources())
    metrics.onStreamClosed({ reason: 'left', frames: 3, bytes: 100 })
    expect(samplesOf(await metrics.text(sources()))).toEqual({
      'keelson_redis_up{part="hub"}': 1,
      keelson_publish_failures_total: 6,
      keelson_stream_backstop_total: 5,
      keelson_stream_resyncs_total: 1,
      keelson_stream_feeds: 2,
      keelson_sse_connections: 4,
      'keelson_sse_closed_total{reason="left"}': 1,
      keelson_sse_frames_total: 3,
      keelson_sse_bytes_total: 100,
      'keelson_tasks{status="accepted"}': 1,
      'keelson_tasks{status="running"}': 2,
      'keelson_tasks{status="needs_budget"}': 3,
      'keelson_tasks{status="needs_answer"}': 1,
      keelson_outbox_entries: 7,
      keelson_outbox_oldest_seconds: 8,
    })
  })

  test('answers a scrape while the database is away, without old figures of it', async () => {
    const metrics = createServerMetrics()
    await metrics.text(sources())
    const text = await metrics.text(sources({ readDepths: () => Promise.reject(new Error('away')) }))
    const samples = samplesOf(text)
    expect(samples['keelson_scrape_failures_total']).toBe(1)
    expect(Object.keys(samples).filter((name) => /^keelson_(tasks|outbox)/.test(name))).toEqual([])
  })

  test('counts requests by the route’s pattern, never by path', async () => {
    const metrics = createServerMetrics()
    const app = new Hono()
    app.use(metrics.middleware)
    app.use(async (_, next) => await next())
    app.get('/api/tasks/:taskId', (c) => c.json({}))
    app.get('/broken', () => {
      throw new Error('x')
    })
    app.onError((_, c) => c.json({}, 503))
    for (const path of ['/api/tasks/a', '/api/tasks/b', '/broken', '/nothing/here']) await app.request(path)
    await app.request('/api/tasks/a', { method: 'MKCOL' })
    const samples = samplesOf(await metrics.text(sources()))
    expect(Object.entries(samples).filter(([name]) => name.startsWith('keelson_http_requests_total'))).toEqual([
      ['keelson_http_requests_total{method="GET",route="/api/tasks/:taskId",status="200"}', 2],
      ['keelson_http_requests_total{method="GET",route="/broken",status="503"}', 1],
      ['keelson_http_requests_total{method="GET",route="other",status="404"}', 1],
      ['keelson_http_requests_total{method="other",route="other",status="404"}', 1],
    ])
  })

  test('measures how long an event took from being told', async () => {
    const metrics = createServerMetrics()
    metrics.onDelivered(anEvent('turn.started', 'status', { role: 'coder', at: Date.now() - 20 }))
    metrics.onDelivered({ ...anEvent('turn.started', 'status', {}), data: '{}' })
    const samples = samplesOf(await metrics.text(sources()))
    expect(samples['keelson_event_delivery_seconds_count']).toBe(1)
    expect(samples['keelson_event_delivery_seconds_sum']).toBeGreaterThanOrEqual(0.02)
  })
})
