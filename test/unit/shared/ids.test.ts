import fc from 'fast-check'
import { expect, test } from 'vitest'
import { newId } from '../../../src/shared/ids.ts'

test('an id names its kind and is safe in a path', () => {
  expect(newId('tsk')).toMatch(/^tsk_[0-9a-hjkmnp-tv-z]{22}$/)
})

test('ids made later sort later, up to the year 10889', () => {
  const time = fc.integer({ min: 0, max: 2 ** 48 })
  fc.assert(
    fc.property(time, time, (a, b) => {
      fc.pre(a !== b)
      expect(newId('msg', a) < newId('msg', b)).toBe(a < b)
    }),
    { numRuns: 2_000 },
  )
})

test('ids of one millisecond differ', () => {
  const ids = new Set(Array.from({ length: 20_000 }, () => newId('prt', 1_800_000_000_000)))
  expect(ids.size).toBe(20_000)
})
