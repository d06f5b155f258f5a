import { AppError } from '../../shared/errors.ts'
import type { LockedProject } from '../transaction.ts'

/**
 * Throws `is_alternative` for the project of a try: what a person would add there is compared with nothing, and gone with
 * the comparison. The refusal names the project that the try belongs to. Pure.
 */
export function requireOwnProject({ project }: { readonly project: LockedProject }): void {
  if (project.alternativeOf === null) return
  const message =
    'This is a try at the task of another project, and works by its comparison alone. Choose it there, then go on in that project.'
  throw new AppError('is_alternative', message, { details: { projectId: project.alternativeOf } })
}
