import type { ComparisonBody } from '../api/types.ts'

/** One further try as it is typed in the dialog; nothing of it is checked yet. */
export interface AlternativeDraft {
  /** Keeps its field while others come and go. */
  readonly key: number
  /** Empty: the model that the task had. */
  readonly model: string
  /** One a line; only with `hasCriteria`. */
  readonly criteria: string
  /** Whether sentences of its own stand in the place of the project's criteria. */
  readonly hasCriteria: boolean
}

/** The drafts, made `count` long: the last ones go, new ones are as the task was. Pure. */
export function resizeDrafts(drafts: readonly AlternativeDraft[], count: number): readonly AlternativeDraft[] {
  const kept = drafts.slice(0, count)
  const nextKey = Math.max(-1, ...drafts.map(({ key }) => key)) + 1
  const added = Array.from({ length: count - kept.length }, (_, index) => ({
    key: nextKey + index,
    model: '',
    criteria: '',
    hasCriteria: false,
  }))
  return [...kept, ...added]
}

/** What is sent of the drafts. Pure; empty lines are no criteria. */
export function bodyOf(
  drafts: readonly AlternativeDraft[],
  rest: Omit<ComparisonBody, 'alternatives'>,
): ComparisonBody {
  const alternatives = drafts.map(({ model, criteria, hasCriteria }) => ({
    ...(model === '' ? {} : { model }),
    ...(hasCriteria ? { criteria: linesOf(criteria) } : {}),
  }))
  return { alternatives, ...rest }
}

/** Whether each of them says what it must: one with criteria of its own has at least one. */
export function isComplete(drafts: readonly AlternativeDraft[]): boolean {
  return drafts.every(({ hasCriteria, criteria }) => !hasCriteria || linesOf(criteria).length > 0)
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}
