import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { NO_DIFF, NO_USAGE } from '../../src/shared/task.ts'
import { reviewState } from '../../src/workflows/messages.ts'
import { aWorkflowWorker, type WorkflowWorker } from '../support/workflow-worker.ts'
import { ReviewWorld } from '../unit/review/review-world.ts'

/** Each is a whole workflow on a real Temporal; the pure parts are tried a thousand times in unit/review/loop.test.ts. */
const PLAYS = 8

let worker: WorkflowWorker
beforeAll(async () => {
  worker = await aWorkflowWorker()
})
afterAll(() => worker.close())

test('whatever coder, checks and reviewer do: the workflow ends as the review says, on the tree it judged', async () => {
  const tape = fc.array(fc.nat({ max: 255 }), { minLength: 20, maxLength: 80 })
  const plays = fc.sample(fc.tuple(tape, fc.integer({ min: 0, max: 3 })), PLAYS)
  for (const [numbers, maxFixRounds] of plays) {
    const world = new ReviewWorld(numbers, maxFixRounds)
    const run = await worker.start(
      {
        runTurns: (_input, nth) => {
          world.work()
          return { status: 'idle', turn: nth, usage: NO_USAGE }
        },
        captureChanges: () => ({ changed: world.isChanged(), treeHash: world.tree, stat: NO_DIFF }),
        runChecks: (input) => world.runChecks(input),
        reviewChanges: (input) => world.reviewChanges(input),
      },
      { maxFixRounds },
    )
    await run.handle.result()
    const review = await run.handle.query(reviewState)
    const [ending] = run.fake.of('finishTask').map(({ input }) => input as { outcome?: string })
    const play = JSON.stringify({ numbers, maxFixRounds })
    expect(run.fake.of('runChecks').length, play).toBeLessThanOrEqual(maxFixRounds + 1)
    expect(run.fake.of('reviewChanges').length, play).toBeLessThanOrEqual(maxFixRounds + 1)
    if (ending?.outcome === 'no_changes') continue
    expect([ending?.outcome, review.treeHash], play).toEqual([review.status, world.tree])
    if (review.status === 'approved' || review.status === 'approved_with_notes') {
      expect(world.truth(), play).toEqual({ openBlocking: 0, worseThanAtStart: [] })
    }
  }
})
