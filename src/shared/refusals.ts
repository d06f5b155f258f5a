import type { ApprovalState } from './approval.ts'
import { AppError } from './errors.ts'

/** The refusals that rows lead to, so that each is said in one way. None of them is retried unless it says so. */

type Thing =
  | 'approval'
  | 'checkpoint'
  | 'comparison'
  | 'conversation'
  | 'finding'
  | 'message'
  | 'project'
  | 'publication'
  | 'task'

/** `not_found`: what is named is not there, or was deleted; `where` it was looked for, when not everywhere. */
export function noSuch(what: Thing, where?: 'in this conversation' | 'in this project'): AppError {
  return new AppError('not_found', `There is no such ${what}${where === undefined ? '' : ` ${where}`}.`)
}

/**
 * `idempotency_mismatch`: an id that a client made up came before, with `other` than what comes with it now; `details` say
 * what it belongs to.
 */
export function idTaken(
  field: 'clientMessageId' | 'clientPublishId' | 'clientComparisonId',
  other: 'message' | 'wish' | 'comparison',
  details: Readonly<Record<string, string>>,
): AppError {
  return new AppError('idempotency_mismatch', `This ${field} was used for another ${other} already.`, { details })
}

/** `version_conflict`: a document was saved by somebody else since the one that it was edited from. */
export function versionMoved(what: 'environment' | 'criteria', current: number, expected: number): AppError {
  const subject = what === 'criteria' ? 'The criteria are' : 'The environment is'
  return new AppError('version_conflict', `${subject} at version ${current} by now; yours began at ${expected}.`)
}

/** `version_conflict`: the list of facts was changed since it was read; `current` goes back with it. */
export function factsMoved(current: unknown): AppError {
  return new AppError('version_conflict', 'What the project remembers has changed meanwhile; read it again.', {
    details: { current },
  })
}

/** `not_found`: the fact is none of the project's, or was forgotten before. */
export function noSuchFact(): AppError {
  return new AppError('not_found', 'The project remembers no such fact; it may be forgotten already.')
}

/** `bad_request`: at `index` of an edited list stands the id of no fact of the project. */
export function factOfAnother(index: number): AppError {
  return new AppError('bad_request', `facts[${index}].id: is not one of this project's facts`, {
    details: { [`facts[${index}].id`]: "is not one of this project's facts; leave it out for a new one" },
  })
}

/** `task_running`: the task itself, or one of the project, has to end first. */
export function taskRunning(taskId: string, which: 'This task' | 'A task of this project'): AppError {
  return new AppError('task_running', `${which} is not over. Wait for its end or cancel it first.`, {
    details: { taskId },
  })
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

/** `message_claimed`: a message cannot be taken back, since it began its task or a turn of it has read it. */
export function messageClaimed(taskId: string, { hasBegunTask }: { readonly hasBegunTask: boolean }): AppError {
  const message = hasBegunTask
    ? 'This message began its task; cancel the task instead.'
    : 'The agent has read this message already.'
  return new AppError('message_claimed', message, { details: { taskId } })
}

const APPROVAL_OVER = {
  open: 'This is decided already.',
  answered: 'This was answered already.',
  approved: 'This was approved already.',
  denied: 'This was denied already.',
  expired: 'This has expired: the task went on without an answer.',
  withdrawn: 'The task that asked has ended.',
} as const satisfies Record<ApprovalState, string>

/** `approval_over`: what is to be decided has had its one decision. */
export function approvalOver(state: ApprovalState): AppError {
  return new AppError('approval_over', APPROVAL_OVER[state])
}

/** `restore_running`: the project's files are being moved; to be tried again in a second. */
export function restoreRunning(): AppError {
  return new AppError('restore_running', 'The files of this project are just being restored. Try again in a moment.', {
    retryAfterMs: 1_000,
  })
}

/** `restore_running`: somebody else took this one back before it was done. */
export function restoreGivenUp(what: 'restore' | 'sync'): AppError {
  return new AppError('restore_running', `This ${what} was given up; the files are as they were before it.`)
}

/** `service_limit`: as many services run as may, in the project or on the whole host. */
export function tooManyServices(where: 'project' | 'host', most: number): AppError {
  const message =
    where === 'project'
      ? `A project runs at most ${most} services; stop one first.`
      : `This host runs at most ${most} services; stop one of any project first.`
  return new AppError('service_limit', message)
}

/** `bad_request`: a service was named that the project's environment does not have; `names` are those it has. */
export function unknownService(names: readonly string[]): AppError {
  const message =
    names.length === 0 ? 'The environment has no services; give a command.' : `Known services: ${names.join(', ')}.`
  return new AppError('bad_request', message, { details: { name: 'unknown service' } })
}

/** `publish_running`: another publication of the project is under way, or waits for a person when `approvalId` is its approval. */
export function publishRunning(publicationId: string, approvalId: string | null): AppError {
  if (approvalId === null) {
    const message = 'Another publication of this project is under way. Wait for its end.'
    return new AppError('publish_running', message, { details: { publicationId } })
  }
  const message = 'Another publication of this project waits for a person. Approve or deny it first.'
  return new AppError('publish_running', message, { details: { publicationId, approvalId } })
}

/** `branch_moved`: the branch holds what a later task made. */
export function branchHoldsLater(taskId: string, branch: string): AppError {
  const message = `The branch ${branch} holds the later task ${taskId} already. Publish to another branch.`
  return new AppError('branch_moved', message, { details: { taskId, branch } })
}

/** `is_alternative`: the project holds a try at the task of the project `ofProjectId`, and is not worked in by itself. */
export function onlyATry(ofProjectId: string): AppError {
  const message =
    'This is a try at the task of another project, and works by its comparison alone. Choose it there, then go on in that project.'
  return new AppError('is_alternative', message, { details: { projectId: ofProjectId } })
}
