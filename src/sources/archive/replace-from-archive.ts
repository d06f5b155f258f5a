import type { Db } from '../../db/client.ts'
import { TAKEN, whileRestoring } from '../../db/project/project-lock.ts'
import { recordSourceReport } from '../../db/project/projects.ts'
import { requireIdle } from '../../db/task/require-idle.ts'
import { inProject } from '../../db/transaction.ts'
import type { Sandbox, WorkspaceSize } from '../../sandbox/types.ts'
import { AppError } from '../../shared/errors.ts'
import { readArchive } from './read-archive.ts'

/**
 * Puts an archive's files in the place of a project's; its history in `.git` stays unless the archive brings one. Throws
 * `task_running`, `restore_running` (retryable), `bad_request` naming what is wrong with the archive, `sandbox_*`; the files
 * are as before then. Twice is the same as once.
 */
export async function replaceFromArchive(
  deps: { readonly db: Db; open(projectId: string): Promise<Sandbox> },
  projectId: string,
  file: string,
): Promise<WorkspaceSize> {
  const idle = () => inProject(deps.db, projectId, requireIdle)
  await idle()
  // Before the lock: opening finishes a restore that a dead process left, which takes the same one.
  const sandbox = await deps.open(projectId)
  if (!sandbox.replaceFiles) {
    throw new AppError('bad_request', 'The sandbox of this project takes no archives.', {
      details: { archive: 'use a project in a local sandbox' },
    })
  }
  const answer = await whileRestoring(deps.db, projectId, async (held) => {
    const size = await replace(sandbox, file, {
      check: () => held.check(),
      ready: async () => {
        await idle()
        await sandbox.killAll()
      },
    })
    await recordSourceReport(deps.db, projectId, { ...size, notes: ['The files were replaced from an archive.'] })
    return size
  })
  if (answer === TAKEN) {
    throw new AppError(
      'restore_running',
      'The project’s files are being replaced or restored already. Try again in a moment.',
    )
  }
  return answer
}

async function replace(
  sandbox: Sandbox,
  file: string,
  guards: { check(): void; ready(): Promise<void> },
): Promise<WorkspaceSize> {
  try {
    const options = { keep: ['.git'], first: readArchive(file), ...guards }
    return (await sandbox.replaceFiles?.(readArchive(file), options)) ?? { files: 0, sizeBytes: 0 }
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'sandbox_bad_request') throw error
    const message = `archive: ${error.message}`
    throw new AppError('bad_request', message, { cause: error, details: { archive: error.message } })
  }
}
