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
import type { SandboxPaths } from './layout.ts'
import type { Limits } from './limits.ts'
import { removeTree } from './remove-tree.ts'

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants
/** Directories, files and links of one workspace. */
export const MAX_ENTRIES = 200_000
/** How many directories may lead to an entry. */
export const MAX_PATH_DEPTH = 100
const MAX_PATH_BYTES = 3_900
const MAX_NAME_BYTES = 255
/** Linux takes no longer one. */
const MAX_TARGET_BYTES = 4_095
const MIB = 1024 * 1024
/** The disk's free space is looked at after this much was written. */
const DISK_LOOK_BYTES = 64 * MIB
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
  { keep = [], check, ready, onProgress }: ReplaceOptions = {},
): Promise<WorkspaceSize> {
  const { paths } = place
  await clearUp(paths)
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
  /** Directories by name in bytes as latin1, with the mode they get; other things with null. */
  const made = new Map<string, number | null>([['', 0]])
  const isForeign = owner.uid !== process.getuid?.() || owner.gid !== process.getgid?.()
  const total = { files: 0, sizeBytes: 0 }
  let untilLook = 0

  const at = (name: string): Buffer => Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, 'latin1')])
  const give = async (target: Buffer): Promise<void> => {
    if (isForeign) await lchown(target, owner.uid, owner.gid)
  }
  const note = (name: string, mode: number | null): void => {
    if (made.size > MAX_ENTRIES) refuse(`there are more than ${MAX_ENTRIES} files and directories`)
    made.set(name, mode)
  }

  const directory = async (name: string, mode: number): Promise<void> => {
    const known = made.get(name)
    if (known === null) refuse(`${shown(name)} is a file or a link and a directory at once`)
    if (known !== undefined) {
      if (name !== '') made.set(name, mode)
      return
    }
    await directory(parentOf(name), made.get(parentOf(name)) ?? 0o755)
    note(name, mode)
    await mkdir(at(name), { mode: 0o700 })
    await give(at(name))
  }

  const grow = (bytes: number): void => {
    total.sizeBytes += bytes
    if (total.sizeBytes > limits.workspaceBytes) {
      refuse(`the files are more than ${mib(limits.workspaceBytes)} MiB, the limit of a workspace`)
    }
    untilLook -= bytes
    if (untilLook > 0) return
    untilLook = DISK_LOOK_BYTES
    const { bavail, bsize } = statfsSync(disk)
    if (bavail * bsize < limits.minFreeDiskBytes) refuse('the disk under the workspaces is almost full')
  }

  const file = async (name: string, entry: Extract<WorkspaceEntry, { kind: 'file' }>): Promise<void> => {
    const handle = await open(at(name), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600)
    try {
      let offset = 0
      for await (const chunk of entry.data) {
        if (offset + chunk.length > limits.fileBytes) refuse(tooLarge(name, limits.fileBytes))
        grow(chunk.length)
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
      const name = checkedName(entry.path)
      if (entry.kind === 'directory') return await directory(name, entry.mode & 0o777)
      if (made.has(name)) refuse(`${shown(name)} is there twice`)
      await directory(parentOf(name), made.get(parentOf(name)) ?? 0o755)
      note(name, null)
      total.files += 1
      if (entry.kind === 'symlink') {
        await symlink(checkedTarget(name, entry.target), at(name))
        return await give(at(name))
      }
      if (entry.sizeBytes > limits.fileBytes) refuse(tooLarge(name, limits.fileBytes))
      await file(name, entry)
    },
    async finish(rootMode) {
      const directories = [...made].filter((one): one is [string, number] => one[1] !== null && one[0] !== '')
      // The deepest first: a directory that forbids entering it would keep us from those below.
      for (const [name, mode] of directories.reverse()) await chmod(at(name), mode | 0o500)
      await chmod(root, rootMode)
      await give(Buffer.from(root))
    },
    done: () => ({ ...total }),
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

/** The name as latin1, each character a byte, without `.`, `..`, absolute or overlong names. Throws `sandbox_bad_request`. */
function checkedName(bytes: Uint8Array): string {
  const given = Buffer.from(bytes).toString('latin1')
  const name = given.replace(/^(\.\/)+/, '').replace(/\/+$/, '')
  if (name === '' || name === '.') return ''
  if (given.startsWith('/')) refuse(`${shown(given)} is an absolute name`)
  if (given.includes('\0')) refuse('a name holds a NUL byte')
  if (name.length > MAX_PATH_BYTES) refuse(`a name is longer than ${MAX_PATH_BYTES} bytes: ${shown(name)}`)
  const parts = name.split('/')
  if (parts.length > MAX_PATH_DEPTH) {
    const way = 'leave it out or move it to a directory above'
    refuse(`a file or directory lies deeper than ${MAX_PATH_DEPTH} directories, ${way}: ${shown(name)}`)
  }
  for (const part of parts) {
    if (part === '' || part === '.' || part === '..') refuse(`${shown(given)} leads out of the workspace`)
    if (part.length > MAX_NAME_BYTES) refuse(`a name is longer than ${MAX_NAME_BYTES} bytes: ${shown(part)}`)
  }
  return name
}

function checkedTarget(name: string, target: Uint8Array): Buffer {
  if (target.length > 0 && target.length <= MAX_TARGET_BYTES && !target.includes(0)) return Buffer.from(target)
  return refuse(`the link ${shown(name)} has a target that no file system takes`)
}

function parentOf(name: string): string {
  const slash = name.lastIndexOf('/')
  return slash === -1 ? '' : name.slice(0, slash)
}

function isZero(chunk: Uint8Array): boolean {
  return (
    chunk.length >= 4096 &&
    Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).equals(ZEROS.subarray(0, chunk.length))
  )
}

/** As long as the longest piece that sources are read in. */
const ZEROS = Buffer.alloc(MIB)

function shown(name: string): string {
  const text = Buffer.from(name, 'latin1').toString()
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

function tooLarge(name: string, bytes: number): string {
  return `${shown(name)} is larger than ${mib(bytes)} MiB, the limit of a file`
}

function mib(bytes: number): number {
  return Math.round(bytes / MIB)
}

function refuse(message: string): never {
  throw new AppError('sandbox_bad_request', message)
}
