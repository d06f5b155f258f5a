import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { appendEvents, latestSeq } from '../../../src/db/stream/events.ts'
import { pruneEvents } from '../../../src/db/stream/retention.ts'
import type { NewEvent } from '../../../src/events/topics.ts'
import { aDatabase, anOwnRedis, aServer, type OwnRedis, type TestServer, TOKEN, until } from './harness.ts'
import { readSse, sendRaw } from './sse-client.ts'

let database: Awaited<ReturnType<typeof aDatabase>> | undefined
let redis: OwnRedis | undefined
let server: TestServer
let projectId: string

beforeAll(async () => {
  database = await aDatabase()
  redis = await anOwnRedis()
})
afterAll(async () => {
  await redis?.close()
  await database?.drop()
})
beforeEach(async () => {
  server = await aServer({
    databaseUrl: database?.url ?? '',
    redisUrl: redis?.url ?? '',
    limits: {
      maxQueueBytes: 256 * 1024,
      maxQueueFrames: 200,
      writeTimeoutMs: 6e4,
    },
  })
  projectId = await server.aProject()
})
afterEach(() => server.close())

const jsonHeaders = { 'content-type': 'application/json' }
const chatUrl = (): string => `${server.url}/api/workspace/${projectId}/claude/chat`
const post = (body: object, headers: Record<string, string> = {}) =>
  readSse(chatUrl(), { method: 'POST', headers: { ...jsonHeaders, ...headers }, body: JSON.stringify(body) })
const postJson = async (body: object) => {
  const headers = { ...jsonHeaders, accept: 'application/json', authorization: `Bearer ${TOKEN}` }
  const response = await fetch(chatUrl(), { method: 'POST', headers, body: JSON.stringify(body) })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
let key = 0
const big = (taskId: string | null, sizeBytes: number): NewEvent => ({
  type: 'tool.finished',
  key: `big${key++}`,
  scope: {
    projectId,
    conversationId: 'c',
    taskId,
  },
  payload: {
    toolUseId: 'u',
    name: 'bash',
    result: 'x'.repeat(sizeBytes),
    isError: false,
    durationMs: 1,
  },
})

async function aConversation(): Promise<string> {
  const made = await fetch(`${server.url}/api/workspace/${projectId}/conversations`, {
    method: 'POST',
    headers: { ...jsonHeaders, authorization: `Bearer ${TOKEN}` },
    body: '{}',
  })
  return ((await made.json()) as { id: string }).id
}

describe('the chat call', () => {
  test('streams from task.accepted on', async () => {
    const reader = await post({ message: 'Hello' })
    await reader.has('message.created')
    expect({
      status: reader.status,
      types: reader.frames.map(({ data }) => data.type),
      seqs: reader.seqs,
      kicks: server.kicks(),
    }).toEqual({
      status: 200,
      types: ['task.accepted', 'message.created'],
      seqs: [1, 2],
      kicks: 1,
    })
    await reader.close()
  })

  test('fifty posts with one clientMessageId make one message and one task', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => postJson({ message: 'Once', clientMessageId: 'same' })),
    )
    const ids = new Set(answers.map(({ body }) => `${String(body['taskId'])} ${String(body['messageId'])}`))
    expect({ statuses: [...new Set(answers.map(({ status }) => status))], ids: ids.size }).toEqual({
      statuses: [202],
      ids: 1,
    })
    const other = await postJson({ message: 'Twice', clientMessageId: 'same' })
    expect([other.status, (other.body['error'] as { code: string }).code]).toEqual([409, 'idempotency_mismatch'])
    const again = await post({ message: 'Once', clientMessageId: 'same' })
    expect((await again.has('task.accepted')).data).toMatchObject({ taskId: answers[0]?.body['taskId'] })
    await again.close()
  })

  test('a second message joins the running task, a message of another conversation waits for it', async () => {
    const first = await postJson({ message: 'One' })
    const second = await postJson({ message: 'Two' })
    const conversationId = await aConversation()
    const waiting = await post({ message: 'Three', conversationId })
    const accepted = await waiting.has('task.accepted')
    expect({ joined: second.body['joined'], same: second.body['taskId'] === first.body['taskId'] }).toEqual({
      joined: true,
      same: true,
    })
    expect(accepted.data).toMatchObject({ waitingFor: first.body['taskId'] })
    await waiting.has('message.queued')
    await waiting.close()
  })

  test('leaving the stream leaves the task as it is', async () => {
    const reader = await post({ message: 'Stay' })
    const taskId = reader.headers.get('x-keelson-task-id') ?? ''
    await reader.close()
    await until(() => server.sse.openCount === 0, 'the stream is closed')
    const response = await fetch(`${server.url}/api/tasks/${taskId}`, { headers: { authorization: `Bearer ${TOKEN}` } })
    expect(await response.json()).toMatchObject({ id: taskId, status: 'accepted', workers: 'none' })
  })
})

describe('what retention removed', () => {
  const authorized = { authorization: `Bearer ${TOKEN}` }

  /** A project whose first task ended long ago and was pruned, and whose second one is still kept. */
  async function prunedProject(): Promise<{ old: string; kept: string; latest: number }> {
    const old = String((await postJson({ message: 'Old' })).body['taskId'])
    await appendEvents(server.db, projectId, [big(old, 10), big(null, 10)])
    await fetch(`${server.url}/api/tasks/${old}`, { headers: authorized })
    await server.db.pool.query(
      `UPDATE tasks SET status = 'completed', finished_at = now() - interval '40 days' WHERE id = $1`,
      [old],
    )
    const kept = String((await postJson({ message: 'Kept' })).body['taskId'])
    // More than the server holds in memory, so that what is old must come from Postgres.
    await appendEvents(
      server.db,
      projectId,
      Array.from({ length: 300 }, () => big(kept, 10)),
    )
    expect(await pruneEvents(server.db, 30)).toBe(3)
    expect(await pruneEvents(server.db, 30)).toBe(0)
    return { old, kept, latest: (await latestSeq(server.db, projectId)) ?? 0 }
  }

  test('a reader from before it gets one resync and goes on from there; one from after it gets everything', async () => {
    const { old, kept, latest } = await prunedProject()
    const events = (path: string, after: number) => readSse(`${server.url}/api/${path}/events?after=${after}`)
    const late = await events(`workspace/${projectId}`, 1)
    const resync = await late.has('stream.resync')
    const [next] = await appendEvents(server.db, projectId, [big(kept, 10)])
    await until(() => late.seqs.at(-1) === next?.seq, 'the late reader goes on')
    const inTime = await events(`workspace/${projectId}`, 3)
    await until(() => inTime.seqs.length === latest + 1 - 3, 'the reader in time has all')
    const ownTask = await events(`tasks/${kept}`, 0)
    await until(() => ownTask.seqs.at(-1) === next?.seq, 'the kept task is told whole')
    const oldTask = await events(`tasks/${old}`, 0)
    await oldTask.ended()
    expect({
      resync: [resync.id, (resync.data as { latestSeq?: number }).latestSeq],
      late: late.frames.filter((frame) => frame.data.type !== undefined).map((frame) => frame.data.type),
      inTime: inTime.frames.filter((frame) => frame.data.type === 'stream.resync').length,
      own: ownTask.frames.filter((frame) => frame.data.type === 'stream.resync').length,
      old: oldTask.frames.map((frame) => frame.data.type),
    }).toEqual({
      resync: [String(latest), latest],
      late: ['stream.resync', 'tool.finished'],
      inTime: 0,
      own: 0,
      old: ['stream.resync'],
    })
    for (const reader of [late, inTime, ownTask, oldTask]) await reader.close()
  })
})

describe('a stream', () => {
  test('of a task ends after its terminal event, and a rejoin at any cursor brings the rest and ends too', async () => {
    const first = await postJson({ message: 'One' })
    const conversationId = await aConversation()
    const reader = await post({ message: 'Two', conversationId })
    await reader.has('task.accepted')
    const taskId = reader.headers.get('x-keelson-task-id') ?? ''
    // A waiting task needs no worker to be cancelled.
    const cancel = await fetch(`${server.url}/api/tasks/${taskId}/cancel`, {
      method: 'POST',
      headers: {
        ...jsonHeaders,
        authorization: `Bearer ${TOKEN}`,
      },
      body: '{}',
    })
    await reader.ended()
    const types = reader.frames.map(({ data }) => data.type)
    expect({
      status: cancel.status,
      last: types.at(-1),
      completes: types.filter((type) => type === 'message.completed'),
    }).toEqual({
      status: 202,
      last: 'task.cancelled',
      completes: ['message.completed'],
    })
    for (const cursor of [0, ...reader.seqs]) {
      const again = await readSse(`${server.url}/api/tasks/${taskId}/events?after=${cursor}`)
      await again.ended()
      expect(again.seqs).toEqual(reader.seqs.filter((seq) => seq > cursor))
    }
    expect(first.status).toBe(202)
  })

  test('goes on after Last-Event-ID, which wins over the address, and resyncs once on a cursor that never was', async () => {
    await appendEvents(
      server.db,
      projectId,
      Array.from({ length: 5 }, () => big(null, 10)),
    )
    const url = `${server.url}/api/workspace/${projectId}/events?after=1`
    const header = await readSse(url, { cursor: 3 })
    const garbage = await readSse(`${server.url}/api/workspace/${projectId}/events?after=banana`)
    await until(() => header.seqs.length === 2, 'the rest arrives')
    const resync = await garbage.has('stream.resync')
    expect({ seqs: header.seqs, id: resync.id, data: resync.data }).toMatchObject({
      seqs: [4, 5],
      id: '5',
      data: { latestSeq: 5 },
    })
    await Promise.all([header.close(), garbage.close()])
  })

  test('carries only the topics that were asked for', async () => {
    await postJson({ message: 'Hi' })
    const reader = await readSse(`${server.url}/api/workspace/${projectId}/events?after=0&topics=messages`)
    await reader.has('message.created')
    expect(reader.frames.filter(({ event }) => event !== 'ping').map(({ event }) => event)).toEqual(['messages'])
    await reader.close()
  })

  test('is cut when its reader stops reading, while the others get everything, and memory is let go', async () => {
    const stalled = await sendRaw(server.port, `GET /api/workspace/${projectId}/events HTTP/1.1`)
    stalled.socket.pause()
    const reader = await readSse(`${server.url}/api/workspace/${projectId}/events`)
    await until(() => server.sse.openCount === 2, 'both are open')
    await until(() => server.hub.status.viewers === 2, 'both have joined')
    // More than sockets and queue hold together.
    for (let i = 0; i < 400; i++) {
      await appendEvents(server.db, projectId, [big(null, 64 * 1024)])
      // At the pace of the good reader, which a busy machine must not make a slow one.
      await until(() => reader.seqs.length > i, 'the other reader has it')
    }
    await until(() => server.closed.some(({ reason }) => reason === 'slow'), 'the slow reader is cut')
    expect(reader.seqs).toEqual(Array.from({ length: 400 }, (_, i) => i + 1))
    await reader.close()
    stalled.socket.destroy()
    await until(() => server.sse.openCount === 0, 'nothing is open')
  })

  test('is closed at once when its reader resets the connection or closes half of it', async () => {
    const request = `GET /api/workspace/${projectId}/events HTTP/1.1`
    const reset = await sendRaw(server.port, request)
    const half = await sendRaw(server.port, request)
    await until(() => server.hub.status.viewers === 2, 'both are open')
    reset.socket.resetAndDestroy()
    half.socket.end()
    await until(() => server.sse.openCount === 0 && server.hub.status.viewers === 0, 'both are gone')
    expect(server.closed.map(({ reason }) => reason)).toEqual(['left', 'left'])
    half.socket.destroy()
  })

  test('says headers that no proxy buffers, and when the server stops it says when to come back and ends', async () => {
    const reader = await readSse(`${server.url}/api/workspace/${projectId}/events`)
    server.sse.endAll(3_000)
    await reader.ended()
    const last = reader.frames.at(-1)?.data as { type: string; reconnectAfterMs?: number }
    expect({
      cache: reader.headers.get('cache-control'),
      buffering: reader.headers.get('x-accel-buffering'),
      type: last.type,
      delay: typeof last.reconnectAfterMs,
    }).toEqual({ cache: 'no-cache, no-transform', buffering: 'no', type: 'stream.degraded', delay: 'number' })
  })

  test('pings by name with the time and the latest seq', async () => {
    const quick = await aServer({
      databaseUrl: database?.url ?? '',
      redisUrl: redis?.url ?? '',
      limits: { pingEveryMs: 20 },
    })
    await postJson({ message: 'Hi' })
    const reader = await readSse(`${quick.url}/api/workspace/${projectId}/events`)
    const ping = await until(() => reader.frames.filter(({ event }) => event === 'ping').at(3), 'pings arrive')
    expect({ id: ping.id, data: ping.data }).toMatchObject({ id: undefined, data: { latestSeq: 2 } })
    await reader.close()
    await quick.close()
  })
})

test('when no stream is free a message is refused and not stored, first or follow-up; a place that was not used is free again', async () => {
  const full = await aServer({ databaseUrl: database?.url ?? '', redisUrl: redis?.url ?? '', maxStreams: 1 })
  try {
    const [mine, other] = [await full.aProject(), await full.aProject()]
    const say = (project: string, message: string, accept: string, more: object = {}) =>
      fetch(`${full.url}/api/workspace/${project}/claude/chat`, {
        method: 'POST',
        headers: { ...jsonHeaders, accept, authorization: `Bearer ${TOKEN}` },
        body: JSON.stringify({ message, ...more }),
      })
    const stored = async (project: string) => {
      const { rows } = await full.db.pool.query<{ text: string }>(
        `SELECT text FROM messages WHERE project_id = $1 AND role = 'user' ORDER BY position`,
        [project],
      )
      return rows.map(({ text }) => text)
    }
    expect((await say(mine, 'unknown', 'text/event-stream', { conversationId: 'cnv_none' })).status).toBe(404)
    const open = await say(mine, 'first', 'text/event-stream')
    const refused = [
      await say(mine, 'follow-up', 'text/event-stream'),
      await say(other, 'first elsewhere', 'text/event-stream'),
      await say(other, 'as json', 'application/json'),
    ].map(({ status }) => status)
    expect([open.status, refused, await stored(mine), await stored(other)]).toEqual([
      200,
      [429, 429, 202],
      ['first'],
      ['as json'],
    ])
    await open.body?.cancel()
  } finally {
    await full.close()
  }
})
