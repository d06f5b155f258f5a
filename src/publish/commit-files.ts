/** The files of a commit: the delivered tree as git is to see it, and the paths that leave the repository with it. */

import { query } from '../db/query.ts'
import { lastOnBranch } from '../db/task/publications.ts'
import { getTask } from '../db/task/tasks.ts'
import { entryOfTree } from '../sandbox/sources/tree-entry.ts'
import { fromPathText } from '../sandbox/tree-file-path.ts'
import type { Sandbox, TreeFile, WorkspaceEntry } from '../sandbox/types.ts'
import { AppError } from '../shared/errors.ts'
import { gitChangesIn } from './git-changes.ts'
import { REPOSITORY, TREE } from './place.ts'
import type { PublishDeps, StepControl, Work } from './publish-work.ts'

const MAX_REMOVED = 200_000
const GIT_PATH = /(^|\/)(\.git|git~1)[ .]*(\/|$)/i

/** Replaces the files of the place, apart from its repository, by those of `tree`. Throws `sandbox_*`; safe to repeat. */
export async function putFiles(place: Sandbox, from: Sandbox, tree: string, control: StepControl): Promise<void> {
  if (from.treeFiles === undefined || place.replaceFiles === undefined) {
    throw new AppError('sandbox_bad_request', 'This kind of sandbox cannot give its files out.')
  }
  await place.replaceFiles(entriesBelow(from.treeFiles(tree)), {
    keep: [REPOSITORY],
    check: () => control.signal.throwIfAborted(),
    onProgress: () => control.onProgress(),
  })
}

async function* entriesBelow(files: AsyncIterable<TreeFile>): AsyncGenerator<WorkspaceEntry> {
  const prefix = Buffer.from(`${TREE}/`)
  yield { kind: 'directory', path: Buffer.from(TREE), mode: 0o755 }
  for await (const file of files) {
    const path = fromPathText(file.path)
    if (GIT_PATH.test(path.toString('latin1'))) continue
    yield { ...readable(entryOfTree(file)), path: Buffer.concat([prefix, path]) }
  }
}

/** Git must be able to read what a task made unreadable for itself; only the execute bit counts in the end. */
function readable(entry: WorkspaceEntry): WorkspaceEntry {
  if (entry.kind === 'symlink') return entry
  return { ...entry, mode: entry.kind === 'directory' ? 0o755 : (entry.mode & 0o100) === 0 ? 0o644 : 0o755 }
}

/**
 * What is to leave the commit: paths that an earlier state of the project had and the delivered one has not. A file that
 * checkpoints never held (too large, too many) is in neither and so stays in the repository.
 */
export async function removedPaths({ db }: PublishDeps, { publication }: Work, sandbox: Sandbox): Promise<string[]> {
  const { projectId, taskId, treeHash } = publication
  const last = await lastOnBranch(db, publication)
  const rows = await query<{ tree: string }>(
    db,
    `SELECT tree_hash AS tree FROM checkpoints WHERE project_id = $1 AND dropped_at IS NULL ORDER BY position LIMIT 1`,
    [projectId],
  )
  const { startTree } = await getTask(db, taskId)
  const before = new Set([rows[0]?.tree, startTree, last?.treeHash].filter((tree) => typeof tree === 'string'))
  const removed = new Set<string>()
  for (const tree of before) {
    const { changes } = await gitChangesIn(sandbox, tree, treeHash, MAX_REMOVED)
    for (const { path, to } of changes) if (to === null) removed.add(Buffer.from(path).toString('latin1'))
  }
  return [...removed].sort()
}
