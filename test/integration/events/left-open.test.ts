import { createClient } from 'redis'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createPublisher, type Publisher } from '../../../src/events/publisher.ts'
import type { NewDelta, StoredEvent } from '../../../src/events/topics.ts'
import { anOwnRedis, type OwnRedis, silent, until } from '../server/harness.ts'

const PROJECT = 'prj_1'

let redis: OwnRedis
let publishers: Publisher[]

beforeEach(async () => {
  redis = await anOwnRedis()
  publishers = []
})
afterEach(async () => {
  await Promise.all(publishers.map((publisher) => publisher.close()))
  await redis.close()
})

async function aPublisher(): Promise<Publisher> {
  const publisher = createPublisher({ redisUrl: redis.url, log: silent })
  publishers.push(publisher)
  await until(() => publisher.status.redis === 'up', 'redis is connected')
  return publisher
}

const delta = (taskId: string): NewDelta => ({
  type: 'text.delta',
  scope: { projectId: PROJECT, conversationId: 'c', taskId, turn: 1 },
  payload: { messageId: 'm', partId: `${taskId}:0`, offset: 0, delta: 'some words' },
})

const ended = (taskId: string): StoredEvent => {
  return { seq: 1, topic: 'status', type: 'task.completed', taskId, data: JSON.stringify({ seq: 1 }) }
}

async function openParts(): Promise<string[]> {
  const client = createClient({ url: redis.url })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await client.hKeys(`keelson:{${PROJECT}}:open`)
  } finally {
    client.destroy()
  }
}

test('what a worker that died left open is gone when the project’s next task streams', async () => {
  const dead = await aPublisher()
  dead.publishDelta(delta('tsk_1'), 1)
  await dead.flush(1_000)
  expect(await openParts()).toEqual(['tsk_1/tsk_1:0'])

  const alive = await aPublisher()
  alive.publishDelta(delta('tsk_2'), 1)
  await alive.flush(1_000)
  expect(await openParts()).toEqual(['tsk_2/tsk_2:0'])
})

test('a worker that slept through its task’s end opens nothing any more', async () => {
  const alive = await aPublisher()
  alive.publishDelta(delta('tsk_1'), 2)
  alive.publishEvents(PROJECT, [ended('tsk_1')])
  await alive.flush(1_000)
  expect(await openParts()).toEqual([])

  const sleeper = await aPublisher()
  sleeper.publishDelta(delta('tsk_1'), 1)
  await sleeper.flush(1_000)
  expect(await openParts()).toEqual([])
})
