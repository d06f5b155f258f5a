import type { Sandbox } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'

/** The directory of our own notes in a workspace. */
const OWN_DIRECTORY = '.claude'

/**
 * Puts a copy of what Postgres has where tools and people find it; `path` lies in `.claude`. The project may have something
 * else in its place (a file or a link of that name, a directory that takes no files): that stays as it is, and the answer is
 * the reason why there is no copy; null when it was written. Throws only what the sandbox as a whole cannot do. Safe to
 * repeat.
 */
export async function writeOwnNote(sandbox: Sandbox, path: string, data: string): Promise<string | null> {
  try {
    const [directory, file] = [await sandbox.stat(OWN_DIRECTORY), await sandbox.stat(path)]
    if (directory !== null && directory.kind !== 'directory') return `${OWN_DIRECTORY} is not a directory`
    if (file !== null && file.kind !== 'file') return `${path} is not a regular file`
    await sandbox.write([{ path, data }])
    return null
  } catch (error) {
    if (error instanceof AppError && error.code !== 'sandbox_bad_request') throw error
    return error instanceof Error ? error.message : String(error)
  }
}
