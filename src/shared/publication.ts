/** The nouns of publishing, for workflow, worker, server and page. Pure; no I/O, no zod. */

export type PublicationStatus = 'running' | 'finished' | 'failed'

/** What a publication is about to do, or `done`; `approving`: it waits for a person, since the project's policy says so. */
export type PublicationStep = 'approving' | 'building' | 'pushing' | 'opening' | 'done'

/** Why a publication failed: a code and a sentence that says what to do. */
export interface PublicationError {
  readonly code: string
  readonly message: string
}

/** Input of the `publishChanges` workflow: ids and nothing else. */
export interface PublishInput {
  readonly publicationId: string
  readonly projectId: string
}

/** The key of the approval that a publication waits for, among those of its task. */
export function publishApprovalKey(publicationId: string): string {
  return `publish:${publicationId}`
}

/** The Temporal workflow of a publication. */
export function publishWorkflowIdFor(publicationId: string): string {
  return `publish/${publicationId}`
}

/** What a person is asked before a publication. */
export function publishQuestion(branch: string, hasPullRequest: boolean, isToFork: boolean): string {
  return `Publish to ${branch}${isToFork ? ' of a fork' : ''}${hasPullRequest ? ' with a pull request' : ''}`
}

/** Why a publication that waited for a person does not happen; `note` is what the person said. */
export function publishDenial(isDenied: boolean, note: string | null): string {
  if (!isDenied) return 'Nobody approved this publication in time. Ask for it again when somebody can.'
  return note === null ? 'A person denied this publication.' : `A person denied this publication. They say: ${note}`
}
