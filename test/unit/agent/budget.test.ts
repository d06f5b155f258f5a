import { describe, expect, test } from 'vitest'
import { budgetNote, createBudgetGate, judgeBudget, upperCostUsd, upperTokens } from '../../../src/agent/budget.ts'
import { profileFor } from '../../../src/model/profiles.ts'
import {
  BUDGET_SCOPES,
  type BudgetLimits,
  type BudgetMark,
  type BudgetNeed,
  type BudgetReading,
  type BudgetScope,
  type BudgetUse,
} from '../../../src/shared/budget.ts'
import { NO_LIMITS } from '../../support/no-limits.ts'

const NOTHING: BudgetUse = { usd: 0, turns: 0, minutes: 0 }
const FREE: BudgetNeed = { usd: 0, turns: 1 }

interface Part {
  readonly limits?: Partial<BudgetLimits>
  readonly use?: Partial<BudgetUse>
}

function reading(parts: { readonly [Scope in BudgetScope]?: Part }): BudgetReading {
  const scopes = BUDGET_SCOPES.map((scope) => {
    const { limits, use } = parts[scope] ?? {}
    return [scope, { limits: { ...NO_LIMITS, ...limits }, use: { ...NOTHING, ...use } }] as const
  })
  return Object.fromEntries(scopes) as unknown as BudgetReading
}

describe('judgeBudget', () => {
  test('without limits nothing is ever reached', () => {
    const use = { usd: 1e9, turns: 1e9, minutes: 1e9 }
    const all = reading({ task: { use }, project: { use }, day: { use } })
    expect(judgeBudget(all, { usd: 1e9, turns: 1 })).toEqual({ reached: [], warned: [] })
  })

  test('a limit is warned of from 80 % and reached at 100 %, never both', () => {
    const at = (turns: number) => judgeBudget(reading({ task: { limits: { maxTurns: 10 }, use: { turns } } }), FREE)
    const mark = (used: number) => ({ scope: 'task', kind: 'turns', used, limit: 10 })
    expect([7, 8, 9, 10, 11].map(at)).toEqual([
      { reached: [], warned: [] },
      { reached: [], warned: [mark(8)] },
      { reached: [], warned: [mark(9)] },
      { reached: [mark(10)], warned: [] },
      { reached: [mark(11)], warned: [] },
    ])
  })

  test('a call that would pass a limit is refused before it is made, and one that fits exactly is let through', () => {
    const at = (used: number, usd: number | null) => {
      const judged = judgeBudget(reading({ task: { limits: { maxUsd: 1 }, use: { usd: used } } }), { usd, turns: 1 })
      return judged.reached.length > 0
    }
    expect({
      fits: at(0.5, 0.5),
      // Rounding of sums is no reason: 0.1 + 0.2 is more than 0.3 in a computer.
      fitsBarely: at(0.1 + 0.2, 0.7),
      over: at(0.5, 0.500_001),
      usedUp: at(1, 0),
      unpriced: at(2, null),
    }).toEqual({ fits: false, fitsBarely: false, over: true, usedUp: true, unpriced: false })
  })

  test('a turn that has begun may ask again at the limit of turns, and not beyond it', () => {
    const at = (turns: number) =>
      judgeBudget(reading({ task: { limits: { maxTurns: 3 }, use: { turns } } }), { usd: 0, turns: 0 }).reached.length
    expect([at(3), at(4)]).toEqual([0, 1])
  })

  test('each scope and each kind is judged by itself', () => {
    const limits = { maxUsd: 1, maxTurns: 10, maxMinutes: 5 }
    const all = reading({
      task: { limits, use: { usd: 1.5, turns: 8, minutes: 1 } },
      project: { limits: { maxUsd: 100 }, use: { usd: 85 } },
      day: { limits: { maxMinutes: 60 }, use: { minutes: 60.5 } },
    })
    expect(judgeBudget(all, FREE)).toEqual({
      reached: [
        { scope: 'task', kind: 'usd', used: 1.5, limit: 1 },
        { scope: 'day', kind: 'minutes', used: 60.5, limit: 60 },
      ],
      warned: [
        { scope: 'task', kind: 'turns', used: 8, limit: 10 },
        { scope: 'project', kind: 'usd', used: 85, limit: 100 },
      ],
    })
  })

  test('a limit of nothing is reached at once', () => {
    expect(judgeBudget(reading({ task: { limits: { maxUsd: 0 } } }), FREE).reached).toEqual([
      { scope: 'task', kind: 'usd', used: 0, limit: 0 },
    ])
  })
})

test('a call’s upper estimate is its prompt at the dearest kind of input and its whole room for the reply', () => {
  const priced = profileFor('claude-haiku-4-5', { compat: false })
  const stepped = profileFor('claude-haiku-5-5', { compat: false })
  const unpriced = profileFor('somebody-elses', { compat: true })
  expect({
    priced: upperCostUsd(priced, 100_000, 16_000),
    belowStep: upperCostUsd(stepped, 100_000, 1_000),
    aboveStep: upperCostUsd(stepped, 100_001, 1_000),
    unpriced: upperCostUsd(unpriced, 1_000, 1_000),
    text: upperTokens(priced, 'abcdef'),
    wide: upperTokens(priced, '猫犬'),
    newTokenizer: upperTokens(stepped, 'abcdef'),
  }).toEqual({
    priced: 0.205,
    belowStep: 0.013,
    aboveStep: expect.closeTo(0.065, 5),
    unpriced: null,
    text: 2,
    wide: 2,
    newTokenizer: 3,
  })
})

test('the model is told of money in cents and of the rest in whole numbers, and whose limit it is', () => {
  expect([
    budgetNote({ scope: 'task', kind: 'usd', used: 4.1234, limit: 5 }),
    budgetNote({ scope: 'day', kind: 'minutes', used: 96.7, limit: 120 }),
  ]).toEqual([
    "Notice: 4.12 of 5 dollars of this task's budget are used. Bring the work to a good end soon.",
    "Notice: 96 of 120 minutes of the project's daily budget are used. Bring the work to a good end soon.",
  ])
})

describe('the gate', () => {
  test('reads anew for each call, warns once a limit and keeps what it refused', async () => {
    const warned: BudgetMark[] = []
    let turns = 7
    let reads = 0
    const gate = createBudgetGate({
      warned: ['project:usd'],
      async read() {
        reads++
        const nearly = { limits: { maxUsd: 1 }, use: { usd: 0.9 } }
        return reading({ task: { limits: { maxTurns: 10 }, use: { turns: turns++ } }, project: nearly })
      },
      warn: async (marks) => void warned.push(...marks),
    })
    const refused = [await gate.refuses(FREE), await gate.refuses({ usd: 0.05, turns: 0 }, 'same_reading')]
    expect([refused, reads, gate.refused]).toEqual([[false, false], 1, null])
    expect([await gate.refuses(FREE), await gate.refuses(FREE), await gate.refuses(FREE)]).toEqual([false, false, true])
    expect([reads, gate.refused]).toEqual([4, FREE])
    expect(warned.map(({ scope, kind, used }) => [scope, kind, used])).toEqual([['task', 'turns', 8]])
  })
})
