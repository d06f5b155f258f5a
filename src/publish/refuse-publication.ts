/** What is refused before anything is pushed, each with the way out. */

import type { Publication } from '../db/task/publications.ts'
import { AppError } from '../shared/errors.ts'
import { printable } from './place.ts'
import type { Work } from './publish-work.ts'
import { workflowFiles } from './workflow-files.ts'

const MAX_NAMED = 5

/** Throws `bad_request` for a pull request that has no other branch to go into. */
export function requireBase(branch: string, base: string | null, { project: { sourceReport }, target }: Work): void {
  if (base === null && sourceReport?.commit !== undefined) {
    const message =
      'A pull request needs a branch to go into, and the repository names no default one: make the project of a branch ("ref"), or push the branch and open it there.'
    throw new AppError('bad_request', message)
  }
  if (base === null) {
    const message = 'A pull request needs a branch to go into, and the repository is empty: push the branch first.'
    throw new AppError('bad_request', message)
  }
  if (branch !== base || target.fork !== null) return
  const message = `A pull request from ${branch} into itself cannot be opened: leave "branch" out, or name another one.`
  throw new AppError('bad_request', message)
}

/** Throws `workflow_files` for changed files that make the host run something, unless a person allowed them. */
export function refuseWorkflowFiles({ allowWorkflowFiles }: Publication, changed: readonly string[]): void {
  const found = workflowFiles(changed)
  if (allowWorkflowFiles || found.length === 0) return
  const named = found.slice(0, MAX_NAMED).join(', ')
  const more = found.length > MAX_NAMED ? ` and ${found.length - MAX_NAMED} more` : ''
  const message = `The change touches files that make the host run something: ${named}${more}. Look at them, then publish with allowWorkflowFiles.`
  throw new AppError('workflow_files', message)
}

/** A sync may have left marks in the files, which nobody wants in a commit. */
export function refuseMarks(found: string): void {
  if (found.trim() === '') return
  const message = `The sync left conflict marks in ${printable(found.trim().split('\n').slice(0, MAX_NAMED).join(', '))}. Have them resolved, then publish the task that did it.`
  throw new AppError('sync_conflict', message)
}
