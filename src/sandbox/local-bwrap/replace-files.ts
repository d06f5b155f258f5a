/**
 * Puts a whole new set of files in a workspace's place. They are built in a directory beside it that no command can reach,
 * so nothing they hold (a link, a name) can lead a later one elsewhere, and take its place by two renames at the end: a
 * failure leaves the old files, and a death between the two renames is finished by {@link finishSwap}.
 */

import { randomBytes } from 'node:crypto'
import { constants, existsSync, renameSync, type Stats, statfsSync } from 'node:fs'
import { chmod, lchown, mkdir, open, readdir, rename, stat, symlink } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import type { ReplaceOptions, WorkspaceEntry, WorkspaceSize } from '../types.ts'
import { breathe } from './files.ts'
import { IncomingEntries } from './incoming-entries.ts'
import type { SandboxPaths } from './layout.ts'
import type { Limits } from './limits.ts'
import { removeTree } from './remove-tree.ts'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants
const MIB = 1024 * 1024
/** The disk's free space is looked at after this much was written. */
const DISK_LOOK_BYTES = 64 * MIB
/** Entries looked at between two breaths of the event loop. */
const ENTRIES_PER_BREATH = 500
const INCOMING = 'incoming-'
const PREVIOUS = 'previous-'

/** The files that wait to take the workspace's place, complete. */
function nextOf(paths: SandboxPaths): string {
  return path.join(paths.base, 'next')
}

/** Finishes a replacement whose process died between the two renames. Safe to repeat and at any time. */
export function finishSwap(paths: SandboxPaths): void {
  if (!existsSync(paths.workspace) && existsSync(nextOf(paths))) renameSync(nextOf(paths), paths.workspace)
}

/** See `Sandbox.replaceFiles`. One at a time for a workspace: the caller holds the project's lock. */
export async function replaceFiles(
  place: { readonly paths: SandboxPaths; readonly limits: Limits },
  entries: AsyncIterable<WorkspaceEntry>,
  { keep = [], first, check, ready, onProgress }: ReplaceOptions = {},
): Promise<WorkspaceSize> {
  const { paths } = place
  await clearUp(paths)
  if (first) await lookFirst(first, new IncomingEntries(place.limits), check)
  const incoming = path.join(paths.base, INCOMING + randomBytes(6).toString('hex'))
  const owner = await stat(paths.workspace)
  await mkdir(incoming, { mode: 0o755 })
  try {
    const builder = createBuilder(incoming, owner, place.limits, paths.base)
    for await (const entry of entries) {
      check?.()
      await builder.add(entry)
      onProgress?.(builder.done())
    }
    await builder.finish(owner.mode & 0o7777)
    await ready?.()
    check?.()
    for (const name of keep) await keepOne(paths.workspace, incoming, name)
    await swap(paths, incoming)
    return builder.done()
  } catch (error) {
    await removeTree(incoming)
    throw error
  }
}

/** Reads what will come without its bytes; lets others have their turn, since names alone cost no wait. */
async function lookFirst(
  entries: AsyncIterable<WorkspaceEntry>,
  incoming: IncomingEntries,
  check: (() => void) | undefined,
): Promise<void> {
  let seen = 0
  for await (const entry of entries) {
    incoming.admit(entry)
    if (++seen % ENTRIES_PER_BREATH !== 0) continue
    check?.()
    await breathe()
  }
}

async function swap(paths: SandboxPaths, incoming: string): Promise<void> {
  const previous = path.join(paths.base, PREVIOUS + randomBytes(6).toString('hex'))
  await rename(incoming, nextOf(paths))
  await rename(paths.workspace, previous)
  await rename(nextOf(paths), paths.workspace)
  await discard(paths, previous)
}

/** What commands left may take long to remove, or be held by something: then the sweep of the trash goes on with it. */
async function discard(paths: SandboxPaths, tree: string): Promise<void> {
  const doomed = path.join(paths.trash, randomBytes(9).toString('hex'))
  await mkdir(paths.trash, { recursive: true, mode: 0o700 })
  await rename(tree, doomed)
  try {
    await removeTree(doomed)
  } catch {
    // The sweep names what still lies there.
  }
}

/** What a process that died has left here. */
async function clearUp(paths: SandboxPaths): Promise<void> {
  finishSwap(paths)
  for (const name of await readdir(paths.base)) {
    if (name !== 'next' && !name.startsWith(INCOMING) && !name.startsWith(PREVIOUS)) continue
    await discard(paths, path.join(paths.base, name))
  }
}

async function keepOne(workspace: string, incoming: string, name: string): Promise<void> {
  const from = path.join(workspace, name)
  const to = path.join(incoming, name)
  if (existsSync(from) && !existsSync(to)) await rename(from, to)
}

interface Builder {
  add(entry: WorkspaceEntry): Promise<void>
  /** Sets the directories' modes, which may forbid writing, when all is in them. */
  finish(rootMode: number): Promise<void>
  done(): WorkspaceSize
}

function createBuilder(root: string, owner: Stats, limits: Limits, disk: string): Builder {
  const incoming = new IncomingEntries(limits)
  const isForeign = owner.uid !== process.getuid?.() || owner.gid !== process.getgid?.()
  let files = 0
  let untilLook = 0

  const at = (name: string): Buffer => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')])
  const give = async (target: Buffer): Promise<void> => {
    if (isForeign) await lchown(target, owner.uid, owner.gid)
  }

  const directory = async (name: string): Promise<void> => {
    await mkdir(at(name), { mode: 0o700 })
    await give(at(name))
  }

  const lookAtDisk = (bytes: number): void => {
    untilLook -= bytes
    if (untilLook > 0) return
    untilLook = DISK_LOOK_BYTES
    const { bavail, bsize } = statfsSync(disk)
    if (bavail * bsize >= limits.minFreeDiskBytes) return
    throw new AppError('sandbox_bad_request', 'the disk under the workspaces is almost full')
  }

  const file = async (name: string, entry: Extract<WorkspaceEntry, { kind: 'file' }>): Promise<void> => {
    const handle = await open(at(name), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600)
    try {
      let offset = 0
      for await (const chunk of entry.data) {
        incoming.grow(name, chunk.length, offset + chunk.length)
        lookAtDisk(chunk.length)
        // A hole stays a hole: sparse files cost no disk here either.
        if (!isZero(chunk)) await writeAll(handle, chunk, offset)
        offset += chunk.length
      }
      await handle.truncate(offset)
      if (isForeign) await handle.chown(owner.uid, owner.gid)
      await handle.chmod(entry.mode & 0o777)
      if (entry.mtimeMs !== undefined) await handle.utimes(entry.mtimeMs / 1000, entry.mtimeMs / 1000)
    } finally {
      await handle.close()
    }
  }

  return {
    async add(entry) {
      const admitted = incoming.admit(entry)
      if (admitted === null) return
      for (const parent of admitted.parents) await directory(parent)
      if (entry.kind === 'directory') return await directory(admitted.name)
      files += 1
      if (entry.kind === 'file') return await file(admitted.name, entry)
      await symlink(Buffer.from(entry.target), at(admitted.name))
      await give(at(admitted.name))
    },
    async finish(rootMode) {
      // The deepest first: a directory that forbids entering it would keep us from those below.
      for (const [name, mode] of incoming.directories().reverse()) await chmod(at(name), mode | 0o500)
      await chmod(root, rootMode)
      await give(Buffer.from(root))
    },
    done: () => ({ files, sizeBytes: incoming.sizeBytes }),
  }
}

async function writeAll(
  handle: {
    write(data: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>
  },
  chunk: Uint8Array,
  position: number,
): Promise<void> {
  for (let sent = 0; sent < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, sent, chunk.length - sent, position + sent)
    sent += bytesWritten
  }
}

function isZero(chunk: Uint8Array): boolean {
  return (
    chunk.length >= 4096 &&
    Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).equals(ZEROS.subarray(0, chunk.length))
  )
}

/** As long as the longest piece that sources are read in. */
const ZEROS = Buffer.alloc(MIB)
