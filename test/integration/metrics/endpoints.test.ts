import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readDepths } from '../../../src/db/stream/depths.ts'
import { startMetricsListener } from '../../../src/metrics/listener.ts'
import { createServerMetrics } from '../../../src/metrics/server-metrics.ts'
import { post } from '../../support/tasks.ts'
import { aDatabase, aServer, type TestServer, TOKEN } from '../server/harness.ts'

let server: TestServer
let drop: () => Promise<void>
beforeAll(async () => {
  const database = await aDatabase()
  drop = database.drop
  const metrics = createServerMetrics()
  const text = (): Promise<string> => metrics.text({ ...server, readDepths: () => readDepths(server.db) })
  const { middleware, contentType } = metrics
  server = await aServer({
    databaseUrl: database.url,
    redisUrl: process.env['KEELSON_TEST_REDIS_URL'] ?? '',
    deps: { metrics: { middleware, contentType, text } },
  })
})
afterAll(async () => {
  await server.close()
  await drop()
})

async function call(
  method: string,
  path: string,
  body?: object,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(server.url + path, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, ...(body ? { 'content-type': 'application/json' } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

/** Status and the field that is complained of. */
async function refused(method: string, path: string, body?: object): Promise<[number, string | undefined]> {
  const answer = await call(method, path, body)
  const { details } = answer.body['error'] as { details?: object }
  return [answer.status, Object.keys(details ?? {})[0]]
}

describe('GET /metrics', () => {
  test('wants the token, and shows what waits with it', async () => {
    await post(server.db, { projectId: await server.aProject() })
    expect((await fetch(`${server.url}/metrics`)).status).toBe(401)
    const response = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } })
    const text = await response.text()
    expect([response.status, response.headers.get('content-type')]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
    ])
    expect(text).toContain('keelson_tasks{status="accepted"} 1\n')
    expect(text).toContain('keelson_outbox_entries 1\n')
    expect(text).toContain('keelson_http_requests_total{method="GET",route="/metrics",status="401"} 1\n')
  })
})

describe('the figures over HTTP', () => {
  test('of a project and of all have the last 30 days by default', async () => {
    const projectId = await server.aProject()
    await post(server.db, { projectId })
    const one = await call('GET', `/api/workspace/${projectId}/metrics`)
    const all = await call('GET', '/api/metrics?bucket=week')
    const { range, tasks, series } = one.body as {
      range: { from: string; to: string; bucket: string }
      tasks: { total: number }
      series: object[]
    }
    expect([one.status, all.status, range.bucket, tasks.total, series.length]).toEqual([200, 200, 'day', 1, 31])
    expect(Date.parse(range.to) - Date.parse(range.from)).toBe(30 * 86_400_000)
    expect((all.body['tasks'] as { total: number }).total).toBeGreaterThan(1)
  })

  test.each([
    ['?from=yesterday', 'from'],
    ['?to=2026-13-01', 'to'],
    ['?from=0001-01-01', 'from'],
    ['?bucket=minute', 'bucket'],
    ['?from=2026-11-02&to=2026-11-01', 'from'],
    ['?from=2020-01-01&to=2026-01-01', 'bucket'],
    ['?from=2026-11-01&to=2026-11-20&bucket=hour', 'bucket'],
  ])('%s is refused by its field', async (query, field) => {
    expect(await refused('GET', `/api/metrics${query}`)).toEqual([400, field])
  })

  test('take dates and times with an offset', async () => {
    const answer = await call('GET', '/api/metrics?from=2026-11-01&to=2026-11-02T01:00:00%2B01:00&bucket=hour')
    expect(answer.body['range']).toEqual({
      from: '2026-11-01T00:00:00.000Z',
      to: '2026-11-02T00:00:00.000Z',
      bucket: 'hour',
    })
  })

  test('of a project that is not there, or no more, are not found', async () => {
    const projectId = await server.aProject()
    await fetch(`${server.url}/api/projects/${projectId}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${TOKEN}` },
    })
    expect((await call('GET', `/api/workspace/${projectId}/metrics`)).status).toBe(404)
    expect((await call('GET', '/api/workspace/prj_none/metrics')).status).toBe(404)
  })
})

describe('a project’s budget over HTTP', () => {
  test('is set by PATCH, shown, and the dispatcher is told at once', async () => {
    const projectId = await server.aProject()
    const kicks = server.kicks()
    const budget = { task: { maxUsd: 1 }, project: { maxTurns: 100 }, day: { maxMinutes: 30.5 } }
    const patched = await call('PATCH', `/api/projects/${projectId}`, { budget })
    const taken = await call('PATCH', `/api/projects/${projectId}`, { name: 'new', budget: { task: { maxUsd: null } } })
    expect([patched.status, patched.body['budget'], server.kicks() - kicks]).toEqual([200, budget, 2])
    expect(taken.body).toMatchObject({ name: 'new', budget: { project: { maxTurns: 100 }, day: { maxMinutes: 30.5 } } })
    expect((await call('GET', `/api/projects/${projectId}`)).body['budget']).toEqual(taken.body['budget'])
  })

  test.each([
    [{ budget: { week: {} } }, 'budget.week'],
    [{ budget: { day: { maxUsd: 0 } } }, 'budget.day.maxUsd'],
    [{ budget: { project: { maxTurns: 1.5 } } }, 'budget.project.maxTurns'],
    [{ budget: { task: { maxCents: 1 } } }, 'budget.task.maxCents'],
    [{ budget: { day: { maxUsd: 'much' } } }, 'budget.day.maxUsd'],
  ])('%j is refused by its field, and nothing is stored', async (body, field) => {
    const projectId = await server.aProject()
    const [status, named = ''] = await refused('PATCH', `/api/projects/${projectId}`, { name: 'changed', ...body })
    expect([status, field.startsWith(named)]).toEqual([400, true])
    expect((await call('GET', `/api/projects/${projectId}`)).body).toMatchObject({ name: 'test', budget: {} })
  })
})

describe('a worker’s listener', () => {
  const ask = (port: number, options: { host?: string; token?: string; path?: string; method?: string }) =>
    new Promise<number>((resolve, reject) => {
      const headers = {
        host: options.host ?? `127.0.0.1:${port}`,
        ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
      }
      const { path = '/metrics', method = 'GET' } = options
      const sent = request({ port, host: '127.0.0.1', path, method, headers, agent: false }, (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
      sent.on('error', reject)
      sent.end()
    })

  test('shows the figures to who has the token and names this machine, and says no to the rest', async () => {
    const options = { contentType: 'text/plain', token: TOKEN, text: () => Promise.resolve('keelson_x 1\n') }
    const { port, close } = await startMetricsListener({ ...options, port: 0 })
    try {
      const token = TOKEN
      expect({
        right: await ask(port, { token }),
        none: await ask(port, {}),
        wrong: await ask(port, { token: 'x' }),
        host: await ask(port, { token, host: 'evil.example' }),
        path: await ask(port, { token, path: '/' }),
        method: await ask(port, { token, method: 'POST' }),
      }).toEqual({ right: 200, none: 401, wrong: 401, host: 403, path: 404, method: 405 })
      await expect(startMetricsListener({ ...options, port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    } finally {
      await close()
    }
    await expect(ask(port, {})).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})
