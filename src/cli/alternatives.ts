/** Alternatives in the terminal: started, shown side by side, chosen from. */

import type { ComparisonAnswer } from './answers.ts'
import { type Api, ApiError } from './api.ts'
import { clean } from './clean-text.ts'
import type { Printer } from './printer.ts'
import { UsageError } from './usage-error.ts'

/** A task's comparisons are looked for among this many of the newest tasks. */
const MAX_TASKS = 20
const MAX_AGAIN = 5

/**
 * What is asked for: the tries, each with the model of its own or, without one, the task’s, and who chooses among
 * them.
 */
export interface Wish {
  readonly alternatives: readonly { readonly model?: string }[]
  readonly choose: 'person' | 'evidence'
}

/** What the words ask for: names of models, or a number of tries with the task's own, and `evidence`. Throws {@link UsageError}. Pure. */
export function wishOf(words: readonly string[]): Wish {
  const choose = words.includes('evidence') ? 'evidence' : 'person'
  const alternatives = words
    .filter((word) => word !== 'evidence')
    .flatMap((word) => {
      if (!/^\d+$/.test(word)) return [{ model: word }]
      const count = Number(word)
      if (count < 1 || count > MAX_AGAIN)
        throw new UsageError(`"${word}": the request can be tried again 1 to ${MAX_AGAIN} times.`)
      return Array.from({ length: count }, () => ({}))
    })
  if (alternatives.length === 0) throw new UsageError('Name models, or how often the request is to be tried again.')
  return { alternatives, choose }
}

/** Has a task's request tried again. Throws {@link ApiError}. Not safe to repeat: each call asks for another comparison. */
export async function compare(api: Api, taskId: string, wish: Wish): Promise<ComparisonAnswer> {
  return await api.call<ComparisonAnswer>('POST', `/api/tasks/${encodeURIComponent(taskId)}/alternatives`, wish)
}

/** The newest comparison of these tasks, the first of which counts most. Throws {@link ApiError} when there is none. */
export async function newestComparison(api: Api, taskIds: readonly string[]): Promise<ComparisonAnswer> {
  for (const taskId of taskIds.slice(0, MAX_TASKS)) {
    const path = `/api/tasks/${encodeURIComponent(taskId)}/alternatives`
    const [newest] = (await api.insist<{ items: ComparisonAnswer[] }>('GET', path)).items
    if (newest !== undefined) return newest
  }
  throw new ApiError(
    'There are no alternatives yet; /alternatives MODEL … has the newest task tried again.',
    404,
    'not_found',
  )
}

/** Chooses by number, or ends the comparison with `none`. Throws {@link UsageError}, {@link ApiError}. */
export async function choose(api: Api, comparisonId: string, what: string): Promise<ComparisonAnswer> {
  const path = `/api/comparisons/${encodeURIComponent(comparisonId)}`
  if (what === 'none') return await api.call<ComparisonAnswer>('POST', `${path}/cancel`, {})
  if (!/^\d{1,2}$/.test(what)) throw new UsageError('Choose by number (0 is the task’s own result), or none.')
  return await api.call<ComparisonAnswer>('POST', `${path}/choose`, { index: Number(what) })
}

/** One line an alternative, the chosen one marked, and where it stands. */
export function showComparison(printer: Printer, { state, items, chosenIndex, reason }: ComparisonAnswer): void {
  for (const item of items) {
    const { index, model, status, outcome, evidence, failedChecks, openFindings, diffStat, costUsd } = item
    const facts = [
      outcome === null ? status : outcome.replaceAll('_', ' '),
      ...(evidence === null ? [] : [evidence]),
      ...(failedChecks === null ? [] : [`${failedChecks} failed checks`]),
      ...(openFindings === null ? [] : [`${openFindings} findings`]),
      ...(diffStat === null ? [] : [`+${diffStat.added} −${diffStat.removed}`]),
      ...(costUsd === null ? [] : [`$${costUsd.toFixed(4)}`]),
    ]
    const name = index === 0 ? 'own result' : 'alternative'
    const line = `  ${index === chosenIndex ? '✓' : ' '} ${index} ${name} ${clean(model)} · ${facts.map((fact) => clean(fact)).join(', ')}`
    printer.note(line, index === chosenIndex ? 'green' : undefined)
  }
  const why = reason === null ? '' : ` ${clean(reason)}`
  printer.note(`${STATES[state] ?? clean(state)}${why}`, 'bold')
}

const STATES: Readonly<Record<string, string>> = {
  running: 'They run; /alternatives shows how they stand.',
  waiting: 'Choose one: /choose NUMBER, or /choose none.',
  choosing: 'It is decided, and the files are on their way.',
  chosen: 'Chosen; the files are as it left them.',
  cancelled: 'Ended without a choice.',
  failed: 'None was chosen.',
}
