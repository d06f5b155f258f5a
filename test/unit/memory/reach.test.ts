import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chooseReach, type EarlierTask } from '../../../src/memory/reach.ts'

const tasks = (...sizes: number[]): EarlierTask[] => sizes.map((tokens, index) => ({ taskId: `t${index + 1}`, tokens }))

describe('chooseReach', () => {
  test.each<[string, EarlierTask[], string[] | null, string[]]>([
    ['nothing of nothing', [], null, []],
    ['everything that fits', tasks(30, 30, 40), null, ['t1', 't2', 't3']],
    ['the boundary as it was while that fits', tasks(60, 30, 30, 40), ['t2', 't3'], ['t2', 't3', 't4']],
    ['the newest half once it no longer fits', tasks(30, 30, 20, 25), ['t1', 't2', 't3'], ['t3', 't4']],
    ['one newest task that fills all of it', tasks(30, 90), ['t1'], ['t2']],
    ['none when the newest alone is too large', tasks(30, 101), ['t1'], []],
    ['the task before, when that was told none itself', tasks(200, 50), [], ['t2']],
  ])('tells %s', (_, earlier, before, whole) => {
    expect(chooseReach(earlier, before, 100)).toEqual(whole)
  })

  test('always tells the newest tasks in a row, within the reach, and moves seldom', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 150 }), { maxLength: 60 }), (sizes) => {
        let before: readonly string[] | null = null
        const all = tasks(...sizes)
        for (let count = 0; count <= all.length; count++) {
          const earlier = all.slice(0, count)
          const whole: readonly string[] = chooseReach(earlier, before, 100)
          expect(whole).toEqual(earlier.slice(count - whole.length).map((task) => task.taskId))
          const used = earlier.slice(count - whole.length).reduce((sum, task) => sum + task.tokens, 0)
          expect(used).toBeLessThanOrEqual(100)
          before = whole
        }
      }),
    )
  })

  test('keeps the first told task, and with it the cached prefix, for most of many small tasks', () => {
    let before: readonly string[] | null = null
    let moves = 0
    const all = tasks(...Array.from({ length: 200 }, () => 5))
    for (let count = 1; count <= all.length; count++) {
      const whole: readonly string[] = chooseReach(all.slice(0, count), before, 100)
      if (before !== null && before[0] !== whole[0]) moves += 1
      before = whole
    }
    expect(moves).toBeLessThanOrEqual(18)
  })
})
