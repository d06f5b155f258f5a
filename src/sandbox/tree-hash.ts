import { AppError } from '../shared/errors.ts'

/** How a checkpoint's tree is named: git's hash of it, 40 hexadecimal digits. */
export const TREE_HASH = /^[0-9a-f]{40}$/

/** Throws `sandbox_bad_request` unless each of these names a tree. Pure. */
export function checkTrees(...trees: string[]): void {
  if (trees.every((tree) => TREE_HASH.test(tree))) return
  throw new AppError('sandbox_bad_request', 'a checkpoint is named by 40 hexadecimal digits')
}

/** A checkpoint can only be taken over from a sandbox of the same kind. Pure. */
export function otherKind(): AppError {
  return new AppError(
    'sandbox_bad_request',
    'this checkpoint lies in a sandbox of another kind and cannot be taken over',
  )
}
