import { posix } from 'node:path'

/** A path that a call named, relative to the workspace and normalised; null when it lies outside. Pure. */
export function pathInWorkspace(path: string, root: string): string | null {
  const relative = posix.normalize(posix.isAbsolute(path) ? posix.relative(root, posix.normalize(path)) : path)
  return relative === '..' || relative.startsWith('../') ? null : relative.replace(/\/$/, '')
}
