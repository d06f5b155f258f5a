import type { ReviewCheck, ReviewCriteria, ReviewCriterion } from '../../api/types.ts'

/** What a person is changing; sent whole. */
export interface CriteriaDraft {
  readonly criteria: readonly ReviewCriterion[]
  readonly checks: readonly ReviewCheck[]
  readonly maxFixRounds: number
  readonly enabled: boolean
}

/** The criteria as their fields show them. Pure. */
export function criteriaDraftOf({ criteria, checks, maxFixRounds, enabled }: ReviewCriteria): CriteriaDraft {
  return { criteria, checks, maxFixRounds, enabled }
}

/** What is wrong with a draft, by the path that the server would name (`criteria[3].text`). Empty: it can be saved. */
export function faultsOf(draft: CriteriaDraft): Readonly<Record<string, string>> {
  const faults: Record<string, string> = {}
  for (const [index, { id, text }] of draft.criteria.entries()) {
    if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(id)) faults[`criteria[${index}].id`] = 'a-z, 0-9 and - only, at most 64'
    else if (draft.criteria.some((other, at) => at < index && other.id === id)) {
      faults[`criteria[${index}].id`] = 'stands here twice'
    }
    if (text.trim() === '') faults[`criteria[${index}].text`] = 'must not be empty'
    else if (text.length > 2_000) faults[`criteria[${index}].text`] = `${text.length} of 2,000 characters`
  }
  for (const [index, { name, command }] of draft.checks.entries()) {
    if (name.trim() === '') faults[`checks[${index}].name`] = 'must not be empty'
    else if (draft.checks.some((other, at) => at < index && other.name === name)) {
      faults[`checks[${index}].name`] = 'stands here twice'
    }
    if (command.trim() === '') faults[`checks[${index}].command`] = 'must not be empty'
  }
  return faults
}

/** An id that no criterion has yet. */
export function freeId(criteria: readonly ReviewCriterion[]): string {
  for (let number = criteria.length + 1; ; number++) {
    const id = `criterion-${number}`
    if (!criteria.some((criterion) => criterion.id === id)) return id
  }
}

/** A list with one item changed, or without it. */
export function withItem<Item>(items: readonly Item[], at: number, item: Item | null): Item[] {
  return items.flatMap((own, index) => (index !== at ? [own] : item === null ? [] : [item]))
}
