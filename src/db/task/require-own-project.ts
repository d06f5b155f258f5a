import { onlyATry } from '../../shared/refusals.ts'
import type { LockedProject } from '../transaction.ts'

/**
 * Throws `is_alternative` for the project of a try: what a person would add there is compared with nothing, and gone with
 * the comparison. The refusal names the project that the try belongs to. Pure.
 */
export function requireOwnProject({ project }: { readonly project: LockedProject }): void {
  if (project.alternativeOf !== null) throw onlyATry(project.alternativeOf)
}
