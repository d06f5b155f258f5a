import type { BudgetKind } from '../events/topics.ts'

/** A task's limits as they are now; null means no limit of that kind. */
export interface BudgetLimits {
  readonly maxUsd: number | null
  readonly maxTurns: number | null
  readonly maxMinutes: number | null
}

export interface BudgetUse {
  readonly usd: number
  readonly turns: number
  readonly minutes: number
}

export interface BudgetMark {
  readonly kind: BudgetKind
  readonly used: number
  readonly limit: number
}

const WARN_SHARE = 0.8

/** Which limits are reached, and which are at least 80 % used. Pure. */
export function judgeBudget(limits: BudgetLimits, use: BudgetUse): { reached: BudgetMark[]; warned: BudgetMark[] } {
  const marks: BudgetMark[] = []
  if (limits.maxUsd !== null) marks.push({ kind: 'usd', used: use.usd, limit: limits.maxUsd })
  if (limits.maxTurns !== null) marks.push({ kind: 'turns', used: use.turns, limit: limits.maxTurns })
  if (limits.maxMinutes !== null) marks.push({ kind: 'minutes', used: use.minutes, limit: limits.maxMinutes })
  return {
    reached: marks.filter((mark) => mark.used >= mark.limit),
    warned: marks.filter((mark) => mark.used >= mark.limit * WARN_SHARE && mark.used < mark.limit),
  }
}

/** What the model is told once per kind of limit. */
export function budgetNote(mark: BudgetMark): string {
  const unit = { usd: 'dollars', turns: 'turns', minutes: 'minutes' }[mark.kind]
  const used = mark.kind === 'usd' ? mark.used.toFixed(2) : Math.floor(mark.used)
  return `Notice: ${used} of ${mark.limit} ${unit} of this task's budget are used. Bring the work to a good end soon.`
}
