import { describe, expect, test } from 'vitest'
import { budgetNote, judgeBudget } from '../../../src/agent/budget.ts'

const NO_LIMITS = { maxUsd: null, maxTurns: null, maxMinutes: null }

describe('judgeBudget', () => {
  test('without limits nothing is ever reached', () => {
    expect(judgeBudget(NO_LIMITS, { usd: 1e9, turns: 1e9, minutes: 1e9 })).toEqual({ reached: [], warned: [] })
  })

  test('a limit is warned of from 80 % and reached at 100 %, never both', () => {
    const at = (turns: number) => judgeBudget({ ...NO_LIMITS, maxTurns: 10 }, { usd: 0, turns, minutes: 0 })
    const mark = (used: number) => ({ kind: 'turns', used, limit: 10 })
    expect([7, 8, 9, 10, 11].map(at)).toEqual([
      { reached: [], warned: [] },
      { reached: [], warned: [mark(8)] },
      { reached: [], warned: [mark(9)] },
      { reached: [mark(10)], warned: [] },
      { reached: [mark(11)], warned: [] },
    ])
  })

  test('each kind is judged by itself', () => {
    const limits = { maxUsd: 1, maxTurns: 10, maxMinutes: 5 }
    expect(judgeBudget(limits, { usd: 1.5, turns: 8, minutes: 1 })).toEqual({
      reached: [{ kind: 'usd', used: 1.5, limit: 1 }],
      warned: [{ kind: 'turns', used: 8, limit: 10 }],
    })
  })

  test('a limit of nothing is reached at once', () => {
    const limits = { ...NO_LIMITS, maxUsd: 0 }
    expect(judgeBudget(limits, { usd: 0, turns: 0, minutes: 0 }).reached).toEqual([{ kind: 'usd', used: 0, limit: 0 }])
  })
})

test('the model is told of money in cents and of the rest in whole numbers', () => {
  expect([
    budgetNote({ kind: 'usd', used: 4.1234, limit: 5 }),
    budgetNote({ kind: 'minutes', used: 96.7, limit: 120 }),
  ]).toEqual([
    "Notice: 4.12 of 5 dollars of this task's budget are used. Bring the work to a good end soon.",
    "Notice: 96 of 120 minutes of this task's budget are used. Bring the work to a good end soon.",
  ])
})
