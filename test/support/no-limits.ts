import type { BudgetLimits } from '../../src/shared/budget.ts'

export const NO_LIMITS: BudgetLimits = { maxUsd: null, maxTurns: null, maxMinutes: null }
