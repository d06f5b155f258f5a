/** Limits in dollars, turns and minutes: of a task, of a project, and of a project's day. Pure; no I/O. */

import type { Budget } from './task.ts'

/** Whose limit: the task's own, its project's in all, or its project's on this UTC day. */
export const BUDGET_SCOPES = ['task', 'project', 'day'] as const
/** Over what a limit counts: a task, its project, or the project's day. */
export type BudgetScope = (typeof BUDGET_SCOPES)[number]

/** What a limit counts. */
export type BudgetKind = 'usd' | 'turns' | 'minutes'

/** Limits by scope, as a project sets them or the server gives them; what is not named is not limited here. */
export type BudgetsByScope = Readonly<Record<BudgetScope, Budget>>

/** A project's own limits: those that it names. */
export type ProjectBudget = Partial<BudgetsByScope>

/** A project's own limits from the JSON of its row; none for null. Pure. */
export function parseProjectBudget(text: string | null): ProjectBudget {
  return text === null ? {} : (JSON.parse(text) as ProjectBudget)
}

/** Limits as they hold; null means no limit of that kind. */
export interface BudgetLimits {
  readonly maxUsd: number | null
  readonly maxTurns: number | null
  readonly maxMinutes: number | null
}

/** What was used, in dollars, turns and minutes. */
export interface BudgetUse {
  readonly usd: number
  readonly turns: number
  readonly minutes: number
}

/** What the next model call would add at most. */
export interface BudgetNeed {
  /** null when the model's price is not known: the call is then held by turns and minutes alone. */
  readonly usd: number | null
  /** 1 for a call that begins a turn, 0 for one that asks a turn's question again. */
  readonly turns: 0 | 1
}

/** A task's limits and what is used of each, read at one moment. */
export type BudgetReading = Readonly<Record<BudgetScope, { readonly limits: BudgetLimits; readonly use: BudgetUse }>>

/** One limit and what was used of it. */
export interface BudgetMark {
  readonly scope: BudgetScope
  readonly kind: BudgetKind
  readonly used: number
  readonly limit: number
}

/** Limits with null for what is not named. Pure. */
export function toLimits({ maxUsd, maxTurns, maxMinutes }: Budget): BudgetLimits {
  return { maxUsd: maxUsd ?? null, maxTurns: maxTurns ?? null, maxMinutes: maxMinutes ?? null }
}

/** A limit's name among those of a task: `usd` for its own, `day:usd` for another's. */
export function limitName({ scope, kind }: Pick<BudgetMark, 'scope' | 'kind'>): string {
  return scope === 'task' ? kind : `${scope}:${kind}`
}
