import { expect, test } from 'vitest'
import { Feed } from '../../../src/events/feed.ts'
import type { StoredEvent } from '../../../src/events/topics.ts'

const eventOf = (seq: number): StoredEvent => {
  return { seq, topic: 'status', type: 'turn.started', taskId: 't', data: JSON.stringify({ seq }) }
}

/** A store whose first answer takes as long as the test wants, as Postgres' does while it comes back. */
function slowStore(events: StoredEvent[]) {
  let release = (): void => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  let reads = 0
  return {
    release: () => release(),
    source: {
      async readEvents({ after, limit }: { after: number; limit: number }): Promise<StoredEvent[]> {
        const found = events.slice(after, after + limit)
        if (reads++ === 0) await held
        return found
      },
      latestSeqs: () => Promise.resolve(new Map([['p', events.length]])),
      prunedSeq: () => Promise.resolve(0),
    },
  }
}

test('what is asked for while a feed still looks for the end of its stream is passed on once', async () => {
  const events = [1, 2, 3].map(eventOf)
  const store = slowStore(events)
  const feed = new Feed({
    projectId: 'p',
    source: store.source,
    readOpenParts: () => Promise.resolve([]),
    onBackstop: () => undefined,
  })
  const starting = feed.start()
  await Promise.resolve()
  events.push(eventOf(4), eventOf(5))
  // The hub's regular look finds that the feed is behind, and Redis comes back: both before the feed has begun.
  const caughtUp = feed.catchUp()
  await new Promise((resolve) => setImmediate(resolve))
  store.release()
  await Promise.all([starting, caughtUp])

  const seqs: (number | null)[] = (feed.recentAfter(0) ?? []).map((frame) => frame.seq)
  const viewer = { send: (frame: { seq: number | null }) => void seqs.push(frame.seq) }
  feed.attach(viewer)
  events.push(eventOf(6))
  await feed.catchUp()
  expect(seqs).toEqual([1, 2, 3, 4, 5, 6])
})
