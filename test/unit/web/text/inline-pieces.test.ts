import { expect, test } from 'vitest'
import { inlinePieces } from '../../../../src/web/text/inline-pieces.ts'

test('what stands between backticks is code, and backticks without their pair are text', () => {
  const shortly = (text: string) => inlinePieces(text).map(({ isCode, piece }) => (isCode ? `<${piece}>` : piece))
  expect(['`npm test` passes.', 'run ``a ` b`` now', 'a ` b', '`` a ` b `c`', ''].map(shortly)).toEqual([
    ['<npm test>', ' passes.'],
    ['run ', '<a ` b>', ' now'],
    ['a ` b'],
    ['`` a ', '<b>', 'c`'],
    [],
  ])
})
