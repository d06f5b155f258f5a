import fc from 'fast-check'
import { expect, test } from 'vitest'
import { lookOf, roughLookOf } from '../../../src/shared/text/name-look.ts'

test.each([
  ['re\u0301s', 'r\u00e9s'],
  ['a\u00a0b', 'a b'],
  ['a\u3000b', 'a b'],
  ['a\u200bb', 'ab'],
  ['a\u200e\u202eb\u2069', 'ab'],
  ['a\u0007b', 'ab'],
  ['so\u00adft', 'soft'],
])('%j and %j look the same', (one, other) => {
  expect(lookOf(one)).toBe(lookOf(other))
})

test.each([
  ['README', 'readme'],
  ['don\u2019t', "don't"],
  ['a\u2014b', 'a-b'],
  ['\ufb01le', 'file'],
  ['\u0441\u043e\u0440\u0443', 'copy'],
  ['\u03bfmega', 'omega'],
  ['a  b ', 'a b'],
  ['\u{1f469}\u200d\u{1f4bb}', '\u{1f469}\u{1f4bb}'],
])('%j and %j are easily taken for each other, and are two', (one, other) => {
  expect([lookOf(one) === lookOf(other), roughLookOf(one) === roughLookOf(other)]).toEqual([false, true])
})

test('a look is its own look', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom(...'aeE\u0301\u0327\u00a0\u200b\u200e\u00ad\u1100\u1161\t') }),
      (name) => lookOf(lookOf(name)) === lookOf(name),
    ),
  )
})
