import type { Db } from '../db/client.ts'
import type { Project } from '../db/project/projects.ts'
import type { CheckpointInConversation } from '../db/workspace/checkpoints.ts'
import { createForkedProject, type ForkedFile, storeForkedFiles } from '../db/workspace/forks.ts'
import type { Workspaces } from '../sandbox/workspaces.ts'
import { AppError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'

const MAX_FILES = 20_000
const MAX_BYTES = 64 * 1024 * 1024
const BATCH_FILES = 200
const BATCH_BYTES = 4 * 1024 * 1024

/**
 * Makes a project whose files are a checkpoint's. They are stored with it, so that it can be filled again and lives on
 * when the project they came from is deleted. Throws `task_running`, `not_found`, `bad_request` for more than 20,000 files
 * or 64 MiB, `sandbox_*`. Not safe to repeat: each call makes another project.
 */
export async function forkProject(
  deps: { readonly db: Db; readonly workspaces: Pick<Workspaces, 'open'> },
  from: CheckpointInConversation,
  name: string,
): Promise<{ project: Project; conversationId: string }> {
  const sandbox = await deps.workspaces.open(from.projectId)
  if (sandbox.treeFiles === undefined) {
    throw new AppError('bad_request', 'into: the sandbox of this project cannot give a checkpoint’s files out', {
      details: { into: 'use "conversation" here' },
    })
  }
  const projectId = newId('prj')
  for await (const files of inBatches(sandbox.treeFiles(from.treeHash))) {
    await storeForkedFiles(deps.db, projectId, files)
  }
  return await createForkedProject(deps.db, from, { projectId, name })
}

async function* inBatches(files: AsyncIterable<ForkedFile>): AsyncGenerator<ForkedFile[]> {
  let batch: ForkedFile[] = []
  let batchBytes = 0
  const total = { files: 0, bytes: 0 }
  for await (const file of files) {
    total.files += 1
    total.bytes += file.data.length
    if (total.files > MAX_FILES || total.bytes > MAX_BYTES) {
      throw new AppError('bad_request', 'into: this checkpoint is too large for a project of its own', {
        details: { into: `at most ${MAX_FILES} files and ${MAX_BYTES} bytes` },
      })
    }
    batch.push(file)
    batchBytes += file.data.length
    if (batch.length < BATCH_FILES && batchBytes < BATCH_BYTES) continue
    yield batch
    batch = []
    batchBytes = 0
  }
  if (batch.length > 0) yield batch
}
