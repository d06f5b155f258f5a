import { expect, test } from 'vitest'
import type { StreamEvent } from '../../../src/events/topics.ts'
import { apply, initialViewState } from '../../../src/web/reducer.ts'

test('a page that comes back after retention fetches anew and goes on from where the server says', () => {
  const resync = { v: 1, type: 'stream.resync', projectId: 'p', at: 0, latestSeq: 40 } as unknown as StreamEvent
  expect(apply(initialViewState(5), resync)).toEqual({ ...initialViewState(40), needsRefetch: true })
})
