import { posix } from 'node:path'

/** A path within the workspace, or a sentence for the model that says why it is none. */
export type WorkspacePath =
  | { readonly ok: true; readonly path: string }
  | { readonly ok: false; readonly message: string }

/**
 * A path that the model named, as the sandbox wants it: relative to the workspace, normalised, `.` for the root itself.
 * Accepts relative paths and absolute ones below `root` (such as `/workspace/src/a.ts`). Only the text is judged here;
 * symlinks are the sandbox's to refuse.
 */
export function toWorkspacePath(raw: string, root: string): WorkspacePath {
  if (raw.includes('\0')) return { ok: false, message: 'The path contains a NUL character.' }
  const path = posix.normalize(posix.isAbsolute(raw) ? posix.relative(root, posix.normalize(raw)) : raw)
  if (path === '..' || path.startsWith('../')) {
    return { ok: false, message: `${raw} lies outside the workspace ${root}; only files in the workspace can be used.` }
  }
  return { ok: true, path: path === './' || path === '' ? '.' : path.replace(/\/$/, '') }
}

const FILE_TOOLS: ReadonlySet<string> = new Set(['read', 'write', 'edit'])

/**
 * The path that a successful call of `read`, `write` or `edit` makes known (see `ToolContext.knownPaths`), or null for
 * other tools and unusable input.
 */
export function knownPathOf(toolName: string, input: unknown, root: string): string | null {
  if (!FILE_TOOLS.has(toolName) || typeof input !== 'object' || input === null || !('file_path' in input)) return null
  if (typeof input.file_path !== 'string') return null
  const found = toWorkspacePath(input.file_path, root)
  return found.ok ? found.path : null
}
