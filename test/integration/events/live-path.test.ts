import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createDb, type Db } from '../../../src/db/client.ts'
import { createProject } from '../../../src/db/project/projects.ts'
import { appendEvents, latestSeqs, readEvents } from '../../../src/db/stream/events.ts'
import { prunedSeq } from '../../../src/db/stream/retention.ts'
import type { Frame } from '../../../src/events/frame.ts'
import { createHub, type Hub, type Joined, type JoinRequest } from '../../../src/events/hub.ts'
import { createPublisher, type Publisher } from '../../../src/events/publisher.ts'
import type { NewEvent } from '../../../src/events/topics.ts'
import { aDatabase, anOwnRedis, type OwnRedis, silent, until } from '../server/harness.ts'

let database: Awaited<ReturnType<typeof aDatabase>>
let redis: OwnRedis
let publisher: Publisher
let db: Db
let hub: Hub
let projectId: string

const newHub = (): Hub =>
  createHub({
    redisUrl: redis.url,
    source: {
      readEvents: (asked) => readEvents(db, asked),
      latestSeqs: (ids) => latestSeqs(db, ids),
      prunedSeq: (stream) => prunedSeq(db, stream),
    },
    log: silent,
  })

beforeAll(async () => {
  database = await aDatabase()
})
afterAll(() => database?.drop())

beforeEach(async () => {
  redis = await anOwnRedis()
  publisher = createPublisher({ redisUrl: redis.url, log: silent })
  db = createDb({
    url: database.url,
    applicationName: 'live-path',
    poolSize: 4,
    onEvents: publisher.publishEvents,
    onConnectionError: () => undefined,
  })
  hub = newHub()
  const input = { name: 'p', source: { kind: 'empty' } as const, sandboxProvider: 'local-bwrap' }
  projectId = (await createProject(db, input)).id
  await until(() => hub.status.redis === 'up' && publisher.status.redis === 'up', 'redis is connected')
})
afterEach(async () => {
  hub.close()
  await publisher.close()
  await db.close()
  await redis.close()
})

const scope = (turn = 1) => ({ projectId, conversationId: 'c', taskId: 't', turn })
let key = 0
const started = (): NewEvent => ({ type: 'turn.started', key: `k${key++}`, scope: scope(), payload: { role: 'coder' } })
const closing = (partId: string, text: string): NewEvent => ({
  type: 'message.completed',
  key: `k${key++}`,
  scope: scope(),
  payload: {
    messageId: 'm',
    role: 'assistant',
    complete: false,
    parts: [
      {
        partId,
        type: 'text',
        text,
      },
    ],
  },
})
const append = (...events: NewEvent[]) => appendEvents(db, projectId, events)
const say = (partId: string, offset: number, delta: string, lease = 1): void =>
  publisher.publishDelta(
    { type: 'text.delta', scope: scope(), payload: { messageId: 'm', partId, offset, delta } },
    lease,
  )

/** A viewer that folds as the contract says. */
class Watcher {
  readonly seqs: number[] = []
  readonly texts = new Map<string, string>()
  readonly said: string[] = []
  joined: Joined | undefined

  async join(at: Hub, request: Partial<JoinRequest> = {}): Promise<this> {
    const sink = { send: (frame: Frame) => this.#take(frame), drained: () => Promise.resolve(true) }
    this.joined = await at.join({ projectId, after: 0, ...request }, sink)
    return this
  }

  #take(frame: Frame): void {
    if (frame.seq !== null) this.seqs.push(frame.seq)
    for (const [, json = '{}'] of frame.bytes.toString().matchAll(/data: (.*)\n/g)) {
      const data = JSON.parse(json) as { type: string; partId?: string; offset?: number; delta?: string }
      if (data.type.startsWith('stream.')) this.said.push(json)
      if (data.partId === undefined || data.delta === undefined) continue
      const known = this.texts.get(data.partId) ?? ''
      if (data.offset === known.length) this.texts.set(data.partId, known + data.delta)
    }
  }
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1)

describe('the live path', () => {
  test('brings durable events and merged text to a viewer, and the open part to one who joins late', async () => {
    const early = await new Watcher().join(hub)
    await append(started())
    const whole = 'The quick brown fox. '.repeat(20)
    for (let at = 0; at < whole.length; at += 3) say('a', at, whole.slice(at, at + 3))
    await until(() => early.texts.get('a') === whole, 'the text arrives')
    const late = await new Watcher().join(hub, { after: 'latest' })
    const elsewhere = newHub()
    const other = await new Watcher().join(elsewhere)
    expect([late.texts.get('a'), other.texts.get('a')]).toEqual([whole, whole])
    await append(closing('a', whole))
    await until(() => [early, other].every(({ seqs }) => seqs.length === 2), 'the closing event arrives')
    const after = await new Watcher().join(elsewhere)
    expect({ seqs: after.seqs, texts: [...after.texts] }).toEqual({ seqs: [1, 2], texts: [] })
    elsewhere.close()
    expect(hub.status.backstopDelivered).toBe(0)
  })

  test('an attempt with an older lease cannot publish into a part once a newer one has', async () => {
    const viewer = await new Watcher().join(hub)
    say('old', 0, 'from the old attempt', 1)
    await until(() => viewer.texts.has('old'), 'the old attempt is heard')
    const other = createPublisher({ redisUrl: redis.url, log: silent })
    await until(() => other.status.redis === 'up', 'the other publisher is connected')
    const delta = { messageId: 'm', partId: 'new', offset: 0, delta: 'from the new attempt' }
    other.publishDelta({ type: 'text.delta', scope: scope(), payload: delta }, 2)
    await until(() => viewer.texts.has('new'), 'the new attempt is heard')
    say('old', 20, ' which is a zombie now', 1)
    await publisher.flush(1_000)
    say('zombie', 0, 'nobody shall read this', 1)
    await publisher.flush(1_000)
    await append(started())
    await until(() => viewer.seqs.length === 1, 'a later event arrives')
    expect(Object.fromEntries(viewer.texts)).toEqual({ old: 'from the old attempt', new: 'from the new attempt' })
    await other.close()
  })

  test('a worker that takes a running command over goes on where the one before stopped: no byte comes twice', async () => {
    const pieces: { offset: number; data: string }[] = []
    const sink = {
      send: (frame: Frame) => {
        for (const [, json = '{}'] of frame.bytes.toString().matchAll(/data: (.*)\n/g)) {
          const { type, offset, data } = JSON.parse(json) as { type: string; offset: number; data: string }
          if (type === 'output') pieces.push({ offset, data: Buffer.from(data, 'base64').toString() })
        }
      },
      drained: () => Promise.resolve(true),
    }
    await hub.join({ projectId, after: 0 }, sink)
    const print = (to: Publisher, offset: number, data: string, lease: number): void => {
      const payload = {
        ...{ toolUseId: 'u', partId: 'o', offset, stream: 'stdout' as const },
        data: Buffer.from(data).toString('base64'),
      }
      to.publishDelta({ type: 'output', scope: scope(), payload }, lease)
    }
    const heard = (): string => pieces.map(({ data }) => data).join('')
    print(publisher, 0, 'one\ntwo\n', 1)
    await until(() => heard() === 'one\ntwo\n', 'the first worker is heard')
    const other = createPublisher({ redisUrl: redis.url, log: silent })
    await until(() => other.status.redis === 'up', 'the other publisher is connected')
    print(other, 0, 'one\ntwo\nthree\n', 2)
    await until(() => heard().endsWith('three\n'), 'the second worker is heard')
    print(other, 14, 'four\n', 2)
    await until(() => heard().endsWith('four\n'), 'what follows is heard')
    expect(pieces).toEqual([
      { offset: 0, data: 'one\ntwo\n' },
      { offset: 8, data: 'three\n' },
      { offset: 14, data: 'four\n' },
    ])
    await other.close()
  })

  test('the sender of a project goes when the part that it holds stays quiet', async () => {
    const other = createPublisher({ redisUrl: redis.url, log: silent, forgetQuietEveryMs: 20 })
    await until(() => other.status.redis === 'up', 'the other publisher is connected')
    other.publishDelta(
      { type: 'text.delta', scope: scope(), payload: { messageId: 'm', partId: 'left', offset: 0, delta: 'x' } },
      1,
    )
    expect(other.status.senders).toBe(1)
    await until(() => other.status.senders === 0, 'the sender is let go')
    await other.close()
  })

  test('a turn that is asked for again streams its parts anew under the same ids', async () => {
    const viewer = await new Watcher().join(hub)
    say('a', 0, 'an answer that broke of', 1)
    await until(() => viewer.texts.has('a'), 'the first try is heard')
    await append({ type: 'turn.reset', key: `k${key++}`, scope: scope(), payload: { attempt: 2 } })
    say('a', 0, 'the answer', 1)
    await until(() => viewer.seqs.length === 1, 'the reset arrives')
    const elsewhere = newHub()
    const late = new Watcher()
    await until(async () => (await late.join(elsewhere, { after: 'latest' })).texts.has('a'), 'the second try is kept')
    expect(late.texts.get('a')).toBe('the answer')
    elsewhere.close()
  })

  test('a newer attempt begins a part again though the older one never said that it broke off', async () => {
    say('a', 0, 'the old attempt', 1)
    await publisher.flush(1_000)
    const other = createPublisher({ redisUrl: redis.url, log: silent })
    await until(() => other.status.redis === 'up', 'the other publisher is connected')
    const delta = { messageId: 'm', partId: 'a', offset: 0, delta: 'the new one' }
    other.publishDelta({ type: 'text.delta', scope: scope(), payload: delta }, 2)
    await other.flush(1_000)
    const viewer = await new Watcher().join(hub)
    expect(viewer.texts.get('a')).toBe('the new one')
    await other.close()
  })

  test('while Redis is dead events come from Postgres, viewers are told, and text goes on when it is back', async () => {
    const viewer = await new Watcher().join(hub)
    say('a', 0, 'before')
    await until(() => viewer.texts.has('a'), 'text arrives')
    await redis.kill()
    await until(() => viewer.said.length === 1, 'the viewer is told')
    await append(started(), started())
    say('a', 6, ', meanwhile')
    await until(() => viewer.seqs.length === 2, 'events come from Postgres')
    await redis.start()
    await until(() => viewer.said.length === 2, 'the viewer is told again')
    say('a', 17, ', after')
    await until(() => viewer.texts.get('a') === 'before, meanwhile, after', 'the whole text arrives')
    await append(started())
    await until(() => viewer.seqs.length === 3, 'events arrive')
    expect(viewer.seqs).toEqual(upTo(3))
    expect(viewer.said.map((json) => (JSON.parse(json) as { degraded: boolean }).degraded)).toEqual([true, false])
  })

  test('a frozen Redis stops no writer, and viewers lose nothing', async () => {
    const viewer = await new Watcher().join(hub)
    process.kill(redis.pid, 'SIGSTOP')
    for (let i = 0; i < 50; i++) {
      await append(started())
      say('a', i * 2, 'ab')
    }
    await until(() => viewer.seqs.length === 50, 'events come from Postgres')
    await until(() => viewer.said.length === 1, 'the viewer is told')
    process.kill(redis.pid, 'SIGCONT')
    await until(() => viewer.texts.get('a') === 'ab'.repeat(50), 'the text arrives')
    expect(viewer.seqs).toEqual(upTo(50))
  })

  test('FLUSHALL in the middle of a part loses no event and the part is whole again with its next piece', async () => {
    const viewer = await new Watcher().join(hub)
    say('a', 0, 'one ')
    await until(() => viewer.texts.has('a'), 'text arrives')
    const { createClient } = await import('redis')
    const admin = createClient({ url: redis.url })
    await admin.connect()
    await admin.flushAll()
    await admin.close()
    say('a', 4, 'two')
    await append(started())
    await until(() => viewer.texts.get('a') === 'one two', 'the text is whole')
    const elsewhere = newHub()
    const late = await new Watcher().join(elsewhere)
    expect({ text: late.texts.get('a'), seqs: late.seqs, live: viewer.seqs }).toEqual({
      text: 'one two',
      seqs: [1],
      live: [1],
    })
    elsewhere.close()
  })

  test('an impossible cursor gives one resync and goes on from there', async () => {
    await append(started(), started())
    const beyond = await new Watcher().join(hub, { after: 99 })
    const garbage = await new Watcher().join(hub, { after: 'invalid' })
    await append(started())
    await until(() => beyond.seqs.length === 1 && garbage.seqs.length === 1, 'the next event arrives')
    for (const { said, seqs } of [beyond, garbage]) {
      expect(said.map((json) => (JSON.parse(json) as { latestSeq: number }).latestSeq)).toEqual([2])
      expect(seqs).toEqual([3])
    }
  })

  test('2,000 missed events come in order to many viewers at every cursor while new ones are written', async () => {
    for (let i = 0; i < 10; i++) await append(...Array.from({ length: 200 }, started))
    const joins = Array.from({ length: 20 }, (_, i) => new Watcher().join(hub, { after: i * 100 }))
    for (let i = 0; i < 20; i++) await append(started())
    const watchers = await Promise.all(joins)
    await until(() => watchers.every(({ seqs }) => seqs.at(-1) === 2_020), 'all are at the end')
    watchers.forEach(({ seqs }, i) => {
      expect(seqs).toEqual(upTo(2_020).slice(i * 100))
    })
  })

  test('topics and tasks are told apart, also in what is replayed', async () => {
    await append(started(), closing('a', 'x'))
    const status = await new Watcher().join(hub, { topics: ['status'] })
    const other = await new Watcher().join(hub, { taskId: 'another' })
    await append(started(), closing('b', 'x'))
    await until(() => status.seqs.length === 2, 'the live one arrives')
    expect({ status: status.seqs, other: other.seqs }).toEqual({ status: [1, 3], other: [] })
  })
})
