import { afterEach, describe, expect, test } from 'vitest'
import type { StreamEvent } from '../../../src/events/topics.ts'
import { openStream, readFrames, type StreamState } from '../../../src/web/store/stream.ts'
import { WorkspaceStore } from '../../../src/web/store/workspace-store.ts'
import { waitFor } from '../../support/wait-for.ts'
import { startStandInServer } from './stand-in-server.ts'

/** Longer than a slice may last. */
const WORK_MS = 10

function work(): void {
  const until = performance.now() + WORK_MS
  while (performance.now() < until);
}

function eventOf(seq: number): StreamEvent {
  return {
    v: 1,
    projectId: 'p',
    conversationId: 'c',
    taskId: 't',
    at: 0,
    type: 'task.resumed',
    seq,
    activity: 'a',
    attempt: 1,
  }
}

const at = '2026-01-01T00:00:00.000Z'
const CONVERSATION = { id: 'c', projectId: 'p', title: 'c', activeTaskId: 't', createdAt: at, updatedAt: at }
const EVENTS = 200
const realFetch = globalThis.fetch

afterEach(() => {
  globalThis.fetch = realFetch
})

describe('a long past that comes in one piece', () => {
  test('is read in order, and the page has its turn between slices of it', async () => {
    const bytes = Array.from({ length: 20 }, (_, index) => `data: ${index}\n\n`).join('')
    const seen: string[] = []
    let turns = 0
    let isDone = false
    const takeTurn = (): void => {
      turns++
      if (!isDone) setImmediate(takeTurn)
    }
    setImmediate(takeTurn)
    await readFrames(new Blob([bytes]).stream(), ({ data }) => {
      seen.push(data)
      work()
    })
    isDone = true
    expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => String(index)))
    expect(turns).toBeGreaterThanOrEqual(10)
  })

  test('sets no timer for each of its events', async () => {
    const frames = Array.from({ length: 1_000 }, (_, index) => `data: ${JSON.stringify(eventOf(index + 1))}\n\n`)
    globalThis.fetch = async () =>
      new Response(
        new ReadableStream({
          // It stays open behind them, as a running task's does.
          start: (controller) => controller.enqueue(new TextEncoder().encode(frames.join(''))),
        }),
      )
    const realSetTimeout = globalThis.setTimeout
    let timers = 0
    globalThis.setTimeout = Object.assign((...args: Parameters<typeof realSetTimeout>) => {
      timers++
      return realSetTimeout(...args)
    }, realSetTimeout)
    try {
      await new Promise<void>((resolve) => {
        const stream = openStream({
          url: () => '/events',
          onEvent: (event) => {
            if (!('seq' in event) || event.seq < 1_000) return
            stream.close()
            resolve()
          },
          onState: () => undefined,
        })
      })
    } finally {
      globalThis.setTimeout = realSetTimeout
    }
    expect(timers).toBeLessThan(10)
  })

  test('is shown whole in the frame after its last event, whatever was left out before', async () => {
    const server = await startStandInServer({
      conversations: () => [CONVERSATION],
      messages: () => [],
      task: () => ({ id: 't' }),
    })
    globalThis.fetch = (input, init) => realFetch(`${server.url}${input as string}`, init)
    const frames: (() => void)[] = []
    const told: number[] = []
    const store = new WorkspaceStore({ projectId: 'p', schedule: (tell) => frames.push(tell) })
    const drawFrame = (): void => frames.shift()?.()
    try {
      const events = Array.from({ length: EVENTS }, (_, index) => eventOf(index + 1))
      server.send(...events.slice(0, EVENTS / 2))
      store.subscribe(() => told.push(store.state.view.lastSeq))
      void store.open()
      await waitFor(() => store.state.view.lastSeq === EVENTS / 2, 'the first half is folded')
      drawFrame()
      server.send(...events.slice(EVENTS / 2))
      await waitFor(() => store.state.view.lastSeq === EVENTS, 'the second half is folded')
      drawFrame()
      drawFrame()
      expect({ last: told.at(-1), framesLeft: frames.length }).toEqual({ last: EVENTS, framesLeft: 0 })
    } finally {
      store.close()
      await server.close()
    }
  })

  test('is not told any further once the stream is closed', async () => {
    const server = await startStandInServer({ conversations: () => [], messages: () => [], task: () => ({}) })
    try {
      server.send(...Array.from({ length: 20 }, (_, index) => eventOf(index + 1)))
      const seen: number[] = []
      const states: StreamState['kind'][] = []
      const url = `${server.url}/api/workspace/p/events`
      const stream = openStream({
        url: () => `${url}?after=0`,
        onState: ({ kind }) => states.push(kind),
        onEvent: (event) => {
          if ('seq' in event) seen.push(event.seq)
          work()
          if (seen.length === 3) stream.close()
        },
      })
      await waitFor(() => seen.length >= 3, 'the first stream is closed')
      let isNextLive = false
      const next = openStream({
        url: () => `${url}?after=19`,
        onState: ({ kind }) => {
          isNextLive ||= kind === 'live'
        },
        onEvent: () => undefined,
      })
      await waitFor(() => isNextLive, 'the next stream is live')
      next.close()
      expect({ seen, states }).toEqual({ seen: [1, 2, 3], states: ['connecting', 'live'] })
    } finally {
      await server.close()
    }
  })
})
