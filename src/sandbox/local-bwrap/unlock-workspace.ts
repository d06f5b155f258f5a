import { chmodSync, statSync } from 'node:fs'
import { isMissing } from './job-files.ts'

const OWNER = 0o700

/**
 * Gives the owner of a workspace back the right to its top directory, which a command may have taken away (`chmod 000 .`):
 * without it no command begins there and no file is seen. The path itself is ours, commands cannot put anything in its place.
 * Does nothing where the directory is missing. Safe to repeat.
 */
export function unlockWorkspace(workspace: string): void {
  try {
    const mode = statSync(workspace).mode & 0o7777
    if ((mode & OWNER) !== OWNER) chmodSync(workspace, mode | OWNER)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}
