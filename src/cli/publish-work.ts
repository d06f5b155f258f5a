import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { PublicationAnswer } from './answers.ts'
import { type Api, ApiError } from './api.ts'
import type { Printer } from './printer.ts'

/** A host that is away is tried again for minutes; then the publication says so itself. */
const LIMIT_MS = 30 * 60_000
const LOOK_EVERY_MS = 300

/** What may be asked for; see the call's own documentation. */
export interface PublishOptions {
  readonly branch?: string
  readonly title?: string
  readonly pullRequest?: boolean
  readonly draft?: boolean
  readonly allowWorkflowFiles?: boolean
  readonly fork?: boolean
}

/**
 * Publishes a task and waits for the end, at most half an hour. A lost answer asks for nothing twice. `onWaits` is called
 * once when the publication waits for a person's approval; with `leave` it is returned as it stands. Throws {@link ApiError}.
 */
export async function publishTask(
  api: Api,
  taskId: string,
  wish: PublishOptions,
  onWaits: (approvalId: string) => Promise<'wait' | 'leave'>,
): Promise<PublicationAnswer> {
  const body = { ...wish, clientPublishId: `terminal-${randomUUID()}` }
  const path = `/api/tasks/${encodeURIComponent(taskId)}/publish`
  const { publicationId } = await api.insist<{ publicationId: string }>('POST', path, body)
  let hasWaited = false
  const deadline = performance.now() + LIMIT_MS
  for (;;) {
    const found = await api.insist<PublicationAnswer>('GET', `/api/publications/${encodeURIComponent(publicationId)}`)
    if (found.status !== 'running') return found
    if (found.approvalId !== undefined && !hasWaited) {
      hasWaited = true
      if ((await onWaits(found.approvalId)) === 'leave') return found
    }
    if (performance.now() > deadline) {
      throw new ApiError(`The publication ${publicationId} is still under way after half an hour.`, 0, 'timeout')
    }
    await delay(LOOK_EVERY_MS)
  }
}

/** Says how a publication ended, or that it waits for a person; false when it failed. */
export function showPublication(printer: Printer, publication: PublicationAnswer): boolean {
  const { status, branch, commit, branchUrl, pullRequest, error, approvalId, fork } = publication
  if (commit !== undefined && publication.step !== 'pushing') {
    printer.note(
      `Branch ${branch}${fork === undefined ? '' : ` of ${fork}`} at ${commit.slice(0, 12)}${branchUrl === undefined ? '' : `: ${branchUrl}`}`,
    )
  }
  if (pullRequest !== null) printer.note(`Pull request #${pullRequest.number}: ${pullRequest.url}`, 'green')
  if (approvalId !== undefined)
    printer.note(`It waits for a person: /approve ${approvalId}, or /deny ${approvalId}`, 'yellow')
  if (status === 'failed') printer.note(error?.message ?? 'The publication failed.', 'red')
  return status !== 'failed'
}
