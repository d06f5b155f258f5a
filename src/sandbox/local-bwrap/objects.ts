/**
 * Git objects written and read by ourselves: blobs, trees and nothing else, loose, in the shadow directory. No git process
 * reads the workspace for a checkpoint, so nothing that lies in it (hooks, config, attributes, nested repositories) can
 * have a say, and an unchanged workspace costs no process at all. Format: gitrepository-layout and the pack/loose object
 * documentation of git; `git fsck` accepts what comes out.
 */

import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { deflate, deflateSync, inflate } from 'node:zlib'
import { AppError } from '../../shared/errors.ts'

const deflateAsync = promisify(deflate)
const inflateAsync = promisify(inflate)

export type TreeMode = '100644' | '100755' | '120000' | '40000'

/** One line of a tree. `name` and paths made of it are byte strings (latin1), since file names need not be UTF-8. */
export interface TreeEntry {
  readonly mode: TreeMode
  readonly name: string
  readonly hash: string
}

/** Files of a tree by path; directories are implied. */
export type FlatTree = ReadonlyMap<string, { readonly mode: TreeMode; readonly hash: string }>

export interface ObjectStore {
  putBlob(data: Uint8Array): Promise<string>
  putTree(entries: readonly TreeEntry[]): Promise<string>
  readBlob(hash: string): Promise<Buffer>
  /** Throws `sandbox_bad_request` when the tree is not in the store. */
  flatten(tree: string): Promise<FlatTree>
}

const HASH = /^[0-9a-f]{40}$/
/** Compression level 1: objects live for days, and a checkpoint is waited for. */
const LEVEL = 1
/** Packing this little takes less time than handing it to another thread. */
const SMALL_BYTES = 32 * 1024
const MAX_TREE_DEPTH = 256
/** Names known to be stored already; forgotten as a whole when there are too many. */
const MAX_KNOWN = 100_000

/** Hash of an object as git computes it. */
export function objectHash(type: 'blob' | 'tree', data: Uint8Array): string {
  return createHash('sha1').update(`${type} ${data.length}\0`).update(data).digest('hex')
}

/** The bytes of a tree object; entries are sorted as git wants them, directories as if their name ended in a slash. */
export function encodeTree(entries: readonly TreeEntry[]): Buffer {
  const key = (entry: TreeEntry) => (entry.mode === '40000' ? `${entry.name}/` : entry.name)
  const sorted = [...entries].sort((a, b) => (key(a) < key(b) ? -1 : 1))
  return Buffer.concat(
    sorted.flatMap((entry) => [Buffer.from(`${entry.mode} ${entry.name}\0`, 'latin1'), Buffer.from(entry.hash, 'hex')]),
  )
}

export function decodeTree(data: Buffer): TreeEntry[] {
  const entries: TreeEntry[] = []
  for (let at = 0; at < data.length; ) {
    const end = data.indexOf(0, at)
    const text = data.toString('latin1', at, end)
    const space = text.indexOf(' ')
    const hash = data.toString('hex', end + 1, end + 21)
    // Only trees of our own making are read, so the mode is one of ours.
    entries.push({ mode: text.slice(0, space) as TreeMode, name: text.slice(space + 1), hash })
    at = end + 21
  }
  return entries
}

/** Opens the store, which must exist. Objects are named by content, so writers in several processes do not collide. */
export function createObjectStore(gitDir: string): ObjectStore {
  const objects = path.join(gitDir, 'objects')
  const known = new Set<string>()

  const put = async (type: 'blob' | 'tree', data: Uint8Array): Promise<string> => {
    const hash = objectHash(type, data)
    if (known.has(hash)) return hash
    const file = path.join(objects, hash.slice(0, 2), hash.slice(2))
    if (!existsSync(file)) {
      const whole = Buffer.concat([Buffer.from(`${type} ${data.length}\0`), data])
      const packed =
        whole.length <= SMALL_BYTES ? deflateSync(whole, { level: LEVEL }) : await deflateAsync(whole, { level: LEVEL })
      mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
      const fresh = `${path.dirname(file)}/tmp_obj_${randomBytes(6).toString('hex')}`
      writeFileSync(fresh, packed, { mode: 0o400 })
      renameSync(fresh, file)
    }
    if (known.size >= MAX_KNOWN) known.clear()
    known.add(hash)
    return hash
  }

  const read = async (type: 'blob' | 'tree', hash: string): Promise<Buffer> => {
    const missing = (cause?: unknown) =>
      new AppError('sandbox_bad_request', `there is no checkpoint or file ${hash} in this sandbox`, { cause })
    if (!HASH.test(hash)) throw missing()
    let data: Buffer
    try {
      data = await inflateAsync(await readFile(path.join(objects, hash.slice(0, 2), hash.slice(2))))
    } catch (error) {
      throw missing(error)
    }
    const end = data.indexOf(0)
    if (!data.toString('latin1', 0, end).startsWith(`${type} `)) throw missing()
    return data.subarray(end + 1)
  }

  const flattenInto = async (tree: string, prefix: string, depth: number, into: Map<string, TreeEntry>) => {
    if (depth > MAX_TREE_DEPTH) throw new AppError('sandbox_bad_request', 'this checkpoint is nested too deeply')
    for (const entry of decodeTree(await read('tree', tree))) {
      if (entry.mode === '40000') await flattenInto(entry.hash, `${prefix}${entry.name}/`, depth + 1, into)
      else into.set(prefix + entry.name, entry)
    }
  }

  return {
    putBlob: async (data) => await put('blob', data),
    putTree: async (entries) => await put('tree', encodeTree(entries)),
    readBlob: async (hash) => await read('blob', hash),
    async flatten(tree) {
      const into = new Map<string, TreeEntry>()
      await flattenInto(tree, '', 0, into)
      return into
    },
  }
}
