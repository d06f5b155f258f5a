import { AppError } from './errors.ts'

/** The refusals that several places give, so that each is said in one way. None of them is retried. */

/** `not_found`: what is named is not there, or was deleted. */
export function noSuch(
  what: 'approval' | 'checkpoint' | 'conversation' | 'finding' | 'project' | 'publication' | 'task',
) {
  return new AppError('not_found', `There is no such ${what}.`)
}

/** `task_over`: the task has ended and takes nothing more. */
export function taskOver(): AppError {
  return new AppError('task_over', 'This task has ended already.')
}

/** `lease_lost`: the attempt that asks was replaced, and may write nothing any more. */
export function leaseLost(cause?: unknown): AppError {
  return new AppError('lease_lost', 'Another attempt has taken over this task.', { cause })
}

/** `journal_conflict`: the turn's reply is stored, and no other one takes its place. */
export function replyStored(cause?: unknown): AppError {
  return new AppError('journal_conflict', 'This turn has a reply already.', { cause })
}

/** `model_rejected`: a reply gave two tool calls one id. */
export function toolCallIdTaken(cause?: unknown): AppError {
  const message = 'Two tool calls of this task have one id, so they cannot be kept apart.'
  return new AppError('model_rejected', message, { cause })
}
