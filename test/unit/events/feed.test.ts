import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Feed } from '../../../src/events/feed.ts'
import { eventFrame, type Frame } from '../../../src/events/frame.ts'
import { encodeDelta, type LiveDelta, type LiveItem } from '../../../src/events/live-wire.ts'
import type { StoredEvent } from '../../../src/events/topics.ts'

/** Postgres and Redis of one project in memory: what is stored, and the open parts as the script keeps them. */
class Stores {
  readonly events: StoredEvent[] = []
  parts = new Map<string, LiveDelta[]>()
  isPostgresUp = true

  append(type: StoredEvent['type'], payload: object): StoredEvent {
    const seq = this.events.length + 1
    const event: StoredEvent = {
      seq,
      topic: 'messages',
      type,
      taskId: 't',
      data: JSON.stringify({ seq, type, ...payload }),
    }
    this.events.push(event)
    return event
  }

  readonly source = {
    readEvents: async ({ after, limit }: { after: number; limit: number }): Promise<StoredEvent[]> => {
      await Promise.resolve()
      if (!this.isPostgresUp) throw new Error('away')
      return this.events.slice(after, after + limit)
    },
    latestSeqs: async (): Promise<Map<string, number>> => {
      await Promise.resolve()
      return new Map([['p', this.events.length]])
    },
    prunedSeq: () => Promise.resolve(0),
  }

  readonly readOpenParts = async (): Promise<string[]> => {
    await Promise.resolve()
    return [...this.parts.values()].flat().map(encodeDelta)
  }
}

const deltaOf = (partId: string, offset: number, delta: string): LiveDelta => ({
  kind: 'delta',
  type: 'text.delta',
  topic: 'messages',
  taskId: 't',
  turn: 1,
  lease: 1,
  partId,
  offset,
  units: delta.length,
  data: JSON.stringify({
    type: 'text.delta',
    partId,
    offset,
    delta,
  }),
})

/** One reader, folding as the contract says. Throws where the contract is broken. */
class Reader {
  readonly seqs: number[] = []
  readonly texts = new Map<string, string>()
  holes = 0
  cursor: number

  constructor(cursor: number) {
    this.cursor = cursor
  }

  send(frame: Frame): void {
    if (frame.seq !== null) {
      expect(frame.seq).toBe(this.cursor + 1)
      this.cursor = frame.seq
      this.seqs.push(frame.seq)
      const closed = /"partId":"([^"]+)"/.exec(frame.bytes.toString())?.[1]
      if (closed !== undefined) this.texts.delete(closed)
      return
    }
    for (const [, json = '{}'] of frame.bytes.toString().matchAll(/data: (.*)\n/g)) {
      const data = JSON.parse(json) as { partId: string; offset: number; delta: string }
      const known = this.texts.get(data.partId) ?? ''
      if (data.offset === known.length) this.texts.set(data.partId, known + data.delta)
      else if (data.offset > known.length) this.holes++
    }
  }
}

const settle = async (feed: Feed): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
  await feed.catchUp()
  await feed.reloadParts()
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

const join = async (feed: Feed, reader: Reader, stores: Stores): Promise<void> => {
  for (let round = 0; round < 100; round++) {
    const recent = feed.recentAfter(reader.cursor)
    if (recent !== undefined && reader.cursor <= feed.lastSeq) {
      for (const frame of recent) reader.send(frame)
      for (const frame of feed.attach(reader)) reader.send(frame)
      return
    }
    for (const event of await stores.source.readEvents({ after: reader.cursor, limit: 3 })) {
      reader.send(eventFrame(event))
    }
    await feed.catchUp()
  }
  throw new Error('the join did not end')
}

type Step =
  | { readonly do: 'event' | 'close'; readonly fate: Fate }
  | { readonly do: 'delta'; readonly part: number; readonly length: number; readonly fate: Fate }
  | { readonly do: 'join' | 'leave' | 'restart' | 'yield' | 'flush' | 'outage' }
type Fate = 'live' | 'lost' | 'twice' | 'late'

const fate = fc.constantFrom<Fate>('live', 'live', 'live', 'lost', 'twice', 'late')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('event' as const), fate }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('close' as const), fate }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('delta' as const),
      part: fc.nat(2),
      length: fc.integer({ min: 1, max: 5 }),
      fate,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('join' as const, 'leave' as const, 'yield' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('restart' as const, 'flush' as const, 'outage' as const) }) },
)

describe('a feed', () => {
  test('gives every reader every durable event once and in order, and the text of every open part, whatever Redis does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const stores = new Stores()
        const newFeed = (): Feed =>
          new Feed({
            projectId: 'p',
            source: stores.source,
            readOpenParts: stores.readOpenParts,
            onBackstop: () => undefined,
          })
        let feed = newFeed()
        await feed.start()
        const readers: Reader[] = []
        const written = new Map<string, string>()
        let late: LiveItem[] = []
        let generation = 0

        const deliver = (item: LiveItem, how: Fate): void => {
          if (how === 'late') late.push(item)
          else if (how !== 'lost') feed.receive(how === 'twice' ? [item, item] : [item])
          if (how !== 'late' && late.length > 3) {
            feed.receive(late)
            late = []
          }
        }
        for (const each of steps) {
          if (each.do === 'event') deliver({ ...stores.append('turn.started', {}), kind: 'event' }, each.fate)
          else if (each.do === 'close') {
            const [partId] = [...written.keys()]
            if (partId === undefined) continue
            written.delete(partId)
            stores.parts.delete(partId)
            deliver({ ...stores.append('tool.requested', { partId }), kind: 'event' }, each.fate)
            generation++
          } else if (each.do === 'delta') {
            const partId = `${each.part}.${generation}`
            const known = written.get(partId) ?? ''
            const delta = deltaOf(partId, known.length, 'x'.repeat(each.length))
            written.set(partId, known + 'x'.repeat(each.length))
            stores.parts.set(partId, [...(stores.parts.get(partId) ?? []), delta])
            deliver(delta, each.fate)
          } else if (each.do === 'join') {
            const reader = new Reader(Math.floor(stores.events.length / 2))
            await join(feed, reader, stores)
            readers.push(reader)
          } else if (each.do === 'leave') {
            const reader = readers.pop()
            if (reader !== undefined) feed.viewers.delete(reader)
          } else if (each.do === 'restart') {
            feed.stop()
            feed = newFeed()
            await feed.start()
            for (const reader of readers) await join(feed, reader, stores)
          } else if (each.do === 'flush') {
            late = []
          } else if (each.do === 'outage') {
            stores.isPostgresUp = false
            await feed.catchUp()
            stores.isPostgresUp = true
          } else await Promise.resolve()
        }
        stores.isPostgresUp = true
        feed.receive(late)
        await settle(feed)
        feed.stop()
        for (const reader of readers) {
          expect(reader.cursor).toBe(stores.events.length)
          expect(reader.holes).toBe(0)
          for (const [partId, whole] of written) expect(reader.texts.get(partId)).toBe(whole)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('does not open a part again when its delta comes after its closing event', async () => {
    const stores = new Stores()
    const feed = new Feed({
      projectId: 'p',
      source: stores.source,
      readOpenParts: stores.readOpenParts,
      onBackstop: () => undefined,
    })
    await feed.start()
    const reader = new Reader(0)
    feed.attach(reader)
    feed.receive([{ ...stores.append('tool.requested', { partId: 'a' }), kind: 'event' }, deltaOf('a', 0, 'late')])
    expect({ seqs: reader.seqs, texts: [...reader.texts] }).toEqual({ seqs: [1], texts: [] })
    feed.stop()
  })
})
