import path from 'node:path'
import { hitCrashPoint } from '../../shared/crash-points.ts'
import { AppError } from '../../shared/errors.ts'
import {
  breathe,
  listDirectory,
  removeOne,
  statPath,
  type WorkspacePlace,
  writeFileWhole,
  writeSymlink,
} from './files.ts'
import type { FlatTree, ObjectStore } from './objects.ts'

const FILES_PER_BREATH = 50
const MAX_LOOK_DEPTH = 64
const MAX_LOOK_ENTRIES = 10_000

function toText(bytePath: string): string {
  return Buffer.from(bytePath, 'latin1').toString()
}

function isChosen(file: string, paths: ReadonlySet<string> | null): boolean {
  if (paths === null) return true
  for (let at = file; at !== '.'; at = path.posix.dirname(at)) if (paths.has(at)) return true
  return false
}

/**
 * Makes the files of a workspace that are as in `current` as they are in `target`, or only those at or below `paths`.
 * What the checkpoints' walk does not see (ignored directories, large files) is not in `current` and stays. Each file is
 * removed or replaced in one step and nothing depends on the order, so an interrupted restore is finished by another one
 * that starts from a new `current`.
 */
export async function restoreTree(
  place: WorkspacePlace,
  store: ObjectStore,
  current: FlatTree,
  target: FlatTree,
  paths: readonly string[] | null,
): Promise<void> {
  const chosen = paths === null ? null : new Set(paths.map((each) => Buffer.from(each).toString('latin1')))
  for (const file of target.keys()) {
    if (!current.has(file) && isChosen(file, chosen)) await refuseBlocked(place, current, toText(file))
  }
  let done = 0
  for (const file of current.keys()) {
    if (target.has(file) || !isChosen(file, chosen)) continue
    removeWithEmptyParents(place, toText(file))
    if (++done % FILES_PER_BREATH === 0) await breathe()
  }
  for (const [file, wanted] of target) {
    const now = current.get(file)
    if (!isChosen(file, chosen) || (now?.hash === wanted.hash && now.mode === wanted.mode)) continue
    const data = await store.readBlob(wanted.hash)
    makeRoom(place, toText(file))
    if (wanted.mode === '120000') writeSymlink(place, toText(file), data)
    else await writeFileWhole(place, toText(file), data, wanted.mode === '100755' ? 0o755 : 0o644)
    hitCrashPoint('restore.file_replaced')
  }
}

/**
 * Throws `sandbox_bad_request` when a directory stands in a file's place and holds what no checkpoint sees. Asked before
 * anything is touched: taking away a manifest may uncover build output, which a way back would then remove.
 */
async function refuseBlocked(place: WorkspacePlace, current: FlatTree, file: string): Promise<void> {
  if (statPath(place, file)?.kind !== 'directory') return
  const { entries, truncated } = await listDirectory(place, file, { depth: MAX_LOOK_DEPTH, limit: MAX_LOOK_ENTRIES })
  const isKnown = (path: string) => current.has(Buffer.from(path).toString('latin1'))
  if (!truncated && entries.every((entry) => entry.kind === 'directory' || isKnown(entry.path))) return
  throw new AppError('sandbox_bad_request', `${file} cannot be restored: a directory with other files is in its place`)
}

/** Directories go with their last file, since a tree has no empty ones. */
function removeWithEmptyParents(place: WorkspacePlace, file: string): void {
  for (let at = file; at !== '.' && removeOne(place, at); at = path.posix.dirname(at)) {
    // Ends at the first directory that still holds something.
  }
}

/** Takes away a link or an empty directory where a file is to be; a file that is there is replaced by rename. */
function makeRoom(place: WorkspacePlace, file: string): void {
  if (removeOne(place, file)) return
  throw new AppError('sandbox_bad_request', `${file} cannot be restored: a directory with other files is in its place`)
}
