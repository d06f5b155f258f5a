import { afterAll, beforeAll, expect, test } from 'vitest'
import { deleteProject } from '../../../src/db/project/projects.ts'
import { until } from './harness.ts'
import { aServiceHost, at, type ServiceHost, type ShownService } from './service-host.ts'
import { readSse } from './sse-client.ts'

const SERVER = (port: number) =>
  `echo ready on http://localhost:${port}; exec node -e "require('node:http').createServer((q, a) => a.end(process.pid + q.url)).listen(${port})"`

let host: ServiceHost

beforeAll(async () => {
  host = await aServiceHost()
})
afterAll(() => host?.close())

async function eventsOf(projectId: string): Promise<Record<string, number>> {
  const { rows } = await host.db.pool.query<{ type: string; count: number }>(
    'SELECT type, count(*)::int AS count FROM events WHERE project_id = $1 GROUP BY type ORDER BY type',
    [projectId],
  )
  return Object.fromEntries(rows.map(({ type, count }) => [type, count]))
}

test('a service is started, found by its port, told on the stream with its output, stopped and started anew', async () => {
  const projectId = await host.server.aProject()
  const stream = await readSse(`${host.server.url}/api/workspace/${projectId}/events?topics=terminal,status`)
  const id = await host.start(projectId, SERVER(5170))
  const again = await host.call<ShownService>('POST', at(projectId), { command: SERVER(5170) })
  expect([again.status, again.body.id]).toEqual([200, id])
  expect(await host.inState(projectId, id, 'listening')).toMatchObject({ port: 5170, exitCode: null })
  const output = await until(
    () => stream.frames.find(({ data }) => data.type === 'output' && data.toolUseId === id),
    'its output arrives',
  )
  expect(output).toMatchObject({ event: 'terminal', data: { partId: `${id}/output`, offset: 0 } })
  const log = await host.call<{ text: string }>('GET', `${at(projectId)}/${id}/log`)
  expect(log.body.text).toBe('ready on http://localhost:5170\n')

  const restarted = await host.call<ShownService>('POST', `${at(projectId)}/${id}/restart`)
  expect([restarted.status, restarted.body.id === id]).toEqual([201, false])
  await host.inState(projectId, restarted.body.id, 'listening')
  expect((await host.call('DELETE', `${at(projectId)}/${restarted.body.id}`)).status).toBe(204)
  expect((await host.call('DELETE', `${at(projectId)}/${restarted.body.id}`)).status).toBe(204)
  expect((await host.list(projectId)).map(({ state, exitCode, tail }) => ({ state, exitCode, tail }))).toEqual([
    { state: 'stopped', exitCode: null, tail: 'ready on http://localhost:5170\n' },
    { state: 'stopped', exitCode: null, tail: 'ready on http://localhost:5170\n' },
  ])
  await stream.has('service.stopped')
  await stream.close()
  expect(await eventsOf(projectId)).toEqual({
    'command.finished': 2,
    'command.started': 2,
    'service.listening': 2,
    'service.started': 2,
    'service.stopped': 2,
  })
})

test('a service outlives the worker that followed it: the next one takes over the very same process', async () => {
  const projectId = await host.server.aProject()
  const id = await host.start(projectId, `echo run >> runs; ${SERVER(5171)}`)
  await host.inState(projectId, id, 'listening')
  await host.keepers[0]?.close()
  const late = await host.start(projectId, 'echo run >> late; sleep 60')
  expect((await host.list(projectId)).map(({ state }) => state)).toEqual(['listening', 'starting'])
  host.aKeeper()
  const sandbox = await host.workspaces.open(projectId)
  await until(async () => (await sandbox.stat('late')) !== null, 'the late one runs')
  await host.call('DELETE', `${at(projectId)}/${id}`)
  await host.call('DELETE', `${at(projectId)}/${late}`)
  const runs = Buffer.from((await sandbox.read('runs')).data).toString()
  expect([runs, (await eventsOf(projectId))['service.stopped']]).toEqual(['run\n', 2])
})

test('a service that ends says how, and one that floods is told in part and kept in part', async () => {
  const projectId = await host.server.aProject()
  const stream = await readSse(`${host.server.url}/api/workspace/${projectId}/events?topics=terminal`)
  const fails = await host.start(projectId, 'echo no such thing; exit 3')
  expect(await host.inState(projectId, fails, 'exited')).toMatchObject({ exitCode: 3, tail: 'no such thing\n' })
  const floods = await host.start(projectId, 'head -c 20000000 /dev/zero | tr "\\0" x; echo; echo the end')
  const ended = await host.inState(projectId, floods, 'exited')
  const finished = await until(
    () => stream.frames.find(({ data }) => data.type === 'command.finished' && data.toolUseId === floods),
    'its end arrives',
  )
  const published = stream.frames.flatMap(({ data }) =>
    data.type === 'output' && data.toolUseId === floods ? [Buffer.from(data.data, 'base64').length] : [],
  )
  expect(published.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(256 * 1024)
  expect(finished.data).toMatchObject({ truncated: true, bytes: 20_000_009 })
  expect([ended.tail.endsWith('x\nthe end\n'), ended.tail.length]).toEqual([true, 8 * 1024])
  const log = await host.call<{ text: string; truncated: boolean }>('GET', `${at(projectId)}/${floods}/log`)
  expect([log.body.truncated, log.body.text.length < 140_000]).toEqual([true, true])
  await stream.close()
})

test('nobody looks, the project goes, there are too many: each has its end or its refusal', async () => {
  const projectId = await host.server.aProject()
  const ids = [
    await host.start(projectId, 'sleep 601'),
    await host.start(projectId, 'sleep 602'),
    await host.start(projectId, 'sleep 603'),
  ]
  expect(await host.call('POST', at(projectId), { command: 'sleep 604' })).toMatchObject({
    status: 409,
    body: { error: { code: 'service_limit', message: 'A project runs at most 3 services; stop one first.' } },
  })
  const other = await host.server.aProject()
  const last = await host.start(other, 'sleep 605')
  expect(await host.call('POST', at(other), { command: 'sleep 606' })).toMatchObject({
    status: 409,
    body: { error: { code: 'service_limit', message: expect.stringContaining('This host runs at most 4 services') } },
  })
  await host.db.pool.query(`UPDATE services SET viewed_at = now() - interval '61 minutes' WHERE id = $1`, [ids[0]])
  expect(await host.inState(projectId, ids[0] ?? '', 'stopped')).toMatchObject({
    reason: 'Nobody looked at it for 60 minutes.',
  })
  await deleteProject(host.db, projectId)
  const ended = await until(async () => {
    const { rows } = await host.db.pool.query(
      'SELECT state, reason FROM services WHERE project_id = $1 AND ended_at IS NOT NULL',
      [projectId],
    )
    return rows.length === 3 && rows
  }, 'all are ended')
  expect(ended.slice(1)).toEqual([
    { state: 'stopped', reason: 'Its project was deleted.' },
    { state: 'stopped', reason: 'Its project was deleted.' },
  ])
  expect((await host.call('DELETE', `${at(other)}/${last}`)).status).toBe(204)
})

test('bad input is refused naming the field and the way out', async () => {
  const projectId = await host.server.aProject()
  const refused = async (body: object) => {
    const { status, body: answer } = await host.call<{ error: { details?: object } }>('POST', at(projectId), body)
    return [status, answer.error.details]
  }
  expect([
    await refused({}),
    await refused({ command: '' }),
    await refused({ command: 'a\0b' }),
    await refused({ command: 'x'.repeat(10_001) }),
    await refused({ command: 'x', port: 0 }),
    await refused({ command: 'x', port: 70_000 }),
    await refused({ name: 'web' }),
    await refused({ name: 'a\nb', command: 'x' }),
    await refused({ command: 'x', cwd: '/' }),
  ]).toMatchObject([
    [400, { command: expect.stringContaining('give a command') }],
    [400, { command: 'must not be empty' }],
    [400, { command: 'must not contain NUL characters' }],
    [400, { command: 'must be at most 10,000 characters' }],
    [400, { port: expect.any(String) }],
    [400, { port: expect.any(String) }],
    [400, { name: 'unknown service' }],
    [400, { name: 'must be one line' }],
    [400, expect.anything()],
  ])
  const missing = [
    await host.call('GET', at('prj_none')),
    await host.call('POST', at('prj_none'), { command: 'x' }),
    await host.call('DELETE', `${at(projectId)}/svc-none`),
    await host.call('GET', `${at(projectId)}/svc-none/log`),
    await host.call('POST', `${at(projectId)}/svc-none/restart`),
  ]
  expect(missing.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404])
})
