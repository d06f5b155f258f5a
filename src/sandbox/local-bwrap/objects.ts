/**
 * Git objects written and read by ourselves: blobs, trees and nothing else, loose, in the shadow directory. No git process
 * reads the workspace for a checkpoint, so nothing that lies in it (hooks, config, attributes, nested repositories) can
 * have a say, and an unchanged workspace costs no process at all. Format: gitrepository-layout and the loose object
 * documentation of git, which reads what comes out.
 */

import { createHash, randomBytes } from 'node:crypto'
import { closeSync, existsSync, fstatSync, mkdirSync, openSync, renameSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { deflate, deflateSync, inflate, inflateSync } from 'node:zlib'
import { AppError } from '../../shared/errors.ts'
import { TREE_HASH } from '../tree-hash.ts'
import type { ByteName } from './descriptors.ts'
import { isDirectoryMode, type TreeMode } from './entry-mode.ts'
import { breathe } from './files.ts'
import { isMissing } from './job-files.ts'
import { readPart, SMALL_BYTES } from './small-files.ts'

const deflateAsync = promisify(deflate)
const inflateAsync = promisify(inflate)

/** One line of a tree. */
export interface TreeEntry {
  readonly mode: TreeMode
  readonly name: ByteName
  readonly hash: string
}

/** Objects are named by content, so writers in several processes do not collide. */
export interface ObjectStore {
  /** Both throw `sandbox_busy` when the disk is almost full. Safe to repeat. */
  putBlob(data: Uint8Array): Promise<string>
  putTree(entries: readonly TreeEntry[]): Promise<string>
  /** Both throw `sandbox_bad_request` when there is no such object in the store. */
  readBlob(hash: string): Promise<Buffer>
  readTree(hash: string): Promise<TreeEntry[]>
  /** Forgets which objects are stored already: some were removed. */
  forget(): void
}

/** Compression level 1: objects live for days, and a checkpoint is waited for. */
const LEVEL = 1
/** Objects read between two breaths of the event loop: small ones are read without a wait. */
const READS_PER_BREATH = 16
/** Names known to be stored already; forgotten as a whole when there are too many. */
const MAX_KNOWN = 100_000
/** Unpacked, no object of ours is larger: a file of 2 MiB, or the tree of a directory of 50,000 long names. */
const MAX_OBJECT_BYTES = 32 * 1024 * 1024
const DISK_CHECK_MS = 250

/** Hash of an object as git computes it. */
export function objectHash(type: 'blob' | 'tree', data: Uint8Array): string {
  return createHash('sha1').update(`${type} ${data.length}\0`).update(data).digest('hex')
}

/** The hash of git's tree without entries. */
export const EMPTY_TREE = objectHash('tree', Buffer.alloc(0))

/** The bytes of a tree object; entries are sorted as git wants them, directories as if their name ended in a slash. */
export function encodeTree(entries: readonly TreeEntry[]): Buffer {
  const keyed = entries.map((entry) => ({ entry, key: isDirectoryMode(entry.mode) ? `${entry.name}/` : entry.name }))
  keyed.sort((a, b) => (a.key < b.key ? -1 : 1))
  return Buffer.concat(
    keyed.flatMap(({ entry }) => [
      Buffer.from(`${entry.mode} ${entry.name}\0`, 'latin1'),
      Buffer.from(entry.hash, 'hex'),
    ]),
  )
}

/** The entries of a tree object, in its order. Its bytes must be a tree's: nothing checks them. Pure. */
export function decodeTree(data: Buffer): TreeEntry[] {
  const entries: TreeEntry[] = []
  for (let at = 0; at < data.length; ) {
    const end = data.indexOf(0, at)
    const text = data.toString('latin1', at, end)
    const space = text.indexOf(' ')
    const hash = data.toString('hex', end + 1, end + 21)
    entries.push({ mode: text.slice(0, space), name: text.slice(space + 1), hash })
    at = end + 21
  }
  return entries
}

/** Where an object lies in a git directory. */
export function objectPath(gitDir: string, hash: string): string {
  return path.join(gitDir, 'objects', hash.slice(0, 2), hash.slice(2))
}

/** Refuses to write when the disk has less than `minFreeBytes` left: it is also that of the database. */
export function createDiskGuard(dir: string, minFreeBytes: number): () => void {
  let lookedAt = 0
  return () => {
    if (Date.now() - lookedAt < DISK_CHECK_MS) return
    const { bavail, bsize } = statfsSync(dir)
    if (bavail * bsize < minFreeBytes) {
      throw new AppError('sandbox_busy', 'The disk under the workspaces is almost full: checkpoints wait for room.')
    }
    lookedAt = Date.now()
  }
}

/** The file appears whole or not at all. Its directory is one of 256 and mostly there, so it is made only when it is missing. */
function writeNew(file: string, data: Uint8Array): void {
  const fresh = `${path.dirname(file)}/tmp_obj_${randomBytes(6).toString('hex')}`
  const write = () => writeFileSync(fresh, data, { mode: 0o400, flag: 'wx' })
  try {
    write()
  } catch (error) {
    if (!isMissing(error)) throw error
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
    write()
  }
  renameSync(fresh, file)
}

/** Throws what the file system and zlib throw. */
async function unpacked(file: string): Promise<Buffer> {
  const fd = openSync(file, 'r')
  try {
    const packed = await readPart(fd, 0, fstatSync(fd).size)
    if (packed.length <= SMALL_BYTES) {
      try {
        return inflateSync(packed, { maxOutputLength: 2 * SMALL_BYTES })
      } catch (error) {
        // A little may unpack to a lot, which another thread does.
        if (!(error instanceof RangeError)) throw error
      }
    }
    return await inflateAsync(packed, { maxOutputLength: MAX_OBJECT_BYTES })
  } finally {
    closeSync(fd)
  }
}

/** Opens the store in a git directory, which must exist. `checkDisk` is asked before something is written. */
export function createObjectStore(gitDir: string, checkDisk: () => void): ObjectStore {
  const known = new Set<string>()
  let reads = 0

  const put = async (type: 'blob' | 'tree', data: Uint8Array): Promise<string> => {
    const hash = objectHash(type, data)
    if (known.has(hash)) return hash
    const file = objectPath(gitDir, hash)
    if (!existsSync(file)) {
      checkDisk()
      const whole = Buffer.concat([Buffer.from(`${type} ${data.length}\0`), data])
      const packed =
        whole.length <= SMALL_BYTES ? deflateSync(whole, { level: LEVEL }) : await deflateAsync(whole, { level: LEVEL })
      writeNew(file, packed)
    }
    if (known.size >= MAX_KNOWN) known.clear()
    known.add(hash)
    return hash
  }

  const read = async (type: 'blob' | 'tree', hash: string): Promise<Buffer> => {
    const missing = (cause?: unknown) =>
      new AppError('sandbox_bad_request', `there is no checkpoint or file ${hash} in this sandbox`, { cause })
    if (!TREE_HASH.test(hash)) throw missing()
    let data: Buffer
    try {
      if (++reads % READS_PER_BREATH === 0) await breathe()
      data = await unpacked(objectPath(gitDir, hash))
    } catch (error) {
      throw missing(error)
    }
    const end = data.indexOf(0)
    if (!data.toString('latin1', 0, end).startsWith(`${type} `)) throw missing()
    return data.subarray(end + 1)
  }

  return {
    putBlob: async (data) => await put('blob', data),
    putTree: async (entries) => await put('tree', encodeTree(entries)),
    readBlob: async (hash) => await read('blob', hash),
    // Neither git nor we write the empty tree where nobody asked for it by name.
    readTree: async (hash) => (hash === EMPTY_TREE ? [] : decodeTree(await read('tree', hash))),
    forget: () => known.clear(),
  }
}
