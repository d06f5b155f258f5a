import { expect, test } from 'vitest'
import { progressIn } from '../../../src/sources/clone-repository.ts'

test.each([
  ['Receiving objects:  12% (1/8)\nReceiving objects:  45% (4/8), 1.2 MiB | 3 MiB/s\n', 'Cloning: 45 %'],
  ['Receiving objects: 100% (8/8), done.\nResolving deltas:  50% (1/2)', 'Unpacking: 50 %'],
  ['Updating files: 7% (1/14)', 'Writing files: 7 %'],
  ['remote: Receiving your soul: 10%', null],
  ['', null],
])('of %j people are told %j', (text, said) => {
  expect(progressIn(text)).toBe(said)
})
