import { expect, test } from 'vitest'
import { sliceMsFor } from '../../../src/worker/slice.ts'

test('a slice of nothing stays one turn, however many tasks run', () => {
  expect([sliceMsFor(0, 1), sliceMsFor(0, 1_000)]).toEqual([0, 0])
})

test('slices grow with the number of tasks beyond ten, up to ten seconds', () => {
  expect([1, 10, 20, 50, 1_000].map((tasks) => sliceMsFor(2_000, tasks))).toEqual([2_000, 2_000, 4_000, 10_000, 10_000])
})

test('a longer slice that was asked for is kept', () => {
  expect([sliceMsFor(30_000, 1), sliceMsFor(30_000, 100)]).toEqual([30_000, 30_000])
})
