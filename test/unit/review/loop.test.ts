import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ReviewState } from '../../../src/shared/review.ts'
import { ReviewWorld } from './review-world.ts'

const SETTLED = ['approved', 'approved_with_notes', 'issues_remaining', 'inconclusive']
/** Far more than any play may take. */
const MAX_STEPS = 50

/** The workflow's loop, without the workflow. */
function play(world: ReviewWorld, maxFixRounds: number): { review: ReviewState | null; rounds: number } {
  let fixRounds = 0
  world.work()
  for (let round = 1; round <= MAX_STEPS; round++) {
    if (!world.isChanged()) return { review: null, rounds: round - 1 }
    const input = { taskId: 't', projectId: 'p', round, treeHash: world.tree, fixRounds, maxFixRounds }
    const checks = world.runChecks(input)
    const review = checks.failed === 0 ? world.reviewChanges(input).review : checks.review
    if (SETTLED.includes(review.status)) return { review, rounds: round }
    fixRounds += 1
    world.work()
  }
  throw new Error('the loop does not end')
}

const anyTape = fc.array(fc.nat({ max: 255 }), { minLength: 1, maxLength: 80 })
const anyMax = fc.integer({ min: 0, max: 5 })

test('whatever coder, checks and reviewer do: the loop ends, within the allowed rounds', () => {
  fc.assert(
    fc.property(anyTape, anyMax, (tape, maxFixRounds) => {
      const world = new ReviewWorld(tape, maxFixRounds)
      const { rounds } = play(world, maxFixRounds)
      expect(rounds).toBeLessThanOrEqual(maxFixRounds + 1)
      expect(world.reviews).toBeLessThanOrEqual(maxFixRounds + 1)
    }),
    { numRuns: 500 },
  )
})

test('approved means: no blocking finding is open, no check is worse than at the start; delivered is what was judged', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(anyTape, anyMax, (tape, maxFixRounds) => {
      const world = new ReviewWorld(tape, maxFixRounds)
      const { review } = play(world, maxFixRounds)
      if (review === null) return
      seen.add(review.status)
      if (review.history.some((round) => round.rolledBackTo !== undefined)) seen.add('rolled back')
      expect(review.treeHash).toBe(world.tree)
      if (review.status !== 'approved' && review.status !== 'approved_with_notes') return
      expect(world.truth()).toEqual({ openBlocking: 0, worseThanAtStart: [] })
      if (review.status === 'approved') expect(review.findings.open).toBe(0)
    }),
    { numRuns: 1_000 },
  )
  expect([...seen].sort()).toEqual([...SETTLED, 'rolled back'].sort())
})
