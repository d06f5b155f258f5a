import { costUsd, type ModelProfile } from '../model/profiles.ts'
import { BUDGET_SCOPES, type BudgetMark, type BudgetNeed, type BudgetReading, limitName } from '../shared/budget.ts'
import { NO_USAGE } from '../shared/task.ts'

/** The share of a limit from which people and the model are warned. */
const WARN_SHARE = 0.8
/** Sums of prices are off by rounding: far less than this, which is far less than any price. */
const ROUNDING = 1e-9
/** Few texts have more tokens than this for their bytes, so the estimate is an upper one. */
const BYTES_PER_TOKEN = 3

/**
 * Which limits a call that needs `need` would pass (`reached`), and which of the others are used to 80 % or more
 * (`warned`). A call that fits exactly is let through; a limit that is used up lets nothing through. Pure.
 */
export function judgeBudget(
  reading: BudgetReading,
  need: BudgetNeed,
): { readonly reached: BudgetMark[]; readonly warned: BudgetMark[] } {
  const all = BUDGET_SCOPES.flatMap((scope) => marksOf(scope, reading, need))
  const reached = all.filter((mark) => isReached(mark, need))
  const warned = all.filter((mark) => !isReached(mark, need) && mark.used >= mark.limit * WARN_SHARE - ROUNDING)
  return { reached, warned }
}

function marksOf(scope: BudgetMark['scope'], reading: BudgetReading, need: BudgetNeed): BudgetMark[] {
  const { limits, use } = reading[scope]
  const all = [
    { scope, kind: 'usd', used: use.usd, limit: need.usd === null ? null : limits.maxUsd },
    { scope, kind: 'turns', used: use.turns, limit: limits.maxTurns },
    { scope, kind: 'minutes', used: use.minutes, limit: limits.maxMinutes },
  ] as const
  return all.flatMap(({ limit, ...mark }) => (limit === null ? [] : [{ ...mark, limit }]))
}

function isReached({ kind, used, limit }: BudgetMark, need: BudgetNeed): boolean {
  // A turn that has begun may ask again at the limit: it was counted when it began.
  if (kind === 'turns') return used + need.turns > limit
  return used >= limit - ROUNDING || used + (kind === 'usd' ? (need.usd ?? 0) : 0) > limit + ROUNDING
}

/**
 * What a call costs at most, in dollars: the whole prompt at the dearest kind of input (a write to the cache) and a reply
 * of `maxTokens`. null when the model's price is not known.
 */
export function upperCostUsd(profile: ModelProfile, promptTokens: number, maxTokens: number): number | null {
  return costUsd(profile, { ...NO_USAGE, cacheWriteTokens: promptTokens, outputTokens: maxTokens })
}

/** At most how many tokens the value's text has; JSON text counts with its quotes and names. */
export function upperTokens(profile: ModelProfile, value: unknown): number {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return Math.ceil((Buffer.byteLength(text) / BYTES_PER_TOKEN) * profile.tokenFactor)
}

/** What the model is told once per limit. */
export function budgetNote(mark: BudgetMark): string {
  const unit = { usd: 'dollars', turns: 'turns', minutes: 'minutes' }[mark.kind]
  const used = mark.kind === 'usd' ? mark.used.toFixed(2) : Math.floor(mark.used)
  const whose = { task: "this task's", project: "the project's", day: "the project's daily" }
  return `Notice: ${used} of ${mark.limit} ${unit} of ${whose[mark.scope]} budget are used. Bring the work to a good end soon.`
}

/** The limits of one task as the loop meets them. */
export interface BudgetGate {
  /**
   * True when a call that needs this much must not be made; the task then waits for a person. Warns people and the model
   * of what is nearly used, once per limit. `again` judges by the reading of the call before instead of taking a new one.
   */
  refuses(need: BudgetNeed, again?: 'same_reading'): Promise<boolean>
  /** Whether a turn that needs this much may begin, by this reading, without a refusal or a warning to be told. */
  fits(reading: BudgetReading, need: BudgetNeed): boolean
  /** The call that was refused last, so that whoever waits can judge later whether it may be made. */
  readonly refused: BudgetNeed | null
}

/**
 * A gate over readings of the database: each call is judged by what is true then, so that a limit that was raised or
 * lowered while the task runs holds from the next call on. `warned` names limits that were warned of already.
 */
export function createBudgetGate(options: {
  readonly warned: readonly string[]
  read(): Promise<BudgetReading>
  warn(marks: readonly (BudgetMark & { readonly note: string })[]): Promise<void>
}): BudgetGate {
  const warned = new Set(options.warned)
  let reading: BudgetReading | undefined
  let refused: BudgetNeed | null = null
  return {
    async refuses(need, again) {
      if (reading === undefined || again === undefined) reading = await options.read()
      const judged = judgeBudget(reading, need)
      const fresh = judged.warned.filter((mark) => !warned.has(limitName(mark)))
      if (fresh.length > 0) {
        for (const mark of fresh) warned.add(limitName(mark))
        await options.warn(fresh.map((mark) => ({ ...mark, note: budgetNote(mark) })))
      }
      if (judged.reached.length === 0) return false
      refused = need
      return true
    },
    fits(fresh, need) {
      const judged = judgeBudget(fresh, need)
      if (judged.reached.length > 0 || judged.warned.some((mark) => !warned.has(limitName(mark)))) return false
      reading = fresh
      return true
    },
    get refused() {
      return refused
    },
  }
}
