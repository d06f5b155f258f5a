/** What people are told of comparisons: the refusals, none of which is retried, and the notes in their conversations. */

import { type AlternativeResult, type Chooser, type ComparisonState, canBeChosen } from './comparison.ts'
import { AppError } from './errors.ts'
import { isOver } from './task.ts'

/** `already_decided`: an alternative was chosen, or the comparison ended without a choice (`chosenIndex` null). */
export function comparisonDecided({
  state,
  chosenIndex,
}: {
  readonly state: ComparisonState
  readonly chosenIndex: number | null
}): AppError {
  const message =
    chosenIndex === null ? 'This comparison ended without a choice.' : `Alternative ${chosenIndex} was chosen already.`
  return new AppError('already_decided', message, { details: { state, chosenIndex } })
}

/** `files_moved_on`: the project's files are not those of the task any more. */
export function filesMovedOn(taskId: string): AppError {
  const message =
    'The project’s files have changed since this task, and a choice would throw that away. Undo it first, or cancel the comparison.'
  return new AppError('files_moved_on', message, { details: { taskId } })
}

/** `checkpoint_gone`: the files before the task, which its alternatives would begin from, are not kept. */
export function nothingToBeginFrom(taskId: string, { wasKept }: { readonly wasKept: boolean }): AppError {
  const message = wasKept
    ? 'The files as they were before this task are not kept any more. Send the message again.'
    : 'This task ended before its first checkpoint, so there is nothing to begin again from. Send the message again.'
  return new AppError('checkpoint_gone', message, { details: { taskId } })
}

/** `comparison_limit`: as many comparisons are open as may be, in the project or on the whole server. */
export function tooManyComparisons(where: 'project' | 'server', maxOpen: number): AppError {
  const message =
    where === 'project'
      ? `${maxOpen} comparisons of this project are open already. Choose in one of them or cancel it.`
      : `${maxOpen} comparisons are open on this server already. Choose in some of them or cancel them.`
  return new AppError('comparison_limit', message, { details: { maxOpen } })
}

/** Throws `bad_request` naming the index when there is no such alternative, or when it has no result. Pure. */
export function requireChoosable(results: readonly AlternativeResult[], index: number): void {
  const chosen = results.find((result) => result.index === index)
  if (chosen === undefined) {
    const known = results.map((result) => result.index).join(', ')
    throw new AppError('bad_request', `index: there is no alternative ${index}; there are ${known}`, {
      details: { index: `is none of ${known}` },
    })
  }
  if (canBeChosen(chosen)) return
  const why = isOver(chosen.status) ? `ended without a result (${chosen.status})` : 'has not ended yet'
  throw new AppError('bad_request', `index: alternative ${index} ${why}`, { details: { index: why } })
}

/**
 * What a conversation is told of a comparison that has come to a new state; null when nothing is to be told: a choice has
 * the note of its restore. `reason` is a sentence, `results` is null until the alternatives have ended.
 */
export function comparisonNote({
  state,
  reason,
  results,
  choose,
}: {
  readonly state: ComparisonState
  readonly reason: string | null
  readonly results: readonly AlternativeResult[] | null
  readonly choose: Chooser
}): string | null {
  const why = reason === null ? '' : ` ${reason}`
  switch (state) {
    case 'waiting': {
      const count = (results ?? []).filter(canBeChosen).length
      if (choose === 'evidence' || reason !== null)
        return `No alternative is in effect yet: a person must choose.${why}`
      return `The alternatives are there (${count} to choose from): look at them side by side and choose one.`
    }
    case 'failed':
      return `No alternative was chosen.${why}`
    case 'cancelled':
      return `The comparison of alternatives was ended without a choice.${why}`
    default:
      return null
  }
}
