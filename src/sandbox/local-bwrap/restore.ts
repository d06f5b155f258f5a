import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs'
import { copyFile, open, rm } from 'node:fs/promises'
import path from 'node:path'
import { hitCrashPoint } from '../../shared/crash-points.ts'
import { AppError } from '../../shared/errors.ts'
import { isDirectoryNode, type TreeChange, type TreeNode } from './compare-trees.ts'
import { O_PATH } from './confined.ts'
import {
  type ByteName,
  ifPossible,
  type OpenDirectory,
  openChild,
  readNames,
  statChild,
  toFsPath,
  toShown,
} from './descriptors.ts'
import { DirectoryCursor } from './directory-cursor.ts'
import { fileMode, isLargeMode, isLinkMode, permissionsOf } from './entry-mode.ts'
import { breathe, makeStaged, type WorkspacePlace } from './files.ts'
import { decodePointer, type LargeFiles } from './large-files.ts'
import type { ObjectStore } from './objects.ts'

const FILES_PER_BREATH = 50
const MAX_LOOK_DEPTH = 128
const MAX_LOOK_NAMES = 10_000

/** Where the contents of a checkpoint are read. */
export interface RestoreStores {
  readonly store: Pick<ObjectStore, 'readBlob'>
  readonly large: Pick<LargeFiles, 'pathOf'>
}

/**
 * Applies differences to a workspace: `from` is what is there now, `to` what is to be. What the walk of checkpoints does not
 * see (left-out directories) is in neither and stays. Each file is removed or replaced in one step and nothing depends on
 * the order, so an interrupted restore is finished by another one that starts from what is there then. Throws
 * `sandbox_bad_request`, before anything is touched, when something that no checkpoint holds stands in a file's place.
 * Directories whose rights stood in the way have them back afterwards, refused or not.
 * Stops with `lease_lost` where whoever restores was replaced. `keepPermissions`: the trees know of a file only whether it may be executed, so what else its mode says stays.
 */
export async function applyChanges(
  place: WorkspacePlace,
  { store, large }: RestoreStores,
  changes: readonly TreeChange[],
  options: { readonly keepPermissions: boolean },
): Promise<void> {
  const cursor = new DirectoryCursor(place.workspace)
  try {
    await refuseBlocked(cursor, changes)
    let done = 0
    const pause = async () => {
      if (++done % FILES_PER_BREATH === 0) await breathe()
    }
    for (const { path: file, from, to } of changes) {
      const isKept = to !== null && !isDirectoryNode(to)
      if (from === null || isDirectoryNode(from) || isKept) continue
      place.check?.()
      inParent(cursor, file, (parent, name) => unlinkSync(toFsPath(`${parent.handle}/${name}`)))
      await pause()
    }
    // Deepest first; one that still holds something that no checkpoint sees stays.
    for (const { path: directory, from, to } of [...changes].reverse()) {
      if (!isDirectoryNode(from) || isDirectoryNode(to)) continue
      place.check?.()
      inParent(cursor, directory, (parent, name) => removeEmpty(parent, name))
      await pause()
    }
    for (const change of changes) {
      const { path: at, from, to } = change
      if (to === null || isInAbsentGit(cursor, at, to)) continue
      place.check?.()
      if (isDirectoryNode(to)) cursor.enterOrMake(at)
      else if (from !== null && from.hash === to.hash && isSameKind(from, to)) setMode(cursor, at, to)
      else await putFile(cursor, place, { store, large }, at, kept(cursor, at, to, options))
      await pause()
    }
    // Directories' rights come last, deepest first: they may forbid what had to be done in them.
    const permissions = new Map(cursor.unlocked)
    for (const { path: at, to } of changes) if (to && isDirectoryNode(to)) permissions.set(at, permissionsOf(to.mode))
    setPermissions(cursor, permissions, () => place.check?.())
  } catch (error) {
    // Whoever replaced this one compares what is there with what is to be, rights too; else nobody would give them back.
    if (!(error instanceof AppError && error.code === 'lease_lost')) setPermissions(cursor, cursor.unlocked)
    throw error
  } finally {
    cursor.close()
  }
}

/** Gives directories their rights, the deepest first. What is gone or cannot be had is passed over. */
function setPermissions(cursor: DirectoryCursor, permissions: ReadonlyMap<ByteName, number>, check?: () => void): void {
  for (const [at, bits] of [...permissions].sort(([a], [b]) => (a < b ? 1 : -1))) {
    check?.()
    const directory = cursor.enter(at)
    if (directory !== null) ifPossible(() => chmodSync(directory.handle, bits))
  }
}

function split(at: ByteName): { parent: ByteName; name: ByteName } {
  const slash = at.lastIndexOf('/')
  return { parent: slash === -1 ? '' : at.slice(0, slash), name: at.slice(slash + 1) }
}

/** Does something where it is possible: what is gone already need not be removed. */
function inParent(cursor: DirectoryCursor, at: ByteName, work: (parent: OpenDirectory, name: ByteName) => void): void {
  const { parent, name } = split(at)
  const directory = cursor.enter(parent)
  if (directory === null) return
  cursor.unlock()
  ifPossible(() => work(directory, name))
}

function removeEmpty(parent: OpenDirectory, name: ByteName): void {
  try {
    rmdirSync(toFsPath(`${parent.handle}/${name}`))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
  }
}

function isSameKind(from: TreeNode, to: TreeNode): boolean {
  return (
    !isDirectoryNode(from) &&
    isLinkMode(from.mode) === isLinkMode(to.mode) &&
    isLargeMode(from.mode) === isLargeMode(to.mode)
  )
}

/** Hooks, configuration and an empty directory without a repository around them would only look like one; a file that points to one may. */
function isInAbsentGit(cursor: DirectoryCursor, at: ByteName, to: TreeNode): boolean {
  const [, git] = /^(|.*\/)\.git(?=\/|$)/.exec(at) ?? []
  if (git === undefined) return false
  const directory = cursor.enter(`${git}.git`)
  return directory !== null
    ? statChild(directory, 'HEAD') === null
    : statOf(cursor, `${git}.git`) === null && (at !== `${git}.git` || isDirectoryNode(to))
}

/** What is to be, with the permissions of the file that is there where the tree does not know better. */
function kept(cursor: DirectoryCursor, at: ByteName, to: TreeNode, options: { keepPermissions: boolean }): TreeNode {
  const stat = options.keepPermissions ? statOf(cursor, at) : null
  const isKept = stat?.isFile() && !isLinkMode(to.mode) && (stat.mode & 0o100) === (permissionsOf(to.mode) & 0o100)
  return stat && isKept ? { ...to, mode: fileMode(stat.mode, isLargeMode(to.mode)) } : to
}

function statOf(cursor: DirectoryCursor, at: ByteName) {
  const { parent, name } = split(at)
  const directory = cursor.enter(parent)
  return directory === null ? null : statChild(directory, name)
}

function setMode(cursor: DirectoryCursor, at: ByteName, to: TreeNode): void {
  if (isLinkMode(to.mode)) return
  inParent(cursor, at, (parent, name) => {
    const fd = openSync(toFsPath(`${parent.handle}/${name}`), O_PATH | constants.O_NOFOLLOW)
    try {
      if (fstatSync(fd).isFile()) chmodSync(`/proc/self/fd/${fd}`, permissionsOf(to.mode))
    } finally {
      closeSync(fd)
    }
  })
}

/** Replaces or makes a file or a link in one step: made in `staging`, where no command can reach it, then renamed. */
async function putFile(
  cursor: DirectoryCursor,
  place: WorkspacePlace,
  stores: RestoreStores,
  at: ByteName,
  to: TreeNode,
): Promise<void> {
  const staged = path.join(place.staging, randomBytes(9).toString('hex'))
  if (!(await makeStaged(place, () => stageNode(stores, staged, to)))) return
  try {
    cursor.give(staged)
    const { parent, name } = split(at)
    const directory = cursor.enterOrMake(parent)
    cursor.unlock()
    if (statChild(directory, name)?.isDirectory()) removeEmpty(directory, name)
    renameSync(staged, toFsPath(`${directory.handle}/${name}`))
  } catch (error) {
    await rm(staged, { force: true })
    place.check?.()
    if (error instanceof AppError) throw error
    throw new AppError('sandbox_bad_request', `${toShown(at)} cannot be restored: something else is in its place`, {
      cause: error,
    })
  }
  hitCrashPoint('restore.file_replaced')
}

/** False when the content of a large file is not kept: then the file stays as it is, and the next checkpoint says so. */
async function stageNode({ store, large }: RestoreStores, staged: string, { mode, hash }: TreeNode): Promise<boolean> {
  const data = await store.readBlob(hash)
  if (isLinkMode(mode)) {
    symlinkSync(data, staged)
    return true
  }
  const pointer = isLargeMode(mode) ? decodePointer(data) : null
  const kept = pointer === null ? null : await large.pathOf(pointer)
  if (pointer !== null && kept === null) return false
  if (kept !== null) await copyFile(kept, staged, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  const file = await open(staged, kept === null ? 'wx' : 'r', 0o600)
  try {
    if (kept === null) await file.writeFile(data)
    // After creation, since the mode of `open` is cut by this process's umask.
    await file.chmod(permissionsOf(mode))
    return true
  } finally {
    await file.close()
  }
}

/** Asked before anything is touched: a directory in a file's place must hold nothing that no checkpoint sees. */
async function refuseBlocked(cursor: DirectoryCursor, changes: readonly TreeChange[]): Promise<void> {
  const going = new Set(changes.filter(({ from }) => from !== null).map((change) => change.path))
  for (const { path: at, to } of changes) {
    if (to === null || isDirectoryNode(to)) continue
    if (!statOf(cursor, at)?.isDirectory()) continue
    const directory = cursor.enter(at)
    if (directory !== null && holdsOnly(directory, at, going, 0)) continue
    throw new AppError(
      'sandbox_bad_request',
      `${toShown(at)} cannot be restored: a directory with other files is in its place`,
    )
  }
}

function holdsOnly(directory: OpenDirectory, at: ByteName, going: ReadonlySet<ByteName>, depth: number): boolean {
  const names = readNames(directory, MAX_LOOK_NAMES)
  if (names === null || names === 'many' || depth > MAX_LOOK_DEPTH) return false
  return names.every((name) => {
    const inner = `${at}/${name}`
    if (!statChild(directory, name)?.isDirectory()) return going.has(inner)
    const child = openChild(directory, name)
    if (child === null) return false
    try {
      return holdsOnly(child, inner, going, depth + 1)
    } finally {
      child.close()
    }
  })
}
