/** The nouns of publishing, for workflow, worker, server and page. Pure; no I/O, no zod. */

export type PublicationStatus = 'running' | 'finished' | 'failed'

/** What a publication is about to do, or `done`. */
export type PublicationStep = 'building' | 'pushing' | 'opening' | 'done'

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

export function publishWorkflowIdFor(publicationId: string): string {
  return `publish/${publicationId}`
}
