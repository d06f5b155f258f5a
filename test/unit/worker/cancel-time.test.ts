import { describe, expect, test } from 'vitest'
import { type HistoryService, readCancelTime } from '../../../src/worker/cancel-time.ts'

const RUN = { workflowId: 'coding-task/tsk_1', runId: 'run' }
type Answer = Awaited<ReturnType<HistoryService['getWorkflowExecutionHistoryReverse']>>
type HistoryEvent = NonNullable<NonNullable<Answer['history']>['events']>[number]

const at = (seconds: number) => ({ seconds, nanos: 500_000_000 })
const cancelled = (seconds: number): HistoryEvent => ({
  eventTime: at(seconds),
  workflowExecutionCancelRequestedEventAttributes: {},
})
const signalled = (seconds: number, signalName: string): HistoryEvent => ({
  eventTime: at(seconds),
  workflowExecutionSignaledEventAttributes: { signalName },
})

/** A history that comes newest first, in these pages. */
function aHistory(...pages: readonly HistoryEvent[][]): HistoryService & { readonly asked: object[] } {
  const asked: object[] = []
  return {
    asked,
    getWorkflowExecutionHistoryReverse(request) {
      asked.push({ ...request, nextPageToken: request.nextPageToken.length })
      const page = request.nextPageToken.length
      const isLast = page + 1 >= pages.length
      return Promise.resolve({
        history: { events: pages[page] ?? [] },
        nextPageToken: new Uint8Array(isLast ? 0 : page + 1),
      })
    },
  }
}

const timeIn = (history: HistoryService) => readCancelTime(history, 'default', RUN)

describe('when a run was asked to end', () => {
  test.each<[string, HistoryEvent[][], Date | null]>([
    ['natively', [[cancelled(20), signalled(10, 'wake')]], new Date(20_500)],
    ['by the signal', [[signalled(30, 'wake'), signalled(20, 'cancelTask')]], new Date(20_500)],
    [
      'again and again, counts from the first time',
      [[cancelled(30), cancelled(20)], [signalled(10, 'cancelTask')]],
      new Date(10_500),
    ],
    ['never, is null', [[signalled(30, 'wake')], [{ eventTime: at(1) }]], null],
    ['in an empty history, is null', [[]], null],
  ])('%s', async (_, pages, expected) => {
    expect(await timeIn(aHistory(...pages))).toEqual(expected)
  })

  test('is looked for in that run alone, page by page', async () => {
    const history = aHistory([cancelled(30)], [], [])
    await timeIn(history)
    expect(history.asked).toEqual(
      [0, 1, 2].map((nextPageToken) => ({ namespace: 'default', execution: RUN, maximumPageSize: 200, nextPageToken })),
    )
  })
})
