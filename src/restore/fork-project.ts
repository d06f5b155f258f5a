import type { Db } from '../db/client.ts'
import { deleteProject, type Project } from '../db/project/projects.ts'
import type { CheckpointInConversation } from '../db/workspace/checkpoints.ts'
import { createForkedProject, dropForkedFiles, type ForkedFile, storeForkedFiles } from '../db/workspace/forks.ts'
import type { Sandbox, TreeFile } from '../sandbox/types.ts'
import type { Workspaces } from '../sandbox/workspaces.ts'
import { AppError } from '../shared/errors.ts'
import { newId } from '../shared/ids.ts'

/** What is kept in the database for a fork; more is copied from the checkpoint at once and kept nowhere else. */
const MAX_STORED_FILES = 20_000
const MAX_STORED_BYTES = 64 * 1024 * 1024
const BATCH_FILES = 200
const BATCH_BYTES = 4 * 1024 * 1024

/**
 * Makes a project whose files are a checkpoint's. Up to 20,000 files and 64 MiB are stored with it, so that it can be filled
 * again and lives on when the project they came from is deleted; larger ones are copied into its sandbox before this returns,
 * or, where that takes longer than a request waits, go on being copied. Throws `task_running`, `not_found`, `bad_request` when
 * the files do not fit into a sandbox (there is no new project then), `sandbox_*`. Not safe to repeat: each call makes another
 * project.
 */
export async function forkProject(
  deps: { readonly db: Db; readonly workspaces: Pick<Workspaces, 'open'> },
  from: CheckpointInConversation,
  name: string,
): Promise<{ project: Project; conversationId: string }> {
  const { db } = deps
  const sandbox = await deps.workspaces.open(from.projectId)
  const projectId = newId('prj')
  const isStored = await store(db, projectId, sandbox, from.treeHash)
  const made = await createForkedProject(db, from, { projectId, name, fromCheckpoint: !isStored })
  if (!isStored) await copyNow(deps, projectId)
  return made
}

/** Whether all of them were stored; nothing is when they are too large for that. */
async function store(db: Db, projectId: string, sandbox: Sandbox, tree: string): Promise<boolean> {
  if (sandbox.treeFiles === undefined) {
    throw new AppError('bad_request', 'into: the sandbox of this project cannot give a checkpoint’s files out', {
      details: { into: 'use "conversation" here' },
    })
  }
  for await (const files of inBatches(sandbox.treeFiles(tree))) {
    if (files !== 'too large') {
      await storeForkedFiles(db, projectId, files)
      continue
    }
    await dropForkedFiles(db, projectId)
    return false
  }
  return true
}

/** Fills the sandbox of the new project; one that cannot be filled is no project. */
async function copyNow(
  { db, workspaces }: { readonly db: Db; readonly workspaces: Pick<Workspaces, 'open'> },
  projectId: string,
): Promise<void> {
  try {
    await workspaces.open(projectId)
  } catch (error) {
    // The restore stays noted: whoever needs the files first tries it again.
    if (error instanceof AppError && error.retryable) return
    await deleteProject(db, projectId)
    if (!(error instanceof AppError) || error.code !== 'project_source_failed') throw error
    const message = `into: this checkpoint cannot be a project of its own. ${error.message}`
    throw new AppError('bad_request', message, { cause: error, details: { into: error.message } })
  }
}

async function* inBatches(files: AsyncIterable<TreeFile>): AsyncGenerator<ForkedFile[] | 'too large'> {
  let batch: ForkedFile[] = []
  let batchBytes = 0
  const total = { files: 0, bytes: 0 }
  for await (const file of files) {
    const sizeBytes = file.large?.sizeBytes ?? file.data.length
    total.files += 1
    total.bytes += sizeBytes
    if (total.files > MAX_STORED_FILES || total.bytes > MAX_STORED_BYTES) {
      yield 'too large'
      return
    }
    batch.push(file.large === undefined ? file : { ...file, data: await wholeOf(file.large.pieces) })
    batchBytes += sizeBytes
    if (batch.length < BATCH_FILES && batchBytes < BATCH_BYTES) continue
    yield batch
    batch = []
    batchBytes = 0
  }
  if (batch.length > 0) yield batch
}

async function wholeOf(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const piece of pieces) parts.push(piece)
  return Buffer.concat(parts)
}
